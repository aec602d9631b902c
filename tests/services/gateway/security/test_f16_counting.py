"""Finding 16: nobody could tell what was asked, how often it failed, or which log a complaint belongs to."""

import asyncio
from collections import Counter

from prometheus_client import REGISTRY

from services.gateway.operations.catalogue import OPERATIONS
from services.gateway.operations.operation import Surface
from services.gateway.perimeter.perimeter import Rules
from tests.services.gateway.perimeter.walled import client, echo

TRACE = "0af7651916cd43dd8448eb211c80319c"


def count(method, route, status):
    labels = {"method": method, "route": route, "status": str(status)}
    return REGISTRY.get_sample_value("csx_gateway_requests_total", labels) or 0


def counted(name):
    """Every sample of a metric, by its labels."""
    (metric,) = [one for one in REGISTRY.collect() if one.name == name]
    found = [one for one in metric.samples if one.name.endswith("_total")]
    return Counter({tuple(sorted(one.labels.items())): one.value for one in found})


async def test_f16_each_operation_is_counted(gateway):
    """Nobody is signed in: 401 where a scope is needed, and counted under the operation's own path."""
    offered = [one for one in OPERATIONS if Surface.REST in one.surfaces]
    before = counted("csx_gateway_requests")
    asked: Counter[tuple[tuple[str, str], ...]] = Counter()
    async with gateway.client(Accept="*/*") as one:
        for operation in offered:
            answer = await one.request(operation.method, operation.path.replace("{", "").replace("}", ""))
            labels = {"method": operation.method, "route": operation.path, "status": str(answer.status_code)}
            asked[tuple(sorted(labels.items()))] += 1
    assert asked.total() == len(offered)
    after = counted("csx_gateway_requests")
    assert {labels: after[labels] - before[labels] for labels in asked} == dict(asked)


async def test_f16_what_is_no_route_makes_no_new_labels(gateway):
    async with gateway.client() as one:
        before = count("GET", "none", 404), count("other", "none", 405)
        for i in range(5):
            await one.get(f"/nothing/{i}")
        await one.request("BREW", "/v1/markets")
    assert (count("GET", "none", 404), count("other", "none", 405)) == (before[0] + 5, before[1] + 1)


async def test_f16_refusals_are_counted_by_their_code():
    def refused(code):
        return REGISTRY.get_sample_value("csx_gateway_refused_total", {"code": code}) or 0

    before = refused("uri_too_long"), refused("too_large"), refused("host_not_allowed")
    async with client(Rules(hosts=frozenset({"desk.example"}))) as one:
        await one.get("/" + "x" * 9_000)
        await one.post("/", content=b"x" * 300_000)
        await one.get("/", headers={"Host": "evil.example"})
    after = refused("uri_too_long"), refused("too_large"), refused("host_not_allowed")
    assert after == tuple(number + 1 for number in before)


async def test_f16_what_is_being_answered_is_seen():
    go, entered = asyncio.Event(), asyncio.Event()

    async def wait(scope, receive, send):
        entered.set()
        await go.wait()
        await echo(scope, receive, send)

    async with client(app=wait) as one:
        asked = asyncio.create_task(one.get("/"))
        await entered.wait()
        assert REGISTRY.get_sample_value("csx_gateway_in_flight") == 1
        go.set()
        await asked
        assert REGISTRY.get_sample_value("csx_gateway_in_flight") == 0


async def test_f16_a_trace_is_kept(gateway, caplog):
    async def broken():
        raise ValueError("for the log")

    gateway.desk.faults = broken
    async with gateway.client() as one:
        answer = await one.get("/readyz", headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"})
    assert answer.headers["x-request-id"] == TRACE
    assert answer.headers["traceparent"].split("-")[1] == TRACE
    assert [one.request_id for one in caplog.records if one.levelname == "ERROR"] == [TRACE]
