"""Doing once what is asked twice: replays, other requests with the same key, two at once, failures, sealed secrets."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.idempotency import KEPT_NS, PostgresLedger
from services.gateway.sealing import Seal
from tests.services.gateway.holding import holder

WISH = {"name": "desk", "scopes": ["read:market"]}
KEY = "8e03978e-40d5-43dd-bc93-6894a57f9324"


def keyed(key=KEY):
    return {"Idempotency-Key": key}


async def made(gateway):
    return await gateway.store.pool.fetchval("SELECT count(*) FROM gateway.api_keys WHERE name = 'desk'")


async def test_the_same_request_with_the_same_key_is_done_once_and_answered_alike(gateway):
    async with await holder(gateway) as client:
        first = await client.post("/v1/keys", json=WISH, headers=keyed())
        again = await client.post("/v1/keys", json=WISH, headers=keyed())
        assert (first.status_code, again.status_code) == (201, 201)
        assert again.content == first.content  # the secret too: it was sealed for who has the key
        assert "idempotent-replayed" not in first.headers
        assert again.headers["idempotent-replayed"] == "true"
        assert await made(gateway) == 1
        assert (await client.post("/v1/keys", json=WISH)).json() != first.json()
        assert await made(gateway) == 2
    assert await gateway.store.pool.fetchval("SELECT count(*) FROM gateway.audit") == 2


async def test_another_request_with_the_same_key_is_refused(gateway):
    async with await holder(gateway) as client:
        await client.post("/v1/keys", json=WISH, headers=keyed())
        other = await client.post("/v1/keys", json=WISH | {"name": "other"}, headers=keyed())
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
        reordered = {"scopes": ["read:market"], "name": "desk", "expires_in_days": 90}  # the same, said otherwise
        assert (await client.post("/v1/keys", json=reordered, headers=keyed())).status_code == 201
        user = await client.post("/v1/users", json={"name": "ada"}, headers=keyed())  # another operation's own
        assert user.status_code == 201
    async with await holder(gateway) as somebody_else:
        assert (await somebody_else.post("/v1/keys", json=WISH, headers=keyed())).status_code == 201
    assert await made(gateway) == 2


async def test_two_at_once_do_it_once(gateway):
    async with await holder(gateway) as client:
        answers = await asyncio.gather(*(client.post("/v1/keys", json=WISH, headers=keyed()) for _ in range(20)))
    done = [answer for answer in answers if answer.status_code == 201]
    waiting = [answer for answer in answers if answer.status_code == 409]
    assert len(done) + len(waiting) == 20
    assert len({answer.content for answer in done}) == 1
    assert all(answer.json()["code"] == "idempotency_in_flight" for answer in waiting)
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in waiting)
    assert await made(gateway) == 1


async def test_what_failed_may_be_sent_again(gateway):
    async with await holder(gateway) as client:
        user = (await client.post("/v1/users", json={"name": "ada"})).json()
        taken = await client.post("/v1/users", json={"name": "Ada "}, headers=keyed())
        assert (taken.status_code, taken.json()["code"]) == (409, "conflict")
        assert (await client.delete(f"/v1/users/{user['user_id']}")).status_code == 204
        assert (await client.post("/v1/users", json={"name": "Ada "}, headers=keyed())).status_code == 201


async def test_an_answer_without_a_body_is_repeated_too(gateway):
    async with await holder(gateway) as client:
        user = (await client.post("/v1/users", json={"name": "ada"})).json()
        answers = [await client.delete(f"/v1/users/{user['user_id']}", headers=keyed()) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [204, 204]
    assert answers[1].headers["idempotent-replayed"] == "true"


async def test_a_day_later_the_key_is_new(gateway):
    async with await holder(gateway) as client:
        await client.post("/v1/keys", json=WISH, headers=keyed())
        gateway.clock.now += KEPT_NS
        assert "idempotent-replayed" in (await client.post("/v1/keys", json=WISH, headers=keyed())).headers
        gateway.clock.now += 1
        assert "idempotent-replayed" not in (await client.post("/v1/keys", json=WISH, headers=keyed())).headers
        assert await made(gateway) == 2
        gateway.clock.now += KEPT_NS + 1
        assert await gateway.desk.ledger.prune() == 1
        assert await gateway.store.pool.fetchval("SELECT count(*) FROM gateway.idempotency") == 0


@pytest.mark.parametrize("key", ["", " ", "a b", "é", "x" * 256, "a\tb"])
async def test_what_is_no_key_is_refused(gateway, key):
    async with await holder(gateway) as client:
        answer = await client.post("/v1/keys", json=WISH, headers={b"Idempotency-Key": key.encode()})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"
    assert await made(gateway) == 0


async def test_without_a_secret_of_ours_a_secret_is_not_shown_again(gateway):
    gateway.desk.ledger = PostgresLedger(lambda: gateway.store.pool, clock=gateway.clock)
    async with await holder(gateway) as client:
        assert (await client.post("/v1/keys", json=WISH, headers=keyed())).status_code == 201
        again = await client.post("/v1/keys", json=WISH, headers=keyed())
        assert (again.status_code, again.json()["code"]) == (409, "conflict")
        user = [await client.post("/v1/users", json={"name": "ada"}, headers=keyed()) for _ in range(2)]
    assert [answer.status_code for answer in user] == [201, 201]
    assert await made(gateway) == 1


async def test_a_replay_opens_after_the_secret_was_rotated_and_not_after_it_is_gone(gateway):
    def ledger(*secrets):
        return PostgresLedger(lambda: gateway.store.pool, seal=Seal(secrets), clock=gateway.clock)

    old, new = b"old" * 11, b"new" * 11
    async with await holder(gateway) as client:
        gateway.desk.ledger = ledger(old)
        first = await client.post("/v1/keys", json=WISH, headers=keyed())
        gateway.desk.ledger = ledger(new, old)
        assert (await client.post("/v1/keys", json=WISH, headers=keyed())).content == first.content
        gateway.desk.ledger = ledger(new)
        assert (await client.post("/v1/keys", json=WISH, headers=keyed())).status_code == 409


@given(st.binary(min_size=1, max_size=200), st.text("abc", min_size=1), st.text("abc", min_size=1), st.data())
def test_a_seal_opens_for_its_key_alone_and_unchanged(text, key, other, data):
    seal = Seal([b"s" * 32])
    sealed = seal.close(text, key, b"about")
    assert seal.open(sealed, key, b"about") == text
    assert text not in sealed or len(text) < 4
    assert (seal.open(sealed, other, b"about") == text) is (other == key)
    assert seal.open(sealed, key, b"something else") is None
    assert Seal([b"t" * 32]).open(sealed, key, b"about") is None
    place = data.draw(st.integers(0, len(sealed) - 1))
    changed = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
    assert seal.open(changed, key, b"about") is None
    assert seal.open(sealed[:place], key, b"about") is None
