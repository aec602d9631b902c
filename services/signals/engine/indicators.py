"""Every indicator of one timeframe: closed bars in, in ascending order, the values at each close out."""

from typing import Final

from msgspec import Struct, field

from services.signals.engine.averages import Ema, Rma, Window
from services.signals.engine.bars import Bar
from services.signals.engine.oscillators import Adx, Macd, Rsi, true_range
from services.signals.engine.technical.cci import Cci
from services.signals.engine.technical.ichimoku import Ichimoku
from services.signals.engine.technical.ranges import RangePosition
from services.signals.engine.technical.sar import Sar
from services.signals.engine.technical.squeeze import Squeeze
from services.signals.engine.technical.supertrend import Supertrend
from services.signals.engine.technical.volume import Obv, SessionVwap

EMA_PERIODS: Final = (9, 20, 50, 200)
_BAND_DEVIATIONS: Final = 2.0

WARM_UP: Final = {
    "rsi_14": 15,
    "macd": 34,
    "macd_signal": 34,
    "macd_histogram": 34,
    "bb_upper": 20,
    "bb_middle": 20,
    "bb_lower": 20,
    "bb_width": 20,
    "keltner_upper": 20,
    "keltner_lower": 20,
    "squeeze_bars": 20,
    "ema_9": 9,
    "ema_20": 20,
    "ema_50": 50,
    "ema_200": 200,
    "atr_14": 15,
    "adx_14": 28,
    "plus_di_14": 28,
    "minus_di_14": 28,
    "stochastic_k": 18,
    "stochastic_d": 18,
    "williams_r_14": 14,
    "cci_20": 20,
    "obv": 1,
    "obv_flow_20": 21,
    "ichimoku_tenkan": 9,
    "ichimoku_kijun": 26,
    "ichimoku_senkou_a": 26,
    "ichimoku_senkou_b": 52,
    "ichimoku_cloud_a": 78,
    "ichimoku_cloud_b": 78,
    "supertrend": 11,
    "supertrend_side": 11,
    "sar": 2,
    "sar_side": 2,
}
"""Number of the bar that first has the value. `vwap` is not among them: its day may begin with any bar."""


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
    bb_width: float | None = None
    """(upper - lower) / middle, a fraction."""
    keltner_upper: float | None = None
    keltner_lower: float | None = None
    squeeze_bars: int | None = None
    """Bars that the Bollinger bands have been within the Keltner channel, this one included; 0 when they are not."""
    ema_9: float | None = None
    ema_20: float | None = None
    ema_50: float | None = None
    ema_200: float | None = None
    atr_14: float | None = None
    adx_14: float | None = None
    """0 to 100."""
    plus_di_14: float | None = None
    minus_di_14: float | None = None
    stochastic_k: float | None = None
    """Slow %K of 14,3,3: 0 to 100."""
    stochastic_d: float | None = None
    williams_r_14: float | None = None
    """-100 to 0."""
    cci_20: float | None = None
    obv: float | None = None
    """Base units; its level depends on where the bars begin."""
    obv_flow_20: float | None = None
    """OBV's change over 20 bars over their volume: -1 to 1; absent where nothing was traded."""
    ichimoku_tenkan: float | None = None
    ichimoku_kijun: float | None = None
    ichimoku_senkou_a: float | None = None
    """Of this close; a chart draws it 26 bars later."""
    ichimoku_senkou_b: float | None = None
    ichimoku_cloud_a: float | None = None
    """The senkou lines of 26 bars ago: the cloud in force at this bar."""
    ichimoku_cloud_b: float | None = None
    supertrend: float | None = None
    supertrend_side: int | None = None
    """+1 below the price, -1 above it."""
    sar: float | None = None
    sar_side: int | None = None
    vwap: float | None = None
    """Of the UTC day so far; absent before the bars reach a midnight, and while nothing was traded."""
    vwap_deviation: float | None = None
    """Standard deviation around it, weighted by volume; bands are multiples of it."""
    vwap_bars: int | None = None
    """Bars of the day so far."""


class Indicators(Struct):
    """The running state of all indicators; never given a bar twice, a bar out of order, or one beyond a hole."""

    rsi: Rsi = field(default_factory=lambda: Rsi.of(14))
    macd: Macd = field(default_factory=lambda: Macd.of(12, 26, 9))
    bands: Window = field(default_factory=lambda: Window(20))
    emas: list[Ema] = field(default_factory=lambda: [Ema(period) for period in EMA_PERIODS])
    atr: Rma = field(default_factory=lambda: Rma(14))
    adx: Adx = field(default_factory=lambda: Adx(14))
    squeeze: Squeeze = field(default_factory=Squeeze)
    position: RangePosition = field(default_factory=lambda: RangePosition.of(14))
    cci: Cci = field(default_factory=lambda: Cci(20))
    obv: Obv = field(default_factory=lambda: Obv(20))
    ichimoku: Ichimoku = field(default_factory=Ichimoku)
    supertrend: Supertrend = field(default_factory=Supertrend)
    sar: Sar = field(default_factory=Sar)
    vwap: SessionVwap = field(default_factory=SessionVwap)
    last: Bar | None = None
    values: Values | None = None
    bars: int = 0

    def add(self, bar: Bar) -> Values:
        """Take the next bar; return the values at its close."""
        last, self.last = self.last, bar
        self.bars += 1
        macd = self.macd.add(bar.close) or (None, None, None)
        ema_9, ema_20, ema_50, ema_200 = [ema.add(bar.close) for ema in self.emas]
        spread = None if last is None else true_range(bar, last)
        atr = None if spread is None else self.atr.add(spread)
        adx = (None if last is None else self.adx.add(bar, last)) or (None, None, None)
        upper, middle, lower = self._bands(bar.close)
        channel: tuple[float, float, int] | tuple[None, None, None] = (None, None, None)
        if upper is not None and lower is not None and ema_20 is not None and atr is not None:
            channel = self.squeeze.add(ema_20, atr, upper, lower)
        stochastic_k, stochastic_d, williams = self.position.add(bar)
        obv, flow = self.obv.add(bar)
        lines = self.ichimoku.add(bar)
        supertrend = (None if spread is None else self.supertrend.add(bar, spread)) or (None, None)
        sar = (None, None) if last is None else self.sar.add(bar, last)
        vwap = self.vwap.add(bar) or (None, None, None)
        self.values = Values(
            open_ns=bar.open_ns,
            close=bar.close,
            rsi_14=self.rsi.add(bar.close),
            macd=macd[0],
            macd_signal=macd[1],
            macd_histogram=macd[2],
            bb_upper=upper,
            bb_middle=middle,
            bb_lower=lower,
            bb_width=(upper - lower) / middle if upper is not None and lower is not None and middle else None,
            keltner_upper=channel[0],
            keltner_lower=channel[1],
            squeeze_bars=channel[2],
            ema_9=ema_9,
            ema_20=ema_20,
            ema_50=ema_50,
            ema_200=ema_200,
            atr_14=atr,
            adx_14=adx[0],
            plus_di_14=adx[1],
            minus_di_14=adx[2],
            stochastic_k=stochastic_k,
            stochastic_d=stochastic_d,
            williams_r_14=williams,
            cci_20=self.cci.add(bar),
            obv=obv,
            obv_flow_20=flow,
            ichimoku_tenkan=lines.tenkan,
            ichimoku_kijun=lines.kijun,
            ichimoku_senkou_a=lines.senkou_a,
            ichimoku_senkou_b=lines.senkou_b,
            ichimoku_cloud_a=lines.cloud_a,
            ichimoku_cloud_b=lines.cloud_b,
            supertrend=supertrend[0],
            supertrend_side=supertrend[1],
            sar=sar[0],
            sar_side=sar[1],
            vwap=vwap[0],
            vwap_deviation=vwap[1],
            vwap_bars=vwap[2],
        )
        return self.values

    def _bands(self, close: float) -> tuple[float, float, float] | tuple[None, None, None]:
        bands = self.bands.add(close)
        if bands is None:
            return None, None, None
        spread = _BAND_DEVIATIONS * bands[1]
        return bands[0] + spread, bands[0], bands[0] - spread
