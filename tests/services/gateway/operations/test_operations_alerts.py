"""Operations on rules and whom they tell, over real stores: whose they are, what is refused, what is written beside."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from libs.common.events import AlertRule, Delivery, DeliveryState, Origin
from services.gateway.access.principal import Principal, Way
from services.gateway.access.scopes import GRANTABLE, ROLES, Role
from services.gateway.board import Board
from services.gateway.idempotency import PostgresLedger
from services.gateway.operations.alerts import ALERTS
from services.gateway.operations.call import call
from services.gateway.operations.desk import Caller, Desk
from services.gateway.operations.operation import Operation
from services.gateway.operations.parsing import parse
from services.gateway.operations.recipients import MOST as MOST_RECIPIENTS
from services.gateway.operations.rules import MOST as MOST_RULES
from services.gateway.problems import Problem
from services.gateway.store.latest import Latest
from services.gateway.store.signalling import Told
from services.gateway.store.store import Store

BY_NAME: dict[str, Operation[Any, Any]] = {operation.name: operation for operation in ALERTS}
NOON = 1_723_118_400_000_000_000


def person(name: str, role: Role = Role.TRADER) -> Principal:
    scopes = GRANTABLE if role is Role.ADMIN else ROLES[role]
    return Principal(way=Way.KEY, subject=name, credential=f"key of {name}", name=name, scopes=scopes, role=role)


@dataclass
class Office:
    """Calls operations as somebody."""

    desk: Desk

    async def __call__(self, who: Principal, name: str, key: str | None = None, **params):
        operation = BY_NAME[name]
        caller = Caller(principal=who, address="127.0.0.1", request_id="r1", idempotency_key=key)
        texts = operation.read is not None
        return await call(self.desk, caller, operation, parse(operation.params, params, texts=texts))

    async def refuses(self, code: str, who: Principal, name: str, **params) -> Problem:
        with pytest.raises(Problem) as caught:
            await self(who, name, **params)
        assert caught.value.code == code, caught.value.detail
        return caught.value

    async def audited(self) -> list[tuple[str, str, str]]:
        rows = await self.desk.store.pool.fetch("SELECT actor, action, target FROM gateway.audit ORDER BY seq")
        return [(row["actor"], row["action"], row["target"]) for row in rows]

    async def queued(self) -> list[AlertRule]:
        rows = await self.desk.store.pool.fetch("SELECT event FROM gateway.announcements ORDER BY seq")
        return [msgspec.json.decode(row["event"], type=AlertRule) for row in rows]


ANN, BEN, ADA = person("ann"), person("ben"), person("ada", Role.ADMIN)


@pytest.fixture
async def office(gateway_dsn: str, fresh_redis_url: str) -> AsyncIterator[Office]:
    store, latest = Store(gateway_dsn), Latest.at(fresh_redis_url)
    await store.start()
    for one in (ANN, BEN, ADA):
        await store.pool.execute(
            "INSERT INTO gateway.users (user_id, name, role, created_ns) VALUES ($1, $1, $2, 0)", one.subject, one.role
        )

    async def faults() -> dict[str, str]:
        return {}

    yield Office(
        Desk(
            store=store,
            latest=latest,
            board=Board(store, latest),
            faults=faults,
            clock=lambda: NOON,
            chats=frozenset({"1001", "1002"}),
            ledger=PostgresLedger(lambda: store.pool, clock=lambda: NOON),
        )
    )
    await latest.stop()
    await store.stop()


async def test_a_rule_is_made_read_replaced_and_deleted_by_its_owner(office):
    await office(ANN, "alerts.recipients.create", recipient="1001")
    made = await office(ANN, "alerts.rules.create", recipient="1001", condition="abs_score >= 0.6")
    assert (made.state, made.mine, made.template, made.condition) == ("said", True, None, "abs_score >= 0.6")
    assert await office(ANN, "alerts.rules.get", rule_id=made.rule_id) == made
    assert (await office(ANN, "alerts.rules.list")).data == [made]
    changed = await office(ANN, "alerts.rules.replace", rule_id=made.rule_id, recipient="1001", enabled=False)
    assert (changed.condition, changed.enabled) == ("", False)  # all of it: what is left out falls back
    assert await office(ANN, "alerts.rules.delete", rule_id=made.rule_id) is None
    assert (await office(ANN, "alerts.rules.list")).data == []
    await office.refuses("not_found", ANN, "alerts.rules.get", rule_id=made.rule_id)
    queued = await office.queued()
    assert [(rule.rule_id, rule.enabled, rule.deleted) for rule in queued] == [
        (made.rule_id, True, False),
        (made.rule_id, False, False),
        (made.rule_id, False, True),
    ]
    assert [(action, target) for _, action, target in await office.audited()] == [
        ("alerts.recipients.create", "telegram:1001"),
        ("alerts.rules.create", made.rule_id),
        ("alerts.rules.replace", made.rule_id),
        ("alerts.rules.delete", made.rule_id),
    ]


async def test_anothers_rule_is_not_there(office):
    await office(ANN, "alerts.recipients.create", recipient="1001")
    await office(BEN, "alerts.recipients.create", recipient="1001")  # both may name a chat; a rule stays its maker's
    made = await office(ANN, "alerts.rules.create", recipient="1001")
    assert (await office(BEN, "alerts.rules.list")).data == []
    for name, given in (
        ("alerts.rules.get", {}),
        ("alerts.rules.replace", {"recipient": "1001"}),
        ("alerts.rules.delete", {}),
        ("alerts.subscriptions.delete", {}),
    ):
        await office.refuses("not_found", BEN, name, rule_id=made.rule_id, **given)
        await office.refuses("not_found", ADA, name, rule_id=made.rule_id, **given)


async def test_a_condition_that_is_none_is_refused_with_its_column_and_nothing_is_kept(office):
    await office(ANN, "alerts.recipients.create", recipient="1001")
    said = await office.refuses(
        "invalid_body", ANN, "alerts.rules.create", recipient="1001", condition="score > 0.5 AND score < 1"
    )
    assert said.errors[0].field == "condition"
    assert said.errors[0].message.startswith("column 13: ")
    assert await office.queued() == []
    assert len(await office.audited()) == 1


async def test_a_rule_tells_only_an_approved_address_of_its_maker(office):
    said = await office.refuses("invalid_body", ANN, "alerts.rules.create", recipient="1001")
    assert said.errors[0].message == "is none of yours: add it at /v1/alerts/recipients"
    waiting = await office(ANN, "alerts.recipients.create", recipient="4711")
    assert (waiting.approved, waiting.approved_ns) == (False, None)
    said = await office.refuses("invalid_body", ANN, "alerts.rules.create", recipient="4711")
    assert said.errors[0].message == "waits for the approval of an administrator"
    await office.refuses("forbidden", ANN, "alerts.recipients.approve", owner="ann", recipient="4711")
    await office.refuses("not_found", ADA, "alerts.recipients.approve", owner="ben", recipient="4711")
    approved = await office(ADA, "alerts.recipients.approve", owner="ann", recipient="4711")
    assert (approved.owner, approved.approved, approved.approved_ns) == ("ann", True, NOON)
    again = await office(ANN, "alerts.recipients.create", recipient="4711")
    assert again == approved  # naming it again takes no approval away
    assert (await office(ANN, "alerts.rules.create", recipient="4711")).recipient == "4711"


async def test_the_audit_keeps_no_path_of_a_webhook_by_which_anybody_may_post(office):
    url = "https://hooks.example.com/services/T0SECRET/B0SECRET?key=S3CRET"
    await office(ANN, "alerts.recipients.create", channel="webhook", recipient=url)
    made = await office(ANN, "alerts.rules.create", channel="webhook", recipient=url)
    await office(ANN, "alerts.rules.replace", rule_id=made.rule_id, channel="webhook", recipient=url, enabled=False)
    await office(ANN, "alerts.rules.delete", rule_id=made.rule_id)
    await office(ANN, "alerts.recipients.delete", channel="webhook", recipient=url)
    assert [target for _, _, target in await office.audited() if target != made.rule_id] == [
        "webhook:https://hooks.example.com/***ET",
        "webhook:https://hooks.example.com/***ET",
    ]
    bodies = [row["body"] for row in await office.desk.store.pool.fetch("SELECT body FROM gateway.audit")]
    assert len(bodies) == 5
    assert all(b"hooks.example.com/***ET" in bytes(body) and b"SECRET" not in bytes(body) for body in bodies)


async def test_an_administrators_own_chat_and_a_public_webhook_hold_at_once(office):
    assert (await office(ADA, "alerts.recipients.create", recipient="4711")).approved
    url = "https://hooks.example.com/in?token=1"
    assert (await office(ANN, "alerts.recipients.create", channel="webhook", recipient=url)).approved
    made = await office(ANN, "alerts.rules.create", channel="webhook", recipient=url)
    assert (made.channel, made.recipient) == ("webhook", url)
    await office.refuses(
        "invalid_body", ANN, "alerts.recipients.create", channel="webhook", recipient="https://10.0.0.1/in"
    )


async def test_an_address_is_forgotten_once_no_rule_tells_it(office):
    await office(ANN, "alerts.recipients.create", recipient="1001")
    made = await office(ANN, "alerts.rules.create", recipient="1001")
    await office.refuses("conflict", ANN, "alerts.recipients.delete", recipient="1001")
    await office(ANN, "alerts.rules.delete", rule_id=made.rule_id)
    await office.refuses("not_found", BEN, "alerts.recipients.delete", recipient="1001")
    await office(ANN, "alerts.recipients.delete", recipient="1001")
    assert (await office(ANN, "alerts.recipients.list")).data == []


async def test_all_addresses_are_shown_to_administrators_of_users_alone(office):
    await office(ANN, "alerts.recipients.create", recipient="1001")
    await office(BEN, "alerts.recipients.create", recipient="1002")
    await office.refuses("forbidden", ANN, "alerts.recipients.list", everyone="true")
    found = await office(ADA, "alerts.recipients.list", everyone="true")
    assert [(one.owner, one.recipient) for one in found.data] == [("ann", "1001"), ("ben", "1002")]
    assert [one.owner for one in (await office(ANN, "alerts.recipients.list")).data] == ["ann"]


async def test_a_subscription_is_the_rule_of_its_template(office):
    await office(ANN, "alerts.recipients.create", recipient="1001")
    plain = await office(ANN, "alerts.rules.create", recipient="1001")
    made = await office(
        ANN, "alerts.subscriptions.create", template="price_spike", recipient="1001", symbols=["BTC-USDT-PERP"]
    )
    assert (made.template, made.kind, made.until, made.cooldown_s, made.symbols) == (
        "price_spike",
        "spike",
        "abs(price_change_5m) < 0.015",
        3_600,
        ("BTC-USDT-PERP",),
    )
    assert (await office(ANN, "alerts.subscriptions.list")).data == [made]
    listed = (await office(ANN, "alerts.rules.list")).data
    assert {rule.rule_id for rule in listed} == {plain.rule_id, made.rule_id}
    await office(ANN, "alerts.subscriptions.delete", rule_id=made.rule_id)
    assert (await office(ANN, "alerts.subscriptions.list")).data == []
    await office.refuses("invalid_body", ANN, "alerts.subscriptions.create", template="nothing", recipient="1001")
    templates = (await office(ANN, "alerts.templates.list")).data
    assert "price_spike" in {one.name for one in templates}


async def test_the_same_request_with_the_same_key_makes_one_rule(office):
    await office(ANN, "alerts.recipients.create", recipient="1001")
    first = await office(ANN, "alerts.rules.create", key="k1", recipient="1001")
    assert await office(ANN, "alerts.rules.create", key="k1", recipient="1001") == first
    assert (await office(ANN, "alerts.rules.list")).data == [first]
    assert len(await office.queued()) == 1


async def test_pages_hold_every_rule_once_and_there_is_a_most(office):
    await office(ANN, "alerts.recipients.create", recipient="1001")
    for _ in range(MOST_RULES):
        await office(ANN, "alerts.rules.create", recipient="1001")
    await office.refuses("conflict", ANN, "alerts.rules.create", recipient="1001")
    await office.refuses("conflict", ANN, "alerts.subscriptions.create", template="memory", recipient="1001")
    seen, cursor = [], None
    while True:
        given = {"limit": "33"} | ({"cursor": cursor} if cursor else {})
        page = await office(ANN, "alerts.rules.list", **given)
        seen += [rule.rule_id for rule in page.data]
        cursor = page.next_cursor
        if not page.has_more:
            break
    assert len(seen) == MOST_RULES
    assert seen == sorted(set(seen))
    await office.refuses("invalid_parameter", ANN, "alerts.deliveries.list", cursor="nonsense")


async def test_a_person_has_a_most_of_addresses(office):
    for number in range(MOST_RECIPIENTS):
        await office(ANN, "alerts.recipients.create", recipient=str(5000 + number))
    await office.refuses("conflict", ANN, "alerts.recipients.create", recipient="6000")
    await office(ANN, "alerts.recipients.create", recipient="5000")


async def test_deliveries_are_those_of_ones_approved_addresses_newest_first_in_pages(office):
    await office(ANN, "alerts.recipients.create", recipient="1001")
    await office(ANN, "alerts.recipients.create", recipient="4711")  # nobody approved it
    sent = [
        Delivery(
            alert_id=f"a{number}",
            signal_id=f"s{number % 2}",
            channel="telegram",
            recipient=recipient,
            state=DeliveryState.DELIVERED if number else DeliveryState.FAILED,
            attempts=1,
            at_ns=NOON + number // 2,
            origin=Origin.SIMULATED,
        )
        for number, recipient in enumerate(["1001", "1001", "1001", "1001", "1002", "4711"])
    ]
    await office.desk.store.signalling.write(Told(deliveries=sent), NOON)

    async def ids(**given):
        page = await office(ANN, "alerts.deliveries.list", **given)
        return [one.alert_id for one in page.data], page.next_cursor

    assert await ids() == (["a3", "a2", "a1", "a0"], None)
    first, cursor = await ids(limit="3")
    assert (first, (await ids(limit="3", cursor=cursor))[0]) == (["a3", "a2", "a1"], ["a0"])
    assert (await ids(state="failed"))[0] == ["a0"]
    assert (await ids(signal_id="s1"))[0] == ["a3", "a1"]
    assert (await ids(from_ns=str(NOON), to_ns=str(NOON + 1)))[0] == ["a1", "a0"]  # half open
    assert (await office(BEN, "alerts.deliveries.list")).data == []
    await office.refuses("invalid_parameter", ANN, "alerts.deliveries.list", from_ns="2", to_ns="1")


async def test_nobodys_credential_owns_nothing(office):
    nobody = Principal(way=Way.BOOTSTRAP, subject="", credential="b", name="b", scopes=GRANTABLE)
    for name in ("alerts.rules.list", "alerts.recipients.list", "alerts.deliveries.list"):
        await office.refuses("forbidden", nobody, name)


async def test_reading_needs_its_scope_and_writing_another(office):
    reader = person("ann", Role.READER)
    assert (await office(reader, "alerts.rules.list")).data == []
    await office.refuses("forbidden", reader, "alerts.rules.create", recipient="1001")
