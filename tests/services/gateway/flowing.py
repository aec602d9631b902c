"""Events of flows for the gateway's tests: what a venue, a vendor and ingest say besides trades and books."""

from libs.common.events import (
    Barrier,
    Event,
    FeedQuality,
    FundingRate,
    Grade,
    Liquidation,
    Listing,
    ListingStatus,
    MarkPrice,
    Metric,
    OpenInterest,
    Origin,
    Outcome,
    PositionSide,
    Profile,
    ProfileKind,
    ProfileRow,
    Timeframe,
)
from libs.common.events.symbols import parse

NOON = 1_723_118_400_000_000_000
BTC = "BTC-USDT-PERP"


def liquidation(price: float = 59_000.0, *, at: int = NOON, size: float = 2.0, symbol: str = BTC) -> Liquidation:
    return Liquidation(
        venue="okx",
        symbol=symbol,
        event_ns=at,
        received_ns=at,
        origin=Origin.SIMULATED,
        price=price,
        size=size,
        liquidated=PositionSide.LONG,
    )


def funding(
    rate: float = 0.0001, *, at: int = NOON, origin: Origin = Origin.SIMULATED, venue: str = "okx", symbol: str = BTC
) -> FundingRate:
    return FundingRate(
        venue=venue,
        symbol=symbol,
        event_ns=at,
        received_ns=at,
        origin=origin,
        rate=rate,
        interval_s=28_800,
        next_funding_ns=NOON + 4 * 3600 * 1_000_000_000,
    )


def mark_price(
    price: float = 60_030.0, index: float | None = 60_000.0, *, at: int = NOON, symbol: str = BTC
) -> MarkPrice:
    return MarkPrice(
        venue="okx",
        symbol=symbol,
        event_ns=at,
        received_ns=at,
        origin=Origin.SIMULATED,
        price=price,
        index_price=index,
    )


def open_interest(base: float | None = 1500.0, *, at: int = NOON, symbol: str = BTC) -> OpenInterest:
    return OpenInterest(
        venue="okx",
        symbol=symbol,
        event_ns=at,
        received_ns=at,
        origin=Origin.SIMULATED,
        contracts=150_000.0,
        base=base,
    )


def metric(
    name: str = "accounts_long",
    value: float | None = 0.55,
    *,
    at: int = NOON,
    symbol: str = BTC,
    exchange: str | None = "Binance",
    cause: str | None = None,
    unit: str = "fraction",
) -> Metric:
    return Metric(
        venue="coinglass",
        symbol=symbol,
        event_ns=at,
        received_ns=at,
        origin=Origin.SIMULATED,
        name=name,
        unit=unit,
        value=value,
        interval_s=None if cause else 3600,
        exchange=exchange,
        cause=cause,
    )


def listing(
    symbol: str = BTC,
    *,
    venue: str = "okx",
    at: int = NOON,
    status: ListingStatus = ListingStatus.LIVE,
    followed: bool = True,
    listed_ns: int | None = NOON - 86_400_000_000_000,
) -> Listing:
    return Listing(
        venue=venue,
        symbol=symbol,
        event_ns=at,
        origin=Origin.SIMULATED,
        native=symbol.replace("PERP", "SWAP"),
        kind=parse(symbol).kind,
        status=status,
        tick=0.1,
        lot=0.01,
        listed_ns=listed_ns,
        followed=followed,
    )


def quality(
    grade: Grade = Grade.B,
    *,
    at: int = NOON,
    venue: str = "okx",
    origin: Origin = Origin.SIMULATED,
    causes: tuple[str, ...] = ("late", "one gap", "clock", "more"),
) -> FeedQuality:
    return FeedQuality(
        venue=venue,
        event_ns=at,
        origin=origin,
        grade=grade,
        causes=causes,
        window_s=60.0,
        streams=(),
        symbols=1,
        connections=1,
        connections_wanted=1,
        clock_offset_s=None,
        clock_bound_s=None,
        clock_cause="not asked",
        bars_audited=0,
        bars_different=0,
        rest_budget_used=0.0,
        rest_pace=1.0,
        rest_venue_weight=None,
        rest_paused_s=0.0,
        rest_in_flight=0,
        rest_waiting=0,
    )


def flows() -> list[Event]:
    return [liquidation(), funding(), mark_price(), open_interest(), metric(), listing(), quality()]


def profile(
    kind: ProfileKind = ProfileKind.VOLUME,
    *,
    at: int = NOON,
    rows: tuple[tuple[float, float, float], ...] = ((59_900.0, 1.0, 2.0), (60_000.0, 3.0, 4.0)),
    cause: str | None = None,
) -> Profile:
    return Profile(
        venue="okx",
        symbol=BTC,
        origin=Origin.SIMULATED,
        kind=kind,
        as_of_ns=at,
        from_ns=NOON - 3600 * 1_000_000_000 if kind is ProfileKind.VOLUME else None,
        width=None if cause else 100.0,
        rows=tuple(ProfileRow(*row) for row in rows) if cause is None else (),
        left_out=0 if cause else 3,
        cause=cause,
    )


def profiles() -> list[Event]:
    return [profile(), profile(ProfileKind.BOOK), profile(ProfileKind.LIQUIDATIONS, cause="none_heard")]


def outcome(
    signal_id: str,
    barrier: Barrier = Barrier.TARGET,
    r: float | None = 1.5,
    *,
    at: int = NOON,
    timeframe: Timeframe = Timeframe.M1,
    symbol: str = BTC,
) -> Outcome:
    return Outcome(
        venue="okx",
        symbol=symbol,
        origin=Origin.SIMULATED,
        signal_id=signal_id,
        timeframe=timeframe,
        resolved_ns=at,
        barrier=barrier,
        r_multiple=r,
        mfe=None if r is None else 2.0,
        mae=None if r is None else -0.5,
    )
