"""Finding 14: pages of a debugger and stack traces were served."""

import pytest

from services.gateway.access.keys import mint
from tests.services.gateway.security.test_f11_problems import broken


async def test_f14_no_stack_trace(gateway, caplog):
    gateway.desk.faults = broken
    async with gateway.client() as one:
        answer = await one.get("/readyz", headers={"X-Request-Id": "found-again"})
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal"
    for word in ("Traceback", "ValueError", "secret of the house", ".py"):
        assert word not in answer.text
    (record,) = [one for one in caplog.records if one.levelname == "ERROR"]
    assert record.request_id == "found-again"
    assert record.exc_info


@pytest.mark.parametrize(
    "path",
    [
        "/debug",
        "/_debug",
        "/console",
        "/schema",
        "/schema/openapi.json",
        "/docs",
        "/redoc",
        "/swagger",
        "/graphql",
        "/actuator/env",
        "/server-status",
        "/.env",
        "/.git/config",
        "/static/../settings.py",
        "/debug/pprof",
        "/admin",
        "/phpinfo.php",
    ],
)
async def test_f14_no_debug_route(ask, path):
    answer = await ask(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_f14_memory_is_for_who_runs_the_system(gateway, ask):
    assert (await ask("/v1/debug/memory")).status_code == 403
    key = mint("admin", ["admin:system"])
    await gateway.store.add_key(key.row)
    answer = await ask("/v1/debug/memory", headers={"Authorization": f"Bearer {key.text}"})
    assert answer.status_code == 200
    async with gateway.client(Accept="*/*") as nobody:
        assert (await nobody.get("/v1/debug/memory")).status_code == 401


async def test_f14_parameters_turn_nothing_on(ask):
    for name in ("debug", "trace", "verbose", "_method", "callback"):
        answer = await ask(f"/v1/markets?{name}=true")
        assert (answer.status_code, answer.json()["code"]) == (400, "unknown_parameter")
    answer = await ask("/v1/markets", headers={"X-HTTP-Method-Override": "DELETE", "X-Debug": "1"})
    assert answer.status_code == 200
