"""When profiles are said: every ten seconds of a market's own time, each market for itself."""

from libs.common.bus import topics
from libs.common.bus.codec import decode, encode
from libs.common.events import SECOND_NS, Origin, ProfileKind, Side, Trade
from services.signals.engine.engine import Engine
from services.signals.merge import Arrived
from services.signals.profiling import Profiling


def trade(at_s: float, symbol: str = "BTC-USDT", venue: str = "okx") -> Trade:
    at_ns = round(at_s * SECOND_NS)
    return Trade(
        venue=venue, symbol=symbol, event_ns=at_ns, received_ns=at_ns, price=1.0, size=1.0, side=Side.BUY,
        trade_id=f"{symbol}{at_s}", origin=Origin.SIMULATED,
    )  # fmt: skip


def told(profiling, engine, *events):
    for event in events:
        engine.apply(event)
    batch = [Arrived(topics.TRADES.name, n, event) for n, event in enumerate(events)]
    return [(profile.symbol, profile.kind.value, profile.as_of_ns) for profile in profiling.due(engine, batch)]


def test_a_market_is_told_of_at_once_and_then_every_ten_seconds_of_its_own_time():
    profiling, engine = Profiling(), Engine()
    first = told(profiling, engine, trade(100), trade(101))
    assert first == [("BTC-USDT", kind.value, 101 * SECOND_NS) for kind in ProfileKind]
    assert told(profiling, engine, trade(110.9)) == []
    assert [symbol for symbol, _, _ in told(profiling, engine, trade(111), trade(111, "ETH-USDT"))] == [
        *["BTC-USDT"] * 3,
        *["ETH-USDT"] * 3,
    ]


def test_a_market_that_starts_anew_is_told_of_anew():
    profiling, engine = Profiling(), Engine()
    assert told(profiling, engine, trade(500))
    engine.forget("okx", "BTC-USDT")
    assert told(profiling, engine, trade(100))


def test_a_profile_comes_back_from_the_wire_and_replaces_the_one_before_of_its_kind():
    engine = Engine()
    engine.apply(trade(1))
    profiles = engine.profiles("okx", "BTC-USDT")
    assert [decode(encode(profile)) for profile in profiles] == profiles
    assert [topics.key_of(profile) for profile in profiles] == [
        b"BTC-USDT|okx|book",
        b"BTC-USDT|okx|volume",
        b"BTC-USDT|okx|liquidations",
    ]
    assert {topics.topic_of(profile) for profile in profiles} == {topics.PROFILES}
    assert {topics.partition_key(topics.key_of(profile)) for profile in profiles} == {b"BTC-USDT"}
    assert {profile.origin for profile in profiles} == {Origin.SIMULATED}
    assert b'"rows":[[1.0,1.0,0.0]]' in encode(profiles[1])
