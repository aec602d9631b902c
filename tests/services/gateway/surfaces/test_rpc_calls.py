"""Operations by name: the answers of their paths, a reply for each, nothing done of what is not understood."""

import pytest

from services.gateway.operations.catalogue import OPERATIONS
from services.gateway.operations.operation import Download, Surface

BTC = "BTC-USDT-PERP"


@pytest.fixture
async def rpc(gateway):
    async with gateway.client() as client:

        async def post(body, **headers):
            if isinstance(body, bytes):
                return await client.post(
                    "/v1/rpc", content=body, headers={"content-type": "application/json", **headers}
                )
            return await client.post("/v1/rpc", json=body, headers=headers)

        yield post


async def test_a_call_answers_what_its_path_answers(gateway, make, rpc, ask):
    await gateway.fold(make.candle(), make.trade())
    reply = await rpc({"operation": "markets.candles", "symbol": BTC, "timeframe": "1m", "limit": 5})
    assert reply.status_code == 200
    told = reply.json()
    path = await ask(f"/v1/markets/{BTC}/candles?timeframe=1m&limit=5")
    assert (told["ok"], told["operation"], told["error"]) == (True, "markets.candles", None)
    assert told["data"] == path.json()
    assert told["meta"]["cost"] == 2
    assert told["meta"]["request_id"] == reply.headers["x-request-id"]
    assert reply.headers["cache-control"] == "no-store"


async def test_a_batch_is_answered_in_its_order_and_its_failures_stay_their_own(gateway, make, rpc):
    await gateway.fold(make.candle(), make.trade())
    reply = await rpc(
        {
            "batch": [
                {"operation": "markets.list"},
                {"operation": "markets.book", "symbol": "NO-SUCH", "client_request_id": "mine-2"},
                {"operation": "markets.candles", "symbol": BTC, "timeframe": "1m", "limit": "5"},
                {"operation": "markets.candles", "symbol": BTC, "timeframe": "1m", "bars": 5},
                {"operation": "signals.list"},
            ]
        }
    )
    assert reply.status_code == 200
    whole = reply.json()
    assert whole["ok"] is False
    told = [(one["operation"], one["ok"], (one["error"] or {}).get("code")) for one in whole["batch"]]
    assert told == [
        ("markets.list", True, None),
        ("markets.book", False, "unknown_symbol"),
        ("markets.candles", False, "invalid_body"),
        ("markets.candles", False, "unknown_field"),
        ("signals.list", True, None),
    ]
    assert whole["batch"][1]["meta"]["client_request_id"] == "mine-2"
    assert whole["batch"][2]["error"]["errors"][0]["field"] == "limit"
    assert sum(one["meta"]["cost"] for one in whole["batch"]) == 1 + 2 + 2 + 2 + 2


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"{", 400, None),
        (b"\xff", 400, None),
        (b"[" * 5000, 400, None),
        ([], 422, "body"),
        ({}, 422, "operation"),
        ({"operation": 5}, 422, "operation"),
        ({"operation": "markets.lost"}, 422, "operation"),
        ({"batch": []}, 422, "batch"),
        ({"batch": {}}, 422, "batch"),
        ({"batch": [{"operation": "markets.list"}] * 21}, 422, "batch"),
        ({"batch": [{"operation": "markets.list"}, 7]}, 422, "batch[1]"),
        ({"batch": [{"operation": "markets.list"}, {"operation": "x"}]}, 422, "batch[1].operation"),
        ({"batch": [{"operation": "markets.list"}], "also": 1}, 422, "also"),
        ({"operation": "markets.list", "client_request_id": ""}, 422, "client_request_id"),
        ({"operation": "markets.list", "client_request_id": "a b"}, 422, "client_request_id"),
        ({"operation": "markets.list", "client_request_id": "x" * 256}, 422, "client_request_id"),
    ],
)
async def test_what_is_no_call_is_a_problem_of_the_whole(rpc, body, status, field):
    reply = await rpc(body)
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    if field:
        assert reply.json()["errors"][0]["field"] == field


async def test_nobody_is_told_anything(gateway):
    async with gateway.client(accept="*/*") as client:
        reply = await client.post("/v1/rpc", json={"operation": "markets.list"})
        assert (reply.status_code, reply.json()["code"]) == (401, "unauthenticated")
        assert (await client.post("/v1/rpc", json={"operation": "no.such"})).status_code == 401
        assert (await client.get("/v1/rpc")).status_code == 405


async def test_other_kinds_of_bodies_are_refused(rpc):
    assert (await rpc(b"operation=markets.list", **{"content-type": "text/plain"})).status_code == 415


def test_every_operation_but_downloads_is_called_by_name():
    names = {one.name for one in OPERATIONS if Surface.RPC in one.surfaces}
    kept_back = {one.name for one in OPERATIONS if Surface.RPC not in one.surfaces}
    assert names
    assert all(name.startswith(("auth.", "stream.", "exports.", "debug.")) for name in kept_back), kept_back
    assert not [one.name for one in OPERATIONS if Surface.RPC in one.surfaces and one.answer is Download]


async def test_a_write_sent_again_is_answered_again_and_not_done_again(gateway, everything):
    async with gateway.client(**everything) as client:

        async def made(**more):
            call = {"operation": "keys.create", "name": "twice", "scopes": ["read:market"], **more}
            reply = await client.post("/v1/rpc", json=call)
            assert reply.status_code == 200
            return reply.json()

        first, again = await made(client_request_id="w-1"), await made(client_request_id="w-1")
        other = await made(client_request_id="w-1", name="other")
        third = await made(client_request_id="w-2")
    assert first["ok"], first
    assert (first["meta"]["replayed"], again["meta"]["replayed"]) == (False, True)
    assert again["data"] == first["data"]
    assert other["error"]["code"] == "idempotency_key_reused"
    assert third["data"]["secret"] != first["data"]["secret"]


async def test_one_key_in_the_head_keeps_the_calls_of_a_batch_apart(gateway, everything):
    async with gateway.client(**everything) as client:
        call = {"operation": "keys.create", "name": "twice", "scopes": ["read:market"]}
        sent = {"json": {"batch": [call, call]}, "headers": {"Idempotency-Key": "b-1"}}
        first = (await client.post("/v1/rpc", **sent)).json()
        again = (await client.post("/v1/rpc", **sent)).json()
    made = [one["data"]["secret"] for one in first["batch"]]
    assert len(set(made)) == 2
    assert [one["data"]["secret"] for one in again["batch"]] == made
