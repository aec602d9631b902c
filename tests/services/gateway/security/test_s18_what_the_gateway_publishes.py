"""S-18: the gateway writes rules of alerts and what it could not read, and never on a topic of markets."""

import ast
from pathlib import Path

import pytest

from libs.common.bus import topics
from libs.common.bus.codec import encode
from libs.common.events import AlertRule, Reject, Side, Trade
from services.gateway.alerting.announcing import announce
from services.gateway.store import alerting
from services.gateway.store.store import Store

ROOM = Path(__file__).resolve().parents[4] / "services" / "gateway"
RULE = AlertRule(rule_id="rule_1", recipient="1001")
TRADE = Trade(
    venue="okx", symbol="BTC-USDT", event_ns=1, received_ns=1, price=1.0, size=1.0, side=Side.BUY, trade_id="1"
)


def nodes(kind):
    for path in sorted(ROOM.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, kind):
                yield path.relative_to(ROOM).as_posix(), node


def test_one_place_publishes():
    uses = [(name, ast.unparse(node)) for name, node in nodes(ast.Attribute) if node.attr == "publisher"]
    assert uses == [("app.py", "bus.publisher")]
    passed = [
        ast.unparse(node)
        for name, node in nodes(ast.Call)
        if name == "app.py" and any(ast.unparse(argument) == "bus.publisher.publish" for argument in node.args)
    ]
    assert passed == ["keep_announcing(store.pool, bus.publisher.publish)"]


def test_nothing_makes_a_producer_of_its_own():
    names = {ast.unparse(node.func) for _, node in nodes(ast.Call)}
    assert not {name for name in names if name.rpartition(".")[2] in {"Publisher", "AIOKafkaProducer", "react"}}


def test_what_cannot_be_read_is_parked_on_our_own_topic():
    folds = [node for _, node in nodes(ast.Call) if ast.unparse(node.func) == "fold"]
    assert folds
    for node in folds:
        parked = [ast.unparse(keyword.value) for keyword in node.keywords if keyword.arg == "rejects"]
        assert parked == ["GATEWAY_REJECTS"]
    assert topics.GATEWAY_REJECTS.carries == (Reject,)


async def test_what_is_announced_is_a_rule_whatever_stands_in_the_table(gateway_dsn):
    store, said = Store(gateway_dsn), []

    async def publish(events):
        said.extend(events)

    await store.start()
    async with store.pool.acquire() as connection, connection.transaction():
        await alerting.say(connection, "local", RULE)
    assert await announce(store.pool, publish) == 1
    assert said == [RULE]
    assert topics.topic_of(said[0]) is topics.RULES
    await store.pool.execute("INSERT INTO gateway.announcements (event) VALUES ($1)", encode(TRADE))
    with pytest.raises(ValueError, match="Invalid value 'trade'"):
        await announce(store.pool, publish)
    assert said == [RULE]
    await store.stop()
