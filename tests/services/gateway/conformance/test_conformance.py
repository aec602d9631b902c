"""Schemathesis with all its checks over the served document, on a real port over real stores, as each kind of caller.

`make api` gives each caller five minutes (CSX_API_SECONDS); the tests of every day twenty seconds.
"""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from services.gateway.access.keys import mint
from services.gateway.access.scopes import GRANTABLE, ROLES, Role
from services.gateway.cache.cache import AnswerCache
from services.gateway.limits.gate import LimitGate
from services.gateway.limits.limiter import RedisLimiter
from services.gateway.limits.policy import Policies, Quotas
from services.gateway.vitals import Vitals
from tests.services.gateway.operations.scenes import SCENES

SECONDS = int(os.environ.get("CSX_API_SECONDS", "20"))
CALLERS = {"anonymous": frozenset(), "reader": ROLES[Role.READER], "admin": GRANTABLE}
FED = ("rule", "flows", "levels", "outcomes", "key", "user", "session")
"""Scenes that stand beside each other: together they hold all others."""
CONFIG = Path(__file__).with_name("schemathesis.toml")


async def furnish(gateway, redis_url):
    """Put in what the running service has too: limits that no test reaches, the cache, a look at itself."""
    limiter = RedisLimiter.at(redis_url)
    cache = AnswerCache(1024 * 1024)
    many = Quotas(per_second=100_000, per_minute=6_000_000, address=6_000_000, address_known=6_000_000)
    gateway.desk.gate, gateway.desk.cache = LimitGate(limiter, Policies(many)), cache
    gateway.desk.vitals = Vitals(limiter=limiter, cache=cache)
    return limiter


@pytest.mark.slow
@pytest.mark.timeout(SECONDS * 4 + 240)
@pytest.mark.parametrize("caller", CALLERS)
async def test_the_served_api_is_the_documented_one(gateway, make, address, fresh_redis_url, tmp_path, caller):
    limiter = await furnish(gateway, fresh_redis_url)
    for scene in FED:
        await SCENES[scene](gateway, make)
    headers = []
    if scopes := CALLERS[caller]:
        key = mint(caller, sorted(scopes))
        await gateway.store.add_key(key.row)
        headers = ["--header", f"Authorization: Bearer {key.text}"]
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(CONFIG), "run"),
        *(f"http://{address}/openapi.json", "--checks", "all", "--max-time", str(SECONDS), *headers),
        *("--continue-on-failure", "--suppress-health-check", "all", "--generation-database", "none"),
        *("--request-timeout", "20", "--warnings", "off", "--no-color", "--output-sanitize", "false"),
    ]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    told, _ = await process.communicate()
    await gateway.desk.cache.stop()
    await limiter.stop()
    report = told.decode(errors="replace")
    (tmp_path / "report.txt").write_text(report)
    assert process.returncode == 0, report[-60_000:]
