"""Layer `cvd`, cumulative volume delta: who is the aggressor, and by how much?"""

from bisect import bisect_left
from typing import ClassVar, Final

from msgspec import Struct, field

from libs.common.events import DAY_NS, MINUTE_NS, SECOND_NS, Fact, Gap, Trade
from services.signals.engine.config import EngineConfig
from services.signals.engine.decay import Decay
from services.signals.engine.layers.layer import Opinion, TickLayer, abstain

_MOST_HOLES: Final = 64


class Slice(Struct, array_like=True):
    """The tape of one second, base units."""

    open_ns: int
    delta: float
    volume: float


class Cvd(TickLayer, tag="cvd"):
    """Signed taker notional over taker notional, forgetting over a horizon.

    Both sums decay alike, so |delta| <= volume and the score lies in [-1, 1] by construction: nothing to clip,
    nothing to tune, comparable across symbols. Delta comes from taker sides only and is never estimated.
    """

    name: ClassVar[str] = "cvd"
    hears: ClassVar[frozenset[type[Struct]]] = frozenset({Trade})

    horizon_ns: int
    stale_ns: int
    decay: Decay
    delta: float = 0.0
    volume: float = 0.0
    first_ns: int = -1
    covered_from_ns: int = -1
    last_ns: int = -1
    in_gap: bool = False
    session_ns: int = -1
    session_delta: float = 0.0
    session_quote: float = 0.0
    session_holes: list[int] = field(default_factory=list)
    """Where unrecovered gaps of this session begin."""
    slices: list[Slice] = field(default_factory=list)

    @classmethod
    def new(cls, config: EngineConfig) -> "Cvd":
        """Return a layer that has heard nothing."""
        return cls(config.cvd.horizon_ns, config.cvd.stale_ns, Decay(config.cvd.horizon_ns))

    def on_trade(self, trade: Trade) -> None:
        """Take one trade, once."""
        at_ns, signed = trade.event_ns, trade.side.sign * trade.size
        if self.first_ns < 0:
            self.first_ns = self.covered_from_ns = at_ns
        if self.in_gap:
            self.covered_from_ns, self.in_gap = at_ns, False
        keep, weight = self.decay.step(at_ns)
        self.delta = self.delta * keep + signed * trade.price * weight
        self.volume = self.volume * keep + trade.notional * weight
        self.last_ns = max(self.last_ns, at_ns)
        self._session(at_ns, signed, signed * trade.price)
        self._slice(at_ns, signed, trade.size)

    def on_gap(self, gap: Gap) -> None:
        """Start anew where trades are missing; the trades of a recovered gap came as trades, the session is whole."""
        if gap.stream != "trades" or self.first_ns < 0:
            return
        self.session_holes = [from_ns for from_ns in self.session_holes if from_ns != gap.from_ns]
        if gap.recovered:
            return
        if len(self.session_holes) < _MOST_HOLES:
            self.session_holes.append(gap.from_ns)
        self.in_gap = True
        self.delta = self.volume = 0.0
        self.slices = []

    def read(self, as_of_ns: int) -> Opinion:
        """Return the balance of takers at `as_of_ns`."""
        if self.last_ns < 0:
            return abstain("no_trades")
        if self.in_gap:
            return abstain("gap")
        silent_s = max(0, as_of_ns - self.last_ns) / SECOND_NS
        if as_of_ns - self.last_ns > self.stale_ns:
            return abstain("stale", {"silent_s": silent_s})
        if self.volume <= 0:
            return abstain("no_trades", {"silent_s": silent_s})
        covered_ns = min(self.horizon_ns, max(0, as_of_ns - self.covered_from_ns))
        score = max(-1.0, min(1.0, self.delta / self.volume))
        return Opinion(score, covered_ns / self.horizon_ns, self._facts(as_of_ns, covered_ns))

    def _facts(self, as_of_ns: int, covered_ns: int) -> dict[str, Fact]:
        recent = [row for row in self.slices if row.open_ns > as_of_ns - self.horizon_ns]
        delta, volume = sum(row.delta for row in recent), sum(row.volume for row in recent)
        today = self.session_ns == as_of_ns - as_of_ns % DAY_NS
        return {
            "rolling_delta_base": delta,
            "rolling_volume_base": volume,
            "rolling_buy_share": 0.5 + 0.5 * delta / volume if volume > 0 else None,
            "session_cvd_base": self.session_delta if today else 0.0,
            "session_cvd_quote": self.session_quote if today else 0.0,
            "last_minute_delta_base": sum(row.delta for row in recent if row.open_ns > as_of_ns - MINUTE_NS),
            "session_complete": self.first_ns <= self.session_ns and not self.session_holes,
            "covered_s": covered_ns / SECOND_NS,
            "horizon_s": self.horizon_ns / SECOND_NS,
        }

    def _session(self, at_ns: int, signed: float, quote: float) -> None:
        session_ns = at_ns - at_ns % DAY_NS
        if session_ns > self.session_ns:
            across = self.first_ns <= session_ns < self.covered_from_ns
            self.session_holes = [self.covered_from_ns] if across else []
            self.session_ns, self.session_delta, self.session_quote = session_ns, 0.0, 0.0
        if session_ns == self.session_ns:
            self.session_delta += signed
            self.session_quote += quote

    def _slice(self, at_ns: int, signed: float, size: float) -> None:
        open_ns = at_ns - at_ns % SECOND_NS
        at = len(self.slices) - 1
        if at < 0 or self.slices[at].open_ns != open_ns:
            at = bisect_left(self.slices, open_ns, key=lambda row: row.open_ns)
            if at == len(self.slices) or self.slices[at].open_ns != open_ns:
                self.slices.insert(at, Slice(open_ns, 0.0, 0.0))
        self.slices[at].delta += signed
        self.slices[at].volume += size
        while self.slices[0].open_ns < self.slices[-1].open_ns - self.horizon_ns:
            del self.slices[0]
