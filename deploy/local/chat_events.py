"""What happens in the invented market of the pictures of chats: judged signals, what became of them, a good feed."""

from typing import Final

from libs.common.events import (
    SECOND_NS,
    Absence,
    Barrier,
    Contribution,
    Decision,
    Direction,
    FeedQuality,
    Grade,
    Label,
    Origin,
    Outcome,
    Plan,
    Signal,
    StreamQuality,
    Target,
    Timeframe,
    Verdict,
)
from libs.common.runtime.clock import now_ns

_VENUE: Final = "binance-usdm"
_SYMBOL: Final = "BTC-USDT-PERP"


def verdict(name: str, direction: Direction, symbol: str = _SYMBOL, price: float = 61_234.5) -> Verdict:
    """Return a judged signal of an invented market, made now."""
    at_ns = now_ns()
    up = direction.sign
    signal = Signal(
        venue=_VENUE,
        symbol=symbol,
        origin=Origin.SIMULATED,
        signal_id=name,
        timeframe=Timeframe.M15,
        as_of_ns=at_ns - 2 * SECOND_NS,
        known_at_ns=at_ns - 2 * SECOND_NS,
        direction=direction,
        label=Label.STRONG_BUY if up > 0 else Label.SELL,
        score=0.62 * up,
        confidence=0.58,
        price=price,
        probability=0.64,
        contributions=(
            Contribution(layer="order_flow", score=0.78 * up, confidence=0.8, weight=0.4, contribution=0.31 * up),
            Contribution(layer="cvd", score=0.73 * up, confidence=0.7, weight=0.3, contribution=0.22 * up),
            Contribution(layer="smc", score=0.85 * up, confidence=0.6, weight=0.2, contribution=0.17 * up),
            Contribution(layer="fibonacci", score=-0.8 * up, confidence=0.5, weight=0.1, contribution=-0.08 * up),
        ),
        absent=(Absence(layer="liquidity", cause="no_book"),),
        plan=Plan(
            entry_low=round(price * 0.9991, 1),
            entry_high=round(price * 1.0001, 1),
            stop=round(price * (1 - 0.0068 * up), 1),
            targets=tuple(
                Target(price=round(price * (1 + share * up), 1), reward_to_risk=ratio)
                for share, ratio in ((0.0109, 1.52), (0.019, 2.71), (0.0305, 4.38))
            ),
            expires_ns=at_ns + 4 * 3_600 * SECOND_NS,
            invalidation=f"A close beyond {price * (1 - 0.0046 * up):,.0f} before the entry fills.",
            stop_basis="structure",
            atr=210.0,
            fee_rate=0.0005,
            break_even_hit_rate=0.397,
        ),
    )
    return Verdict(
        venue=_VENUE,
        symbol=symbol,
        origin=signal.origin,
        signal=signal,
        decision=Decision.PUBLISH,
        rationale="",
        judge="rules",
        decided_ns=at_ns,
    )


def quality() -> FeedQuality:
    """Return what ingest says of a good feed."""
    stream = StreamQuality(
        stream="trades", coverage=0.9996, gap_s=0.0, missing_s=0.0, open_gaps=0, staleness_s=0.2, silent=()
    )
    return FeedQuality(
        venue=_VENUE,
        event_ns=now_ns(),
        origin=Origin.SIMULATED,
        grade=Grade.A,
        causes=(),
        window_s=3_600.0,
        streams=(stream,),
        symbols=1,
        connections=1,
        connections_wanted=1,
        clock_offset_s=0.01,
        clock_bound_s=0.02,
        clock_cause=None,
        bars_audited=0,
        bars_different=0,
        rest_budget_used=0.0,
        rest_pace=1.0,
        rest_venue_weight=None,
        rest_paused_s=0.0,
        rest_in_flight=0,
        rest_waiting=0,
    )


def outcome(of: Verdict, barrier: Barrier, r_multiple: float) -> Outcome:
    """Return what became of a signal."""
    return Outcome(
        venue=of.venue,
        symbol=of.symbol,
        origin=of.origin,
        signal_id=of.signal.signal_id,
        timeframe=of.signal.timeframe,
        resolved_ns=now_ns(),
        barrier=barrier,
        r_multiple=r_multiple,
        mfe=r_multiple,
        mae=-0.2,
    )
