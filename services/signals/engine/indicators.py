"""Every indicator of one timeframe: closed bars in, in ascending order, the values at each close out."""

from typing import Final

from msgspec import Struct, field

from services.signals.engine.averages import Ema, Rma, Window
from services.signals.engine.bars import Bar
from services.signals.engine.oscillators import Adx, Macd, Rsi, true_range

EMA_PERIODS: Final = (9, 20, 50, 200)
_BAND_DEVIATIONS: Final = 2.0


class Values(Struct, frozen=True, kw_only=True):
    """What the indicators say at one close; None before an indicator is warm. Prices in quote currency."""

    open_ns: int
    close: float
    rsi_14: float | None = None
    """0 to 100."""
    macd: float | None = None
    macd_signal: float | None = None
    macd_histogram: float | None = None
    bb_upper: float | None = None
    bb_middle: float | None = None
    bb_lower: float | None = None
    ema_9: float | None = None
    ema_20: float | None = None
    ema_50: float | None = None
    ema_200: float | None = None
    atr_14: float | None = None
    adx_14: float | None = None
    """0 to 100."""
    plus_di_14: float | None = None
    minus_di_14: float | None = None


class Indicators(Struct):
    """The running state of all indicators; never given a bar twice, a bar out of order, or one beyond a hole."""

    rsi: Rsi = field(default_factory=lambda: Rsi.of(14))
    macd: Macd = field(default_factory=lambda: Macd.of(12, 26, 9))
    bands: Window = field(default_factory=lambda: Window(20))
    emas: list[Ema] = field(default_factory=lambda: [Ema(period) for period in EMA_PERIODS])
    atr: Rma = field(default_factory=lambda: Rma(14))
    adx: Adx = field(default_factory=lambda: Adx(14))
    last: Bar | None = None
    values: Values | None = None
    bars: int = 0

    def add(self, bar: Bar) -> Values:
        """Take the next bar; return the values at its close."""
        last, self.last = self.last, bar
        self.bars += 1
        macd = self.macd.add(bar.close) or (None, None, None)
        bands = self.bands.add(bar.close)
        spread = _BAND_DEVIATIONS * bands[1] if bands else 0.0
        ema_9, ema_20, ema_50, ema_200 = [ema.add(bar.close) for ema in self.emas]
        adx = (None if last is None else self.adx.add(bar, last)) or (None, None, None)
        self.values = Values(
            open_ns=bar.open_ns,
            close=bar.close,
            rsi_14=self.rsi.add(bar.close),
            macd=macd[0],
            macd_signal=macd[1],
            macd_histogram=macd[2],
            bb_upper=bands[0] + spread if bands else None,
            bb_middle=bands[0] if bands else None,
            bb_lower=bands[0] - spread if bands else None,
            ema_9=ema_9,
            ema_20=ema_20,
            ema_50=ema_50,
            ema_200=ema_200,
            atr_14=None if last is None else self.atr.add(true_range(bar, last)),
            adx_14=adx[0],
            plus_di_14=adx[1],
            minus_di_14=adx[2],
        )
        return self.values
