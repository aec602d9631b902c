"""Finding 11: errors were HTML, strings and stack traces; here each is a document with a code that is explained."""

import asyncio
import re
from pathlib import Path

import msgspec
import pytest

from deploy.local.children import free_port
from libs.common.runtime.process import Process
from services.gateway.contracts.explained import EXPLAINED, markdown
from services.gateway.perimeter.perimeter import Perimeter, Rules
from services.gateway.perimeter.transport import Transport
from services.gateway.problems import CODES, Problem, field_problem
from services.gateway.server import serve
from services.gateway.settings import Settings
from tests.services.gateway.perimeter.walled import client, echo

ROOT = Path(__file__).parents[4]
ELSEWHERE = {
    "csrf": "security/test_csrf.py",
    "locked_out": "limits/test_limits_gate.py",
    "rate_limited": "limits/test_limits_gate.py",
    "quota_exhausted": "limits/test_limits_gate.py",
    "limits_degraded": "limits/test_limits_gate.py",
    "idempotency_in_flight": "access/test_idempotency.py",
    "idempotency_key_reused": "access/test_idempotency.py",
    "conflict": "access/test_keys_api.py",
    "time_exceeded": "perimeter/test_perimeter_heads.py",
    "request_timeout": "security/test_f08_bounds.py",
    "too_many_connections": "security/test_f08_bounds.py",
}
"""Codes that need more than a request to be reached, and the tests that reach them."""


def test_f11_every_code_is_documented():
    assert set(EXPLAINED) == set(CODES)
    assert (ROOT / "docs/api-problems.md").read_text() == markdown()
    for code, (status, title) in CODES.items():
        assert re.fullmatch(r"[a-z_]+", code)
        assert 400 <= status < 600
        assert title


async def test_f11_every_code_is_reached(gateway, make):
    await gateway.fold(make.trade())
    reached: dict[str, object] = {}

    def met(answer):
        assert answer.headers["content-type"] == "application/problem+json", answer.text
        body = answer.json()
        assert answer.status_code == body["status"] == CODES[body["code"]][0]
        assert body["type"] == f"urn:cryptosatx:problem:{body['code']}"
        assert body["doc_url"] == f"/problems#{body['code']}"
        assert body["request_id"] == answer.headers["x-request-id"]
        assert answer.headers["cache-control"] == "no-store"
        assert ("retry-after" in answer.headers) == body["retryable"]
        reached[body["code"]] = answer

    btc = "/v1/markets/BTC-USDT-PERP"
    async with gateway.client() as one:
        met(await one.post("/v1/rpc", content=b"{", headers={"Content-Type": "application/json"}))
        met(await one.get(f"{btc}/book?depth=x"))
        met(await one.get(f"{btc}/book?deep=1"))
        met(await one.get("/v1/markets", headers={"Authorization": "Bearer x"}))
        met(await one.get("/v1/users"))
        met(await one.post("/v1/stream/tickets", headers={"Origin": "http://evil.example"}))
        met(await one.get("/v1/markets/DOGE-USDT/book"))
        met(await one.get(f"{btc}/book?venue=none"))
        met(await one.get("/v1/signals/none"))
        met(await one.get("/nothing"))
        met(await one.delete("/v1/markets"))
        met(await one.post("/v1/rpc", content=b"x" * 300_000))
        met(await one.get("/" + "x" * 9_000))
        met(await one.post("/v1/rpc", content=b"a=b", headers={"Content-Type": "text/plain"}))
        met(await one.get("/", headers={"Host": "evil.example"}))
        met(await one.post("/v1/rpc", json=[]))
        met(await one.post("/v1/stream/tickets", json={"a": 1}))
        met(await one.get("/", headers={"X-One": "x" * 17_000}))
        met(await one.get(f"{btc}/book"))
        await gateway.fold(make.snapshot(10), make.delta(15, 15))
        met(await one.get(f"{btc}/book"))
        await gateway.store.stop()
        met(await one.get("/v1/markets"))
    async with client(Rules(transport=Transport.PROXY, proxies=("127.0.0.1",))) as one:
        met(await one.post("/"))
    gateway.desk.faults = broken
    async with gateway.client() as one:
        met(await one.get("/readyz"))
    assert set(reached) | set(ELSEWHERE) == set(CODES)
    for code, where in ELSEWHERE.items():
        found = ROOT / "tests/services/gateway" / where
        files = [found] if found.is_file() else sorted(found.glob("test_*.py"))
        assert any(code in file.read_text() for file in files), f"{code} is not reached by {where}"


async def broken() -> dict[str, str]:
    raise ValueError("a secret of the house")


def test_f11_faults_of_a_body_have_json_pointers():
    def pointers(problem):
        return [error.get("pointer") for error in msgspec.json.decode(problem.encode("/x", "r"))["errors"]]

    assert pointers(field_problem("invalid_body", "rule.legs[2].within_s", "no")) == ["/rule/legs/2/within_s"]
    assert pointers(field_problem("unknown_field", "a/b~c", "no")) == ["/a~1b~0c"]
    assert pointers(field_problem("invalid_body", "body", "no")) == [""]
    assert pointers(field_problem("invalid_parameter", "limit", "no")) == [None]
    assert pointers(Problem("internal", "no")) == []


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"200"),
        (b"BREW / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"200"),
        (b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", b"431"),
    ],
)
async def test_f11_what_is_no_http_gets_no_words_of_ours(sent, status):
    """The server itself answers what it cannot read: a bare status, before there is a request to explain."""
    port = free_port()
    stop = await serve(Perimeter(echo), "127.0.0.1", port, Process("gateway", Settings()))
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        answer = await reader.read()
        writer.close()
    finally:
        await stop()
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"Traceback" not in answer
