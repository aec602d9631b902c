"""Closed bars of one timeframe in, the kind of market they make out: trend, range, volatile or quiet."""

from msgspec import Struct

from libs.common.events import Fact
from services.signals.engine.bars import Bar
from services.signals.engine.config import EngineConfig
from services.signals.engine.indicators import Values
from services.signals.engine.parameters.regime import RegimeParameters
from services.signals.engine.technical.rank import Rank


class Regime(Struct):
    """The running state; built anew with the indicators.

    Each condition latches: it begins at one threshold and ends at another. Of those that hold, volatile stands before
    trend, trend before quiet; range is when none holds. The word changes after `confirm_bars` bars that ask for the
    same other one. docs/layers/regime.md has the reasons.
    """

    parameters: RegimeParameters
    atr: Rank
    width: Rank
    word: str | None = None
    """Absent while its measures warm up."""
    bars: int = 0
    """Bars the word has stood, the one that set it included."""
    asked: str | None = None
    """The word that the newest bars ask for; absent where they ask for the one that stands."""
    asked_bars: int = 0
    volatile: bool = False
    trend: bool = False
    quiet: bool = False
    adx: float | None = None
    atr_rank: float | None = None
    width_rank: float | None = None

    @classmethod
    def new(cls, config: EngineConfig) -> "Regime":
        """Return one that has seen nothing."""
        p = config.regime
        return cls(p, Rank(p.window_bars), Rank(p.window_bars))

    def on_bar(self, bar: Bar, values: Values) -> None:
        """Take the next closed complete bar and the indicators at its close."""
        if values.atr_14 is None or values.bb_width is None or values.adx_14 is None or bar.close <= 0:
            return
        p = self.parameters
        atr_rank, width_rank = self.atr.add(values.atr_14 / bar.close), self.width.add(values.bb_width)
        self.adx, self.atr_rank, self.width_rank = values.adx_14, atr_rank, width_rank
        if len(self.atr.values) < p.least_bars:
            return
        self.volatile = atr_rank >= (p.volatile_leave_rank if self.volatile else p.volatile_enter_rank)
        self.trend = values.adx_14 >= (p.trend_leave_adx if self.trend else p.trend_enter_adx)
        self.quiet = max(atr_rank, width_rank) <= (p.quiet_leave_rank if self.quiet else p.quiet_enter_rank)
        self._hear("volatile" if self.volatile else "trend" if self.trend else "quiet" if self.quiet else "range")

    def facts(self) -> dict[str, Fact]:
        """Return why the word stands: the measures, and the word that may come next."""
        return {
            "regime": self.word,
            "regime_bars": self.bars,
            "regime_asked": self.asked,
            "regime_adx_14": self.adx,
            "regime_atr_rank": self.atr_rank,
            "regime_band_width_rank": self.width_rank,
        }

    def _hear(self, word: str) -> None:
        if self.word is None:
            self.word, self.bars = word, 1
            return
        self.bars += 1
        if word == self.word:
            self.asked, self.asked_bars = None, 0
            return
        self.asked_bars = self.asked_bars + 1 if word == self.asked else 1
        self.asked = word
        if self.asked_bars >= self.parameters.confirm_bars:
            self.word, self.bars, self.asked, self.asked_bars = word, 1, None, 0
