"""The API over real stores: who is let in, what is answered, and which field is named when not."""

import json
import re

import msgspec
import pytest
from openapi_spec_validator import validate

from libs.common.events import Decision, DeliveryState, Direction, Source, Timeframe
from services.gateway.access.keys import KeyRow, mint
from services.gateway.access.scopes import Scope
from services.gateway.contracts.openapi import document
from services.gateway.operations.catalogue import OPERATIONS
from services.gateway.operations.operation import Surface
from services.gateway.problems import CODES, Problem
from services.gateway.store.keys import page
from services.gateway.surfaces.application import PLAIN, build
from services.gateway.surfaces.page import ASSETS

_OPEN = {"/livez", "/readyz", "/openapi.json", *ASSETS}
_CLOSED = [("GET", "/metrics")] + [
    (operation.method, operation.path.replace("{", "").replace("}", ""))
    for operation in OPERATIONS
    if Surface.REST in operation.surfaces and operation.scope is not Scope.PUBLIC
]


def problem_of(answer, status, code):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["status"], body["code"]) == (status, code)
    assert body["type"] == f"urn:cryptosatx:problem:{code}"
    assert body["request_id"] == answer.headers["x-request-id"]
    return body


def test_nothing_is_served_but_the_registry_and_what_is_named(gateway):
    """The routes of the application itself, against both lists."""
    registry = {operation.path for operation in OPERATIONS if Surface.REST in operation.surfaces}
    assistants = {f"/v1/gpt/{operation.name}" for operation in OPERATIONS if Surface.GPT in operation.surfaces}
    app = build(gateway.desk, guard=gateway.guard, sessions=gateway.desk.sessions)
    assert {re.sub(":str", "", route.path) for route in app.routes} == registry | assistants | PLAIN


@pytest.mark.parametrize(("method", "path"), _CLOSED)
async def test_without_a_good_key_there_is_nothing(gateway, method, path):
    async with gateway.client(Accept="*/*") as client:
        answer = await client.request(method, path)
        body = problem_of(answer, 401, "unauthenticated")
        assert [error["field"] for error in body["errors"]] == ["Authorization"]
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert body["instance"] == path
        for header in ("Bearer ", "Bearer nonsense", f"Bearer {mint('thief').text}", f"Basic {gateway.key}"):
            problem_of(await client.request(method, path, headers={"Authorization": header}), 401, "unauthenticated")
        problem_of(await client.request(method, path, params={"key": gateway.key}), 401, "unauthenticated")


@pytest.mark.parametrize("path", sorted(_OPEN))
async def test_the_page_and_the_probes_are_open_and_harmless(gateway, path):
    async with gateway.client(Accept="*/*") as client:
        answer = await client.get(path)
    assert answer.status_code == 200
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_key_without_the_scope_is_forbidden(gateway):
    key = mint("no scope", [])
    await gateway.store.add_key(key.row)
    async with gateway.client(Authorization=f"Bearer {key.text}") as client:
        problem_of(await client.get("/v1/markets"), 403, "forbidden")


async def test_a_revoked_key_is_refused_and_an_api_key_header_is_taken(gateway):
    async with gateway.client(**{"X-API-Key": gateway.key}) as client:
        assert (await client.get("/v1/markets")).status_code == 200
        key_id = gateway.key[9:19]
        assert await gateway.store.revoke_key(key_id, gateway.clock())
        gateway.clock.now += 5_000_000_000
        assert "revoked" in problem_of(await client.get("/v1/markets"), 401, "unauthenticated")["detail"]


async def test_unknown_paths_and_methods_are_problems(ask, gateway):
    problem_of(await ask("/v2/nothing"), 404, "not_found")
    async with gateway.client() as client:
        answer = await client.delete("/v1/markets")
    problem_of(answer, 405, "method_not_allowed")
    assert "GET" in answer.headers["allow"]


async def test_foreign_hosts_origins_and_big_bodies_are_refused(gateway):
    async with gateway.client() as client:
        problem_of(await client.get("/", headers={"Host": "evil.example"}), 421, "host_not_allowed")
        assert (await client.get("/livez", headers={"Host": "localhost:8080"})).status_code == 200
        assert (await client.get("/livez", headers={"Host": "[::1]:8080"})).status_code == 200
        path = "/v1/stream/tickets"
        problem_of(await client.post(path, headers={"Origin": "http://evil.example"}), 403, "origin_not_allowed")
        assert (await client.post(path, headers={"Origin": "http://127.0.0.1:8080"})).status_code == 201
        problem_of(await client.post(path, content=b"x" * 300_000), 413, "too_large")


async def test_request_ids_are_kept_when_harmless(ask):
    assert (await ask("/livez", headers={"X-Request-Id": "trace-1"})).headers["x-request-id"] == "trace-1"
    assert (await ask("/livez", headers={"X-Request-Id": "a b\tc"})).headers["x-request-id"] != "a b\tc"


@pytest.mark.parametrize(
    ("path", "code", "field"),
    [
        ("/v1/markets/BTC-USDT-PERP/candles?timeframe=7m", "invalid_parameter", "timeframe"),
        ("/v1/markets/BTC-USDT-PERP/candles", "invalid_parameter", "timeframe"),
        ("/v1/markets/BTC-USDT-PERP/candles?timeframe=1m&limit=0", "invalid_parameter", "limit"),
        ("/v1/markets/BTC-USDT-PERP/candles?timeframe=1m&limit=1001", "invalid_parameter", "limit"),
        ("/v1/markets/BTC-USDT-PERP/candles?timeframe=1m&limit=ten", "invalid_parameter", "limit"),
        ("/v1/markets/BTC-USDT-PERP/candles?timeframe=1m&from_ns=5&to_ns=4", "invalid_parameter", "to_ns"),
        ("/v1/markets/BTC-USDT-PERP/candles?timeframe=1m&from_ns=-5", "invalid_parameter", "from_ns"),
        ("/v1/markets/BTC-USDT-PERP/candles?timeframe=1m&from_ns=99999999999999999999", "invalid_parameter", "from_ns"),
        ("/v1/markets/BTC-USDT-PERP/candles?timeframe=1m&to_ns=99999999999999999999", "invalid_parameter", "to_ns"),
        ("/v1/markets/BTC-USDT-PERP/candles?timeframes=1m", "unknown_parameter", "timeframes"),
        ("/v1/markets/BTC-USDT-PERP/book?depth=51", "invalid_parameter", "depth"),
        ("/v1/signals?limit=501", "invalid_parameter", "limit"),
        ("/v1/signals?direction=up", "invalid_parameter", "direction"),
        ("/v1/signals?cursor=nonsense", "invalid_parameter", "cursor"),
        ("/v1/signals?cursor=%00", "invalid_parameter", "cursor"),
        ("/v1/signals?key=x", "unknown_parameter", "key"),
    ],
)
async def test_the_field_at_fault_is_named(gateway, ask, make, path, code, field):
    await gateway.fold(make.trade())
    errors = problem_of(await ask(path), 400, code)["errors"]
    assert [error["field"] for error in errors] == [field]
    assert errors[0]["message"]
    if "7m" in path:
        assert errors[0]["message"] == "must be one of 1m, 5m, 15m, 1h, 4h, 1d, 1w"


async def test_what_is_not_known_is_404_with_its_field(gateway, ask, make):
    await gateway.fold(make.trade())
    for path in ("candles?timeframe=1m", "book", "readings"):
        body = problem_of(await ask(f"/v1/markets/DOGE-USDT/{path}"), 404, "unknown_symbol")
        assert body["errors"][0]["field"] == "symbol"
    problem_of(await ask("/v1/signals?symbol=DOGE-USDT"), 404, "unknown_symbol")
    body = problem_of(await ask("/v1/markets/BTC-USDT-PERP/book?venue=bybit"), 404, "unknown_venue")
    assert body["errors"] == [{"field": "venue", "message": "'bybit' does not show BTC-USDT-PERP; these do: okx"}]
    assert problem_of(await ask("/v1/signals/none"), 404, "unknown_signal")["errors"][0]["field"] == "signal_id"


async def test_markets_tell_price_origin_and_age(gateway, ask, make):
    assert (await ask("/v1/markets")).json() == {"data": []}
    await gateway.fold(make.trade(60_000.0), make.trade(60_001.5, n=2), make.candle(symbol="ETH-USDT"))
    gateway.clock.now += 20 * make.SECOND
    btc, eth = (await ask("/v1/markets")).json()["data"]
    assert (btc["symbol"], btc["venue"], btc["origin"], btc["age_s"], btc["stale"]) == (
        "BTC-USDT-PERP",
        "okx",
        "simulated",
        20.0,
        True,
    )
    assert (btc["last"]["price"], btc["last"]["source"]) == (60_001.5, "trades")
    assert btc["event_time"] == "2024-08-08T12:00:00.000000000Z"
    assert (eth["symbol"], eth["last"]) == ("ETH-USDT", None)


async def test_candles_are_half_open_and_prefer_rest_unless_it_is_not_closed(gateway, ask, make):
    bars = [make.NOON + i * make.MINUTE for i in range(5)]
    await gateway.fold(*(make.candle(at, close=100 + i / 10) for i, at in enumerate(bars)))
    await gateway.fold(
        make.candle(bars[1], close=101.9, source=Source.REST),
        make.candle(bars[2], close=99.1, source=Source.REST, closed=False),
    )
    path = "/v1/markets/BTC-USDT-PERP/candles"
    body = (await ask(path, params={"timeframe": "1m"})).json()
    assert [bar["close"] for bar in body["data"]] == [100.0, 101.9, 100.2, 100.3, 100.4]
    assert [bar["source"] for bar in body["data"]] == ["trades", "rest", "trades", "trades", "trades"]
    assert (body["venue"], body["origin"], body["has_more"]) == ("okx", "simulated", False)
    ranged = (await ask(path, params={"timeframe": "1m", "from_ns": bars[1], "to_ns": bars[3]})).json()
    assert [bar["open_ns"] for bar in ranged["data"]] == bars[1:3]
    page = (await ask(path, params={"timeframe": "1m", "limit": 2})).json()
    assert [bar["open_ns"] for bar in page["data"]] == bars[3:]
    assert page["has_more"]
    older = (await ask(path, params={"timeframe": "1m", "limit": 9, "to_ns": page["data"][0]["open_ns"]})).json()
    assert [bar["open_ns"] for bar in older["data"]] == bars[:3]
    assert (await ask(path, params={"timeframe": "5m"})).json()["data"] == []
    assert (await ask(path, params={"timeframe": "1m", "from_ns": 5, "to_ns": 5})).json()["data"] == []


@pytest.mark.parametrize("rest_first", [True, False])
async def test_a_bar_of_two_sources_is_served_once_by_rest_and_what_was_not_seen_whole_is_flagged(
    gateway, ask, make, rest_first
):
    bars = [make.NOON + i * make.MINUTE for i in range(3)]
    twins = [
        make.candle(bars[0], close=101.9, source=Source.REST),
        make.candle(bars[0], close=100.5, complete=False),
    ]
    await gateway.fold(*(twins if rest_first else reversed(twins)))
    await gateway.fold(make.candle(bars[1], complete=False), make.candle(bars[2], closed=False))
    body = (await ask("/v1/markets/BTC-USDT-PERP/candles", params={"timeframe": "1m", "limit": 3})).json()
    assert [(bar["open_ns"], bar["source"], bar["close"], bar["complete"], bar["closed"]) for bar in body["data"]] == [
        (bars[0], "rest", 101.9, True, True),
        (bars[1], "trades", 101.0, False, True),
        (bars[2], "trades", 101.0, True, False),
    ]
    assert not body["has_more"]


async def test_without_a_venue_the_newest_data_wins_and_is_named(gateway, ask, make):
    await gateway.fold(make.trade(1.0, venue="okx"))
    gateway.clock.now += 60 * make.SECOND
    await gateway.fold(make.trade(2.0, venue="zeta"))
    path = "/v1/markets/BTC-USDT-PERP/candles?timeframe=1m"
    body = (await ask(path)).json()
    assert body["venue"] == "zeta"
    assert "newest" in body["chosen_by"]
    assert (await ask(f"{path}&venue=okx")).json()["chosen_by"] == "the venue was named"
    await gateway.fold(make.trade(1.0, venue="okx"))
    assert (await ask(path)).json()["venue"] == "okx"  # equally new: the first by name


async def test_the_book_is_shown_in_sync_only(gateway, ask, make):
    path = "/v1/markets/BTC-USDT-PERP/book"
    await gateway.fold(make.trade())
    problem_of(await ask(path), 503, "book_unavailable")
    await gateway.fold(make.snapshot(10), make.delta(11, 12, bids=[(99.0, 0.0), (97.0, 5.0)], asks=[(101.0, 3.5)]))
    body = (await ask(path)).json()
    assert body["book"]["bids"] == [[98.0, 2.0], [97.0, 5.0]]
    assert body["book"]["asks"] == [[101.0, 3.5], [102.0, 4.0]]
    assert (body["book"]["sequence"], body["book"]["origin"], body["book"]["stale"]) == (12, "simulated", False)
    assert (await ask(f"{path}?depth=1")).json()["book"]["bids"] == [[98.0, 2.0]]
    await gateway.fold(make.delta(15, 15, bids=[(98.0, 9.0)]))
    answer = await ask(path)
    body = problem_of(answer, 503, "book_out_of_sync")
    assert "sequence 13 expected, 15 came" in body["detail"]
    assert answer.headers["retry-after"]
    assert body["retryable"]
    await gateway.fold(make.snapshot(20))
    assert (await ask(path)).json()["book"]["sequence"] == 20


async def test_readings_are_the_newest_of_each_layer(gateway, ask, make):
    await gateway.fold(make.reading("cvd", 0.1), make.reading("technicals", -0.3), make.reading("cvd", 0.6))
    body = (await ask("/v1/markets/BTC-USDT-PERP/readings")).json()
    assert [(one["layer"], one["score"], one["origin"]) for one in body["readings"]] == [
        ("cvd", 0.6, "simulated"),
        ("technicals", -0.3, "simulated"),
    ]
    assert body["readings"][0]["facts"] == {"delta_quote": 1234.5, "cause": None}
    assert body["readings"][0]["marks"] == []


async def test_readings_carry_every_mark_of_their_layer_in_its_order(gateway, ask, make):
    near, model = make.mark(), make.mark("liquidation_model_long", 59_000.0, 59_000.0, state="MODEL")
    await gateway.fold(make.reading("smc", timeframe=Timeframe.M5, marks=(near, model)))
    (found,) = (await ask("/v1/markets/BTC-USDT-PERP/readings")).json()["readings"]
    assert found["marks"][0] == {
        "kind": "order_block",
        "low": 59_800.0,
        "high": 59_900.0,
        "side": 1,
        "strength": 0.5,
        "formed_ns": make.NOON - 600 * make.SECOND,
        "known_ns": make.NOON - 300 * make.SECOND,
        "state": "fresh",
        "mark_id": "order_block-1",
    }
    assert [(mark["kind"], mark["state"]) for mark in found["marks"]] == [
        ("order_block", "fresh"),
        ("liquidation_model_long", "MODEL"),
    ]
    await gateway.fold(make.reading("smc", timeframe=Timeframe.M5))
    (found,) = (await ask("/v1/markets/BTC-USDT-PERP/readings")).json()["readings"]
    assert found["marks"] == []  # what the layer no longer says is not shown on


async def test_what_a_layer_reads_from_ticks_and_from_each_timeframe_stands_side_by_side(gateway, ask, make):
    for frame, score in ((None, 0.1), (Timeframe.M1, 0.2), (Timeframe.M5, -0.3)):
        await gateway.fold(make.reading("cvd", score, timeframe=frame))
    body = (await ask("/v1/markets/BTC-USDT-PERP/readings")).json()
    assert [(one["timeframe"], one["score"]) for one in body["readings"]] == [(None, 0.1), ("1m", 0.2), ("5m", -0.3)]


async def test_a_signal_comes_with_evidence_verdict_and_deliveries(gateway, ask, make):
    signal = make.signal()
    await gateway.fold(signal, make.verdict(signal), make.delivery())
    body = (await ask("/v1/signals/sig-0001")).json()
    assert [(c["layer"], c["contribution"]) for c in body["contributions"]] == [("cvd", 0.3), ("technicals", 0.12)]
    assert body["absent"] == [{"layer": "order_flow", "cause": "no_book"}]
    assert body["readings"][0]["layer"] == "cvd"
    assert (body["decision"], body["judge"]) == ("publish", "rules")
    assert (body["probability"], body["probability_status"]) == (None, "unproven")
    assert (body["log_odds"], body["intercept"], body["model"], body["challenger"]) == (0.0, 0.0, "scorecard", None)
    assert (body["conflict"], body["regime"], body["effective_layers"]) == (None, None, None)
    assert [target["price"] for target in body["plan"]["targets"]] == [60_600.0, 61_000.0, 61_500.0]
    assert [(d["state"], d["recipient"]) for d in body["deliveries"]] == [("delivered", "***89")]
    assert body["inputs"] == {"engine_version": "1.0.0", "last_trade": "77"}


async def test_signals_are_filtered(gateway, ask, make):
    await gateway.fold(
        make.signal(1),
        make.signal(2, direction=Direction.SHORT, at=make.NOON + make.MINUTE),
        make.signal(3, symbol="ETH-USDT", at=make.NOON - make.MINUTE),
    )

    async def ids(**params):
        return [one["signal_id"] for one in (await ask("/v1/signals", params=params)).json()["data"]]

    assert await ids() == ["sig-0002", "sig-0001", "sig-0003"]
    assert await ids(symbol="ETH-USDT") == ["sig-0003"]
    assert await ids(direction="short") == ["sig-0002"]
    assert await ids(venue="okx", timeframe="1m") == ["sig-0002", "sig-0001", "sig-0003"]
    assert await ids(timeframe="5m") == []
    assert await ids(origin="live") == []


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 50])
async def test_following_the_cursor_meets_every_signal_once_while_new_ones_come(gateway, ask, make, limit):
    known = [make.signal(n, at=make.NOON + (n % 4) * make.MINUTE) for n in range(12)]  # times repeat on purpose
    await gateway.fold(*known)
    met, cursor, number = [], None, 100
    while True:
        params = {"limit": limit} | ({"cursor": cursor} if cursor else {})
        body = (await ask("/v1/signals", params=params)).json()
        met += [one["signal_id"] for one in body["data"]]
        await gateway.fold(make.signal(number, at=make.NOON + make.MINUTE * number))
        number += 1
        if not body["has_more"]:
            assert body["next_cursor"] is None
            break
        cursor = body["next_cursor"]
    wanted = sorted(known, key=lambda s: (s.as_of_ns, s.signal_id), reverse=True)
    assert met == [one.signal_id for one in wanted]


async def test_health_tells_age_events_gaps_and_alerts(gateway, ask, make):
    await gateway.fold(make.trade(), make.trade(n=2), make.snapshot(), make.delivery(), make.delivery(of="sig-2"))
    await gateway.fold(make.delivery(DeliveryState.FAILED, of="sig-3"))
    gateway.clock.now += 30 * make.SECOND
    body = (await ask("/v1/health")).json()
    assert [(f["stream"], f["events"], f["age_s"], f["stale"], f["origin"]) for f in body["feeds"]] == [
        ("books", 1, 30.0, True, "simulated"),
        ("trades", 2, 30.0, True, "simulated"),
    ]
    assert body["alerts"] == {"delivered": 2, "failed": 1}


async def test_readiness_tells_what_is_missing(gateway, ask):
    assert (await ask("/readyz")).json() == {"ready": True, "faults": {}}
    gateway.faults["bus"] = "broker does not answer"
    answer = await ask("/readyz")
    assert answer.status_code == 503
    assert answer.json()["faults"] == {"bus": "broker does not answer"}


async def test_a_store_that_is_away_is_503_and_says_to_try_again(gateway, ask):
    assert (await ask("/v1/markets")).status_code == 200  # the key is known for three seconds
    await gateway.store.stop()
    answer = await ask("/v1/markets")
    assert problem_of(answer, 503, "dependency_down")["retryable"]
    assert answer.headers["retry-after"]


async def test_metrics_are_for_who_runs_the_system(gateway, ask):
    problem_of(await ask("/metrics"), 403, "forbidden")
    key = mint("scraper", ["admin:system"])
    await gateway.store.add_key(key.row)
    answer = await ask("/metrics", headers={"Authorization": f"Bearer {key.text}"})
    assert "csx_gateway_requests_total" in answer.text


async def test_files_come_packed_to_who_takes_it_and_not_twice(ask):
    for path in ("/app.js", "/openapi.json", "/problems"):
        packed = await ask(path, headers={"Accept-Encoding": "br, gzip;q=0.5"})
        plain = await ask(path, headers={"Accept-Encoding": "gzip;q=0"})
        assert (packed.headers["content-encoding"], "content-encoding" in plain.headers) == ("gzip", False)
        assert packed.content == plain.content  # unpacked by the client
        assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) == len(plain.content)
        assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
        assert packed.headers["etag"] != plain.headers["etag"]
        for answer, takes in ((packed, "gzip"), (plain, "identity")):
            again = await ask(path, headers={"If-None-Match": answer.headers["etag"], "Accept-Encoding": takes})
            assert (again.status_code, again.content) == (304, b"")
    icon = await ask("/favicon.svg")
    assert icon.status_code == 200


async def test_the_served_document_is_valid_and_lists_every_route(ask):
    served = (await ask("/openapi.json")).json()
    assert served == json.loads(msgspec.json.encode(document(OPERATIONS)))
    assert served["openapi"].startswith("3.1")
    validate(served)
    registry = {operation.path for operation in OPERATIONS if Surface.REST in operation.surfaces}
    assert set(served["paths"]) == registry | {"/livez", "/readyz", "/v1/rpc"}
    assert served["components"]["securitySchemes"]["key"]["scheme"] == "bearer"


def test_every_code_makes_a_document():
    for code, (status, title) in CODES.items():
        document_ = Problem(code, "why").document("/x", "r")
        assert (document_.status, document_.title, document_.code) == (status, title, code)


async def test_keys_are_listed_without_secrets(gateway):
    rows = await page(gateway.store.pool, None, limit=10)
    assert [row.name for row in rows] == ["test"]
    assert isinstance(rows[0], KeyRow)
    assert not await gateway.store.revoke_key("nobody", 1)


async def test_a_withheld_verdict_is_shown_as_such(gateway, ask, make):
    signal = make.signal()
    await gateway.fold(make.verdict(signal, decision=Decision.WITHHOLD))
    assert (await ask("/v1/signals/sig-0001")).json()["decision"] == "withhold"
