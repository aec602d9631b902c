"""Merging topics: what was received first is folded first, whatever blocks the consumer brought it in."""

from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import BookDelta, Side, Trade
from services.signals.merge import Arrived, Merge

T, B = "market.trades.v1", "market.books.v1"


def _trade(offset: int, received_ns: int) -> Arrived:
    return Arrived(
        T,
        offset,
        Trade(
            venue="okx",
            symbol="BTC-USDT",
            event_ns=0,
            received_ns=received_ns,
            price=1.0,
            size=1.0,
            side=Side.BUY,
            trade_id=str(offset),
        ),
    )


def _delta(offset: int, received_ns: int) -> Arrived:
    return Arrived(
        B,
        offset,
        BookDelta(
            venue="okx",
            symbol="BTC-USDT",
            event_ns=0,
            received_ns=received_ns,
            bids=(),
            asks=(),
            first_sequence=1,
            last_sequence=1,
        ),
    )


def test_a_topic_not_yet_read_to_its_end_holds_back_what_it_may_precede():
    merge = Merge((T, B))
    for offset, received_ns in enumerate((10, 20, 30)):
        merge.add(_delta(offset, received_ns))
    assert merge.release({B}) == []
    merge.add(_trade(0, 15))
    assert [arrived.received_ns for arrived in merge.release({B})] == [10, 15]
    assert [arrived.received_ns for arrived in merge.release({T, B})] == [20, 30]
    assert len(merge) == 0


def test_a_silent_topic_that_is_caught_up_holds_nothing_back():
    merge = Merge((T, B))
    merge.add(_delta(0, 10))
    assert len(merge.release({T})) == 1


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 1_000)), max_size=60),
    st.lists(st.integers(1, 9), max_size=30),
    st.randoms(use_true_random=False),
)
def test_any_blocks_come_out_in_the_order_of_receipt(rows, sizes, chance):
    """The oracle: sort each topic's records by time of receipt, merge by a stable sort."""
    trades = [_trade(i, ns) for i, ns in enumerate(sorted(ns for is_trade, ns in rows if is_trade))]
    deltas = [_delta(i, ns) for i, ns in enumerate(sorted(ns for is_trade, ns in rows if not is_trade))]
    merge = Merge((T, B))
    queues = {T: list(trades), B: list(deltas)}
    out: list[Arrived] = []
    for size in sizes:
        topic = chance.choice([T, B])
        for arrived in queues[topic][:size]:
            merge.add(arrived)
        del queues[topic][:size]
        out += merge.release({name for name, left in queues.items() if not left})
    for topic in (T, B):
        for arrived in queues[topic]:
            merge.add(arrived)
    out += merge.release({T, B})
    assert [arrived.received_ns for arrived in out] == sorted(arrived.received_ns for arrived in trades + deltas)
    assert [arrived for arrived in out if arrived.topic == T] == trades
    assert [arrived for arrived in out if arrived.topic == B] == deltas
