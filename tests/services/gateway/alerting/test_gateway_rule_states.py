"""What becomes of a word on a rule: said here, published once the topic says it, rejected once alerts said so."""

import asyncpg
import pytest
from msgspec import structs

from libs.common.bus import topics
from libs.common.bus.codec import encode
from libs.common.bus.consuming import Record
from libs.common.events import AlertRule, Reject
from libs.common.runtime.errors import DependencyDown
from services.gateway.alerting.announcing import announce
from services.gateway.projections.rules import RULES_TOPICS, RuleBook
from services.gateway.store import alerting
from services.gateway.store.alerting import RecipientRow
from services.gateway.store.store import Store

RULE = AlertRule(rule_id="rule_1", recipient="1001", condition="abs_score >= 0.6")
CHANGED = structs.replace(RULE, condition="abs_score >= 0.7")


@pytest.fixture
async def store(gateway_dsn):
    made = Store(gateway_dsn)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def book(store):
    return RuleBook(store)


def seen(rule, offset):
    return Record(topics.RULES.name, 0, offset, b"", rule)


def reject(rule, detail="column 1: no", topic=topics.RULES.name):
    said = Reject(reason="value", detail=detail, origin_of=f"{topic}/0/7", at_ns=1, payload=encode(rule).decode())
    return Record(topics.ALERTS_REJECTS.name, 0, 0, b"", said)


async def say(store, rule, owner="local"):
    async with store.pool.acquire() as connection, connection.transaction():
        await alerting.say(connection, owner, rule)


async def state(store, rule_id="rule_1"):
    row = await store.pool.fetchrow("SELECT state, fault, event, owner FROM gateway.rules WHERE rule_id = $1", rule_id)
    return None if row is None else (row["state"], row["fault"], bytes(row["event"]))


async def test_a_word_is_said_until_the_topic_says_it(store, book):
    await say(store, RULE)
    assert await state(store) == ("said", None, encode(RULE))
    await book([seen(RULE, 4)])
    assert await state(store) == ("published", None, encode(RULE))
    await book([seen(RULE, 4)])  # the log may say it again
    assert await state(store) == ("published", None, encode(RULE))


async def test_while_a_newer_word_is_on_its_way_an_older_one_changes_nothing(store, book):
    await say(store, RULE)
    await say(store, CHANGED)
    await book([seen(RULE, 4)])
    assert await state(store) == ("said", None, encode(CHANGED))
    await book([seen(CHANGED, 5)])
    assert await state(store) == ("published", None, encode(CHANGED))
    await book([seen(RULE, 4)])  # a reader that begins again
    assert await state(store) == ("published", None, encode(CHANGED))


@pytest.mark.parametrize("first", ["the topic", "the rejects"])
async def test_a_refusal_stays_in_whichever_order_the_two_topics_come(store, book, first):
    await say(store, RULE)
    batch = [seen(RULE, 4), reject(RULE)]
    for record in batch if first == "the topic" else reversed(batch):
        await book([record])
    assert await state(store) == ("rejected", "column 1: no", encode(RULE))


async def test_a_refusal_of_an_older_word_is_none_of_the_newer_one(store, book):
    await say(store, RULE)
    await say(store, CHANGED)
    await book([reject(RULE), seen(CHANGED, 5)])
    assert await state(store) == ("published", None, encode(CHANGED))


async def test_a_word_after_a_refusal_begins_anew(store, book):
    await say(store, RULE)
    await book([seen(RULE, 4), reject(RULE)])
    await say(store, CHANGED)
    assert await state(store) == ("said", None, encode(CHANGED))
    await book([seen(CHANGED, 5)])
    assert await state(store) == ("published", None, encode(CHANGED))


async def test_a_rule_of_the_chat_is_seen_by_whom_it_tells_once_that_is_approved(store, book):
    await book([seen(structs.replace(RULE, rule_id="1001/ab12"), 9)])

    async def mine(owner="local"):
        found = await alerting.rules(store.pool, owner, after=None, limit=10, of_templates=False)
        return [(row.rule.rule_id, row.owner, row.state) for row in found]

    assert await mine() == []
    row = RecipientRow(owner="local", channel="telegram", recipient="1001", created_ns=1, approved_ns=None)
    async with store.pool.acquire() as connection:
        await alerting.add_recipient(connection, row)
        assert await mine() == []
        await alerting.add_recipient(connection, structs.replace(row, approved_ns=2))
    assert await mine() == [("1001/ab12", "", "published")]
    assert await mine("somebody else") == []


async def test_what_no_database_takes_and_what_is_no_rule_are_passed_over(store, book):
    await book(
        [
            seen(structs.replace(RULE, rule_id="a\0b"), 1),
            seen(structs.replace(RULE, recipient="\0"), 2),
            reject(RULE, topic="signals.verdicts.v1"),
            Record(
                topics.ALERTS_REJECTS.name, 0, 3, b"",
                Reject(reason="value", detail="", origin_of="alerts.rules.v1/0/1", at_ns=1, payload="{"),
            ),
            seen(RULE, 3),
        ]
    )  # fmt: skip
    assert [row["rule_id"] for row in await store.pool.fetch("SELECT rule_id FROM gateway.rules")] == ["rule_1"]


async def test_a_deleted_rule_is_gone_for_its_owner(store, book):
    await say(store, RULE)
    await say(store, structs.replace(RULE, deleted=True))
    assert await alerting.rule(store.pool, "local", "rule_1") is None
    await book([seen(RULE, 1), seen(structs.replace(RULE, deleted=True), 2)])
    assert await alerting.rule(store.pool, "local", "rule_1") is None


async def test_words_are_announced_in_their_order_once_and_wait_while_the_broker_is_away(store):
    said = []

    async def refuse(_events):
        raise DependencyDown("no broker")

    async def publish(events):
        said.extend(events)

    for rule in (RULE, CHANGED, structs.replace(CHANGED, deleted=True)):
        await say(store, rule)
    with pytest.raises(DependencyDown):
        await announce(store.pool, refuse)
    assert await announce(store.pool, publish) == 3
    assert said == [RULE, CHANGED, structs.replace(CHANGED, deleted=True)]
    assert await announce(store.pool, publish) == 0


async def test_only_one_process_announces_at_a_time(store, gateway_dsn):
    await say(store, RULE)
    inner = []

    async def publish(events):
        async with asyncpg.create_pool(gateway_dsn, min_size=1, max_size=1) as other:
            inner.append(await announce(other, publish))

    assert await announce(store.pool, publish) == 1
    assert inner == [0]


async def test_what_is_gone_for_all_and_what_is_old_is_forgotten(store, book):
    await say(store, structs.replace(RULE, deleted=True))
    await say(store, structs.replace(RULE, rule_id="rule_2"))
    add = "INSERT INTO gateway.deliveries VALUES ($1, 's', 'telegram', '1001', 'delivered', 1, $2, NULL, NULL, 'live')"
    for alert_id, at_ns in (("old", 5), ("new", 6)):
        await store.pool.execute(add, alert_id, at_ns)
    now_ns = alerting.DELIVERIES_KEPT_NS + 6
    assert await alerting.prune(store.pool, now_ns) == 1  # the tombstone is still on its way
    await book([seen(structs.replace(RULE, deleted=True), 2)])
    assert await alerting.prune(store.pool, now_ns) == 1
    assert await state(store) is None
    assert (await state(store, "rule_2"))[0] == "said"
    assert [row["alert_id"] for row in await store.pool.fetch("SELECT alert_id FROM gateway.deliveries")] == ["new"]


def test_the_fold_reads_both_topics():
    assert RULES_TOPICS == (topics.RULES, topics.ALERTS_REJECTS)
