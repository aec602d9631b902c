"""What a market holds by price: bins counted by hand from a few orders, trades and liquidations."""

from msgspec import structs

from libs.common.events import MOST_ROWS, Liquidation, PositionSide, Profile, ProfileKind, Side
from services.signals.engine.engine import Engine

SECOND = 10**9
BIDS = [(99.99, 1.0), (99.98, 2.0), (99.97, 4.0), (99.96, 8.0)]
ASKS = [(100.01, 16.0), (100.02, 32.0), (100.03, 64.0)]


def fed(*events):
    engine = Engine()
    for event in events:
        engine.apply(event)
    return engine


def told(engine):
    return {profile.kind: profile for profile in engine.profiles("v", "S-USDT")}


def liquidation(make, at_s, price, size, side):
    head = structs.asdict(make.trade(at_s))
    common = {name: head[name] for name in ("venue", "symbol", "event_ns", "received_ns", "origin")}
    return Liquidation(**common, price=price, size=size, liquidated=side)


def rows(profile):
    return [(round(row.low, 6), row.a, row.b) for row in profile.rows]


def test_the_book_by_price_is_the_sum_of_its_orders_in_bins_two_cents_wide(make):
    book = told(fed(make.snapshot(0, BIDS, ASKS, 1)))[ProfileKind.BOOK]
    assert (book.venue, book.symbol, book.cause, book.from_ns, book.left_out) == ("v", "S-USDT", None, None, 0)
    assert (book.width, book.as_of_ns) == (0.02, make.START)  # 4 bp of 100.00 is 0.04; of 1, 2, 5 the 2 fits
    # bids lie in (low, low + width], asks in [low, low + width): the mirrored book has the mirrored bins
    known = {low: (a, b) for low, a, b in rows(book) if a or b}
    assert known == {
        99.94: (8.0, 0.0),  # 99.96 closes its bin
        99.96: (2.0 + 4.0, 0.0),
        99.98: (1.0, 0.0),
        100.0: (0.0, 16.0),
        100.02: (0.0, 32.0 + 64.0),
    }
    assert sum(a for _, a, _ in rows(book)) == sum(size for _, size in BIDS)
    assert sum(b for _, _, b in rows(book)) == sum(size for _, size in ASKS)


def test_volume_by_price_counts_the_day_by_the_takers_side(make):
    engine = fed(
        make.trade(1, 100.0, 1.0, Side.BUY, "a"),
        make.trade(2, 100.01, 2.0, Side.SELL, "b"),
        make.trade(3, 100.019, 4.0, Side.BUY, "c"),
        make.trade(4, 100.05, 8.0, Side.SELL, "d"),
        make.trade(4, 100.05, 8.0, Side.SELL, "d"),  # told twice, counted once
    )
    volume = told(engine)[ProfileKind.VOLUME]
    assert rows(volume) == [(100.0, 5.0, 2.0), (100.04, 0.0, 8.0)]
    assert (volume.from_ns, volume.as_of_ns) == (make.START + SECOND, make.START + 4 * SECOND)


def test_liquidations_by_price_are_halved_every_four_hours(make):
    engine = fed(
        make.trade(0, 100.0),
        liquidation(make, 1, 99.5, 3.0, PositionSide.LONG),
        liquidation(make, 1, 100.5, 5.0, PositionSide.SHORT),
        make.trade(1 + 4 * 3600, 100.0),
    )
    found = told(engine)[ProfileKind.LIQUIDATIONS]
    assert rows(found) == [(99.5, 1.5, 0.0), (100.5, 0.0, 2.5)]
    assert found.as_of_ns == make.START + (1 + 4 * 3600) * SECOND


def test_what_could_not_be_computed_is_absent_with_its_cause(make):
    profiles = told(fed(make.trade(1)))
    assert (profiles[ProfileKind.BOOK].cause, profiles[ProfileKind.BOOK].rows) == ("no_book", ())
    assert profiles[ProfileKind.LIQUIDATIONS].cause == "none_heard"
    assert profiles[ProfileKind.BOOK].width is None
    silent = told(fed(make.snapshot(0, BIDS, ASKS, 1), make.trade(11)))
    assert silent[ProfileKind.BOOK].cause == "stale"  # ten seconds without a word of the book
    assert told(fed(make.snapshot(0, BIDS, ASKS, 1)))[ProfileKind.VOLUME].cause == "no_trades"
    assert Engine().profiles("v", "S-USDT") == []
    assert Engine().heard_ns("v", "S-USDT") == -1


def test_yesterdays_volume_is_not_todays(make):
    engine = fed(make.trade(1), make.snapshot(86_400, BIDS, ASKS, 1))
    assert told(engine)[ProfileKind.VOLUME].cause == "no_trades"


def test_of_many_rows_the_nearest_stay_and_the_others_are_counted(make):
    trades = [make.trade(n, 100.0 + n / 50, 1.0, Side.BUY, f"n{n}") for n in range(MOST_ROWS + 50)]
    volume = told(fed(*trades))[ProfileKind.VOLUME]
    lows = [row.low for row in volume.rows]
    assert (len(lows), volume.left_out) == (MOST_ROWS, 50)
    assert lows == sorted(lows)
    assert lows[-1] == 100.0 + (MOST_ROWS + 49) / 50  # the newest price; the far low ones went
    assert lows[0] == 101.0


def test_asking_changes_no_byte_of_the_state_and_of_no_output(make):
    events = make.market(3, 4)
    asked, unasked = Engine(), Engine()
    for event in events:
        before = asked.apply(event)
        asked.profiles("v", "S-USDT")
        assert before == unasked.apply(event)
    assert asked.dump() == unasked.dump()
    assert all(isinstance(profile, Profile) for profile in asked.profiles("v", "S-USDT"))
