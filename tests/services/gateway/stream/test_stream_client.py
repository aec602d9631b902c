"""One client without a network: market data conflates, kept messages never do, and what does not read is cut."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from services.gateway import metrics
from services.gateway.stream.closing import Close
from services.gateway.stream.envelope import Kept, Message
from services.gateway.stream.hub import Hub
from services.gateway.stream.index import Topic
from tests.services.gateway.stream.talking import Line

BTC, ETH = "BTC-USDT", "ETH-USDT"


def market(seq, channel="price", *, symbol=BTC, slot="", snapshot=False):
    head = b'{"channel":"%b","symbol":"%b","seq":%d,"prev_seq":' % (channel.encode(), symbol.encode(), seq)
    return Message(channel, "okx", symbol, slot, seq, head, b"}", snapshot)


def kept(position, channel="signals", *, symbol=BTC, seq=None, owner=None):
    seq = position if seq is None else seq
    head = b'{"channel":"%b","symbol":"%b","position":%d,"seq":%d,"prev_seq":' % (
        channel.encode(),
        symbol.encode(),
        position,
        seq,
    )
    return Kept(channel, position, "okx", symbol, seq, owner, position, head, b"}")


def join(hub=None, *, size=10):
    hub = hub or Hub(queue_size=size)
    for tail in hub.tails.values():
        if not tail.known:
            tail.begin(0)
    line = Line()
    client = hub.join(line, "")
    client.reader = "me"
    return hub, line, client


def listen(hub, client, *topics):
    for topic in topics:
        hub.listen(client, topic)
        if topic.channel in hub.tails:
            client.attach(topic, hub.tails[topic.channel].head)


def say(hub, item):
    assert hub.tails[item.channel].add(item)
    hub.tell(item)


def test_market_data_conflates_to_the_newest_and_signals_come_first_and_whole():
    hub, line, client = join()
    listen(hub, client, Topic("price"), Topic("signals"))
    hub.send(market(1))
    line.paused = True
    for n in range(2, 7):
        hub.send(market(n))
        say(hub, kept(n - 1))
    hub.send(market(1, symbol=ETH))
    hub.send(market(1, "book"))
    line.paused = False
    client.room()
    found = [(one["channel"], one["seq"], one["prev_seq"]) for one in line.heard]
    signals = [("signals", n, n - 1) for n in range(1, 6)]
    assert found == [("price", 1, None), *signals, ("price", 6, 1), ("price", 1, None)]  # what was left out shows


def test_a_client_that_lets_signals_pile_up_is_cut_and_hears_no_more():
    hub, line, client = join(size=3)
    other, *_ = join(hub), None
    listen(hub, client, Topic("signals"))
    listen(hub, other[2], Topic("signals"))
    line.paused = True
    for n in range(1, 6):
        say(hub, kept(n))
    assert (client.closing, line.ended) == (Close.SLOW, (Close.SLOW, "slow"))
    assert line.wrote == []
    assert [one["seq"] for one in other[1].heard] == [1, 2, 3, 4, 5]
    line.paused = False
    client.room()
    assert line.wrote == []


def test_market_data_that_waits_is_bounded_too():
    hub, line, client = join(size=3)
    listen(hub, client, Topic("candles"))
    line.paused = True
    before = metrics.CONFLATED.labels("candles")._value.get()
    for n in range(1, 8):
        hub.send(market(n, "candles", slot=str(n)))
    line.paused = False
    client.room()
    assert [one["seq"] for one in line.heard] == [5, 6, 7]
    assert [one["prev_seq"] for one in line.heard] == [None, 5, 6]
    assert metrics.CONFLATED.labels("candles")._value.get() - before == 4


async def test_what_comes_while_a_snapshot_is_read_follows_it_and_what_it_shows_is_not_said_again():
    hub, line, client = join()
    client.hold()
    hub.listen(client, Topic("price"))
    for n in range(1, 5):
        hub.send(market(n))
    await client.present(market(3, snapshot=True))
    client.release()
    hub.send(market(5))
    assert [(one["seq"], one["prev_seq"]) for one in line.heard] == [(3, None), (4, 3), (5, 4)]


async def test_a_snapshot_of_several_slots_is_shown_whole():
    hub, line, client = join()
    client.hold()
    hub.listen(client, Topic("readings", BTC))
    hub.send(market(4, "readings", slot="a"))
    for slot in "abc":
        await client.present(market(4, "readings", slot=slot, snapshot=True))
    client.release()
    assert [one["seq"] for one in line.heard] == [4, 4, 4]


def test_an_alert_of_others_is_not_told_and_leaves_no_hole_to_see():
    hub, line, client = join()
    listen(hub, client, Topic("deliveries"))
    for n, owner in enumerate(("me", "you", "you me", "", "me"), start=1):
        say(hub, kept(n, "deliveries", owner=owner))
    assert [(one["seq"], one["prev_seq"]) for one in line.heard] == [(1, None), (3, 1), (5, 3)]


def test_counts_that_begin_anew_are_followed():
    hub, line, client = join()
    listen(hub, client, Topic("price"))
    hub.send(market(900))
    hub.begin_epoch("other")
    hub.send(market(1))
    assert [(one["seq"], one["prev_seq"]) for one in line.heard] == [(900, None), (1, None)]


def test_a_client_of_two_topics_hears_once_what_belongs_to_both():
    hub, line, client = join()
    listen(hub, client, Topic("signals"), Topic("signals", BTC), Topic("price"), Topic("price", BTC, "okx"))
    say(hub, kept(1))
    hub.send(market(1))
    assert len(line.wrote) == 2
    assert hub.ignore(client, Topic("signals"))
    assert not hub.ignore(client, Topic("signals"))
    say(hub, kept(2, symbol=ETH))
    say(hub, kept(3))
    assert [one.get("position") for one in line.heard] == [1, None, 3]
    hub.leave(client)
    say(hub, kept(4))
    assert len(line.wrote) == 3


async def test_what_is_put_waits_for_room():
    _, line, client = join()
    line.paused = True
    task = asyncio.create_task(client.put(b"{}", "signals"))
    await asyncio.sleep(0)
    assert line.wrote == []
    line.paused = False
    client.room()
    await task
    assert line.wrote == [b"{}"]


_STEP = st.one_of(
    st.tuples(st.just("say"), st.sampled_from((BTC, ETH))),
    st.tuples(st.just("pause"), st.integers(1, 4)),
    st.tuples(st.just("room"), st.none()),
    st.tuples(st.just("price"), st.sampled_from((BTC, ETH))),
    st.tuples(st.just("mark"), st.none()),
)


@given(st.lists(_STEP, max_size=60), st.sampled_from(("", BTC)))
def test_whatever_a_line_does_kept_messages_come_once_in_order_and_market_data_ends_at_the_newest(steps, symbol):
    hub, line, client = join(size=100)
    listen(hub, client, Topic("signals", symbol), Topic("price", symbol))
    said: list[int] = []
    newest: dict[str, int] = {}
    position = 0
    for step, about in steps:
        if step == "say":
            position += 1
            say(hub, kept(position, symbol=about))
            if not symbol or about == symbol:
                said.append(position)
        elif step == "price":
            newest[about] = newest.get(about, 0) + 1
            hub.send(market(newest[about], symbol=about))
        elif step == "pause":
            line.room_after = about
        elif step == "room":
            line.room_after, line.paused = None, False
            client.room()
        else:
            told = [one["position"] for one in line.heard if "position" in one]
            mark = client.mark("signals")
            assert [one for one in said if one <= mark] == told  # a cursor never promises what was not sent
    line.room_after, line.paused = None, False
    client.room()
    assert client.closing is None
    assert [one["position"] for one in line.heard if "position" in one] == said
    for about, seq in newest.items():
        heard = [one for one in line.heard if one["channel"] == "price" and one["symbol"] == about]
        if not symbol or about == symbol:
            assert heard[-1]["seq"] == seq
            assert [one["prev_seq"] for one in heard] == [None, *(one["seq"] for one in heard[:-1])]
        else:
            assert heard == []
