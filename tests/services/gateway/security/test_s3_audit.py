"""S3: every write leaves one record of a chain, and any change of the chain is found where it is."""

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from services.gateway.access import audit
from services.gateway.access.chain import ORIGIN, Body, Record, Verifier, encode, link
from services.gateway.access.principal import Principal, Way
from services.gateway.access.scopes import Role
from services.gateway.operations.call import call
from services.gateway.operations.catalogue import OPERATIONS
from services.gateway.operations.desk import Caller
from services.gateway.operations.parsing import parse
from tests.services.gateway.holding import holder
from tests.services.gateway.operations.scenes import SCENES

WHO = Principal(way=Way.KEY, subject="usr_1", credential="0123456789", name="x", scopes=frozenset())
WRITES = [operation for operation in OPERATIONS if operation.writes]


def chain(length, chance):
    records, previous = [], ORIGIN
    for seq in range(1, length + 1):
        body = Body(
            at_ns=chance.randrange(10**18),
            actor=f"usr_{chance.randrange(9)}",
            way="key",
            credential="k",
            action=chance.choice(["keys.create", "keys.revoke", "users.change"]),
            target=str(chance.randrange(10**6)),
            address="192.0.2.7",
            request_id=f"{chance.randrange(2**32):x}",
            before={"a": chance.random()},
            after=None,
        )
        text = encode(body)
        hash_ = link(previous, seq, text)
        told = {name: getattr(body, name) for name in ("at_ns", "actor", "action", "target", "address", "request_id")}
        records.append(Record(seq=seq, body=text, previous=previous, hash=hash_, **told))
        previous = hash_
    return records


def walk(records, head_seq, head_hash):
    verifier = Verifier()
    for record in records:
        verifier.feed(record)
    return verifier.end(head_seq, head_hash)


def flipped(data, chance):
    place = chance.randrange(len(data))
    return data[:place] + bytes([data[place] ^ (1 << chance.randrange(8))]) + data[place + 1 :]


def test_a_chain_that_nobody_touched_is_whole_and_its_hashes_are_those_of_the_manual():
    import hashlib

    records = chain(50, random.Random(1))
    assert walk(records, 50, records[-1].hash) is None
    by_hand = bytes(32)
    for number, record in enumerate(records, 1):
        by_hand = hashlib.sha256(by_hand + number.to_bytes(8, "big") + record.body).digest()
        assert record.hash == by_hand
    assert encode(msgspec.json.decode(records[3].body, type=Body)) == records[3].body


def _changed(field):
    def edit(records, at, chance):
        one = records[at]
        value = getattr(one, field)
        match value:
            case bytes():
                new = flipped(value, chance)
            case str():
                new = value + chance.choice(["", " "]) + "x"
            case _:
                new = value + chance.choice([-3, -1, 1, 100])
        records[at] = structs.replace(one, **{field: new})
        return at + 1

    return edit


def _removed(records, at, _chance):
    del records[at]
    return at + 1


def _twice(records, at, _chance):
    records.insert(at + 1, records[at])
    return at + 2


def _swapped(records, at, chance):
    other = (at + chance.randrange(1, LENGTH)) % LENGTH
    records[at], records[other] = records[other], records[at]
    return min(at, other) + 1


def _cut(records, at, _chance):
    del records[at:]
    return at + 1


def _made_up(records, at, _chance):
    body = records[at].body.replace(b'"way":"key"', b'"way":"eve"')
    records[at] = structs.replace(records[at], body=body)
    return at + 1


def _rehashed(records, at, _chance):
    """The forger computes the record's hash anew, and forgets those after it."""
    one = records[at]
    body = one.body.replace(b'"way":"key"', b'"way":"eve"')
    records[at] = structs.replace(one, body=body, hash=link(one.previous, one.seq, body))
    return min(at + 2, LENGTH)


LENGTH = 40
EDITS = {name: _changed(name) for name in Record.__struct_fields__} | {
    "removed": _removed,
    "twice": _twice,
    "swapped": _swapped,
    "cut": _cut,
    "made up": _made_up,
    "rehashed": _rehashed,
}


def test_s3_any_edit_is_found_at_its_index():
    chance = random.Random(34)
    records = chain(LENGTH, chance)
    kinds = list(EDITS)
    for number in range(10_000):
        edited, at, kind = list(records), chance.randrange(LENGTH), kinds[number % len(kinds)]
        expected = EDITS[kind](edited, at, chance)
        fault = walk(edited, LENGTH, records[-1].hash)
        assert fault is not None, kind
        assert fault.seq == expected, (kind, at, fault)


@given(st.integers(1, 30), st.integers(0, 30))
def test_a_chain_can_be_walked_from_any_place(length, first):
    records = chain(length, random.Random(length))
    first = min(first, length - 1)
    verifier = Verifier(first + 1, records[first].previous)
    for record in records[first:]:
        assert verifier.feed(record) is None
    assert verifier.end(length, records[-1].hash) is None


async def rows(gateway):
    return await gateway.store.pool.fetch("SELECT * FROM gateway.audit ORDER BY seq")


@pytest.mark.parametrize("operation", WRITES, ids=lambda operation: operation.name)
async def test_s3_every_write_leaves_one_chained_row(gateway, make, operation):
    await SCENES[operation.example.given](gateway, make)
    before = await rows(gateway)
    admin = Principal(
        way=Way.KEY, subject="local", credential="adminadmin", name="a", role=Role.ADMIN, scopes=frozenset(_all())
    )
    caller = Caller(principal=admin, address="192.0.2.9", request_id="req-1")
    params = parse(operation.params, operation.example.params, texts=False)
    await call(gateway.desk, caller, operation, params)
    after = await rows(gateway)
    assert len(after) == len(before) + 1
    row = after[-1]
    assert (row["action"], row["actor"], row["address"]) == (operation.name, "local", "192.0.2.9")
    assert (row["request_id"], row["at_ns"]) == ("req-1", gateway.clock())
    assert row["target"]
    assert (await audit.verify(gateway.store.pool)).fault is None


def _all():
    from services.gateway.access.scopes import ROLES

    return ROLES[Role.ADMIN]


async def test_a_write_that_fails_leaves_no_record(gateway):
    async with await holder(gateway) as client:
        assert (await client.delete("/v1/keys/0000000000")).status_code == 404
        assert (await client.post("/v1/keys", json={"name": "x", "scopes": []})).status_code == 422
    assert await rows(gateway) == []


async def filled(gateway, n=5):
    for number in range(n):
        async with gateway.store.pool.acquire() as connection, connection.transaction():
            await audit.write(connection, audit.Act(who=WHO, action="keys.create", target=str(number)), number)


async def test_the_table_takes_no_change_and_a_forced_one_is_named(gateway):
    await filled(gateway)
    pool = gateway.store.pool
    import asyncpg

    with pytest.raises(asyncpg.RaiseError, match="does not change"):
        await pool.execute("UPDATE gateway.audit SET target = 'x' WHERE seq = 3")
    await pool.execute("ALTER TABLE gateway.audit DISABLE TRIGGER ALL")
    async with await holder(gateway) as client:
        whole = (await client.get("/v1/audit/chain")).json()
        assert whole["intact"] is True
        assert (whole["first_seq"], whole["last_seq"], whole["expected_stands"]) == (1, 5, None)
        stands = (await client.get("/v1/audit/chain", params={"expect": whole["head"]})).json()
        assert (stands["intact"], stands["expected_stands"]) == (True, True)
        other = (await client.get("/v1/audit/chain", params={"expect": "0" * 63 + "1"})).json()
        assert (other["intact"], other["expected_stands"]) == (False, False)
        await pool.execute("UPDATE gateway.audit SET target = 'x' WHERE seq = 3")
        broken = (await client.get("/v1/audit/chain")).json()
        assert (broken["intact"], broken["broken_seq"], broken["last_seq"]) == (False, 3, 2)
        await pool.execute("UPDATE gateway.audit SET target = '2' WHERE seq = 3")
        await pool.execute("DELETE FROM gateway.audit WHERE seq = 5")
        cut = (await client.get("/v1/audit/chain")).json()
        assert (cut["broken_seq"], cut["cause"]) == (5, "the record is missing: the end was cut off")


async def test_old_records_go_and_the_rest_stays_verifiable(gateway):
    await filled(gateway)
    for before_ns, left in ((0, [1, 2, 3, 4, 5]), (2, [3, 4, 5]), (100, [])):
        async with gateway.store.pool.acquire() as connection, connection.transaction():
            await audit.prune(connection, before_ns)
        assert [row["seq"] for row in await rows(gateway)] == left
        assert (await audit.verify(gateway.store.pool)).fault is None
    await filled(gateway, 1)
    assert [row["seq"] for row in await rows(gateway)] == [6]
    found = await audit.verify(gateway.store.pool)
    assert (found.fault, found.first_seq, found.last_seq) == (None, 6, 6)


async def test_the_audit_is_read_by_who_and_what_in_pages(gateway):
    await filled(gateway, 7)
    async with await holder(gateway) as client:
        found: list[Any] = []
        cursor: dict[str, str] = {}
        while True:
            page = (await client.get("/v1/audit", params={"limit": 3, "actor": "usr_1", **cursor})).json()
            found += page["data"]
            if not page["has_more"]:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert [one["seq"] for one in found] == [7, 6, 5, 4, 3, 2, 1]
        assert (await client.get("/v1/audit", params={"actor": "nobody"})).json()["data"] == []
        assert [one["target"] for one in (await client.get("/v1/audit?from_ns=2&to_ns=4")).json()["data"]] == ["3", "2"]
    async with await holder(gateway, Role.TRADER) as trader:
        assert (await trader.get("/v1/audit")).status_code == 403


async def test_hundred_acts_at_once_stand_in_one_row(gateway):
    import asyncio

    async def act(number):
        async with gateway.store.pool.acquire() as connection, connection.transaction():
            await audit.write(connection, audit.Act(who=WHO, action="x", target=str(number)))

    await asyncio.gather(*(act(number) for number in range(100)))
    found = await audit.verify(gateway.store.pool)
    assert (found.fault, found.last_seq) == (None, 100)


async def test_any_text_from_outside_is_kept_and_verified(gateway):
    odd = "a\0b\ud800\n\u2028é"
    async with gateway.store.pool.acquire() as connection, connection.transaction():
        act = audit.Act(who=WHO, action="x", target=odd, address=odd, request_id=odd)
        await audit.write(connection, act)
    assert (await audit.verify(gateway.store.pool)).fault is None
