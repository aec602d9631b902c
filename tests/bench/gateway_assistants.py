"""What assistants' actions take: each asked for as much as it gives, its size; then all of them by several users."""

import json
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode

import numpy as np

from deploy.proving.report import Finding
from services.gateway.contracts.gpt import PATH, offered
from services.gateway.contracts.inputs import input_schema
from services.gateway.operations.catalogue import OPERATIONS
from tests.bench.gateway_http import get, one, users

ASKING: Final = 20
MOST_CHARACTERS: Final = 60_000
MOST_S: Final = 5.0

_COLD: Final = 2.0
"""Nobody's first question is counted: connections open, statements are prepared."""


async def paths(port: int, key: str) -> list[str]:
    """Return the path of each action, with the parameters of its example and the largest page that it gives.

    Raises:
        RuntimeError: there is no signal yet.
    """
    _, body = await one(port, get("/v1/signals?limit=1", key))
    newest = json.loads(body)["data"]
    if not newest:
        raise RuntimeError("the simulated market has no signal yet: let it fold for a minute")
    found = []
    for operation in offered(OPERATIONS):
        params = dict(operation.example.params)
        if "signal_id" in params:
            params["signal_id"] = newest[0]["signal_id"]
        fields = input_schema(operation.params)["properties"]
        params |= {name: fields[name]["maximum"] for name in ("limit", "depth") if "maximum" in fields.get(name, {})}
        found.append(f"{PATH}{operation.name}?{urlencode(params)}")
    return found


async def assistants(port: int, keys: Sequence[str], seconds: float) -> list[Finding]:
    """Ask every action once, then all of them for a while."""
    asked = await paths(port, keys[0])
    sizes = {}
    for path in asked:
        status, body = await one(port, get(path, keys[0]))
        if status != 200:
            raise RuntimeError(f"{path}: {status} {body[:300]!r}")
        sizes[path] = len(body.decode())
    largest = max(sizes, key=lambda path: sizes[path])
    everybody = [[get(path, key) for path in asked] for key in keys]
    load = await users(port, everybody, think_s=1.0, warm_s=_COLD, seconds=seconds, seed=11)
    p50, p99 = (float(np.quantile(load.took_s, share)) * 1e3 for share in (0.5, 0.99))
    return [
        Finding(
            f"{len(asked)} actions of assistants, asked for the largest page: the longest reply",
            f"under {MOST_CHARACTERS:,} characters",
            f"{sizes[largest]:,} ({largest.partition('?')[0]})",
            sizes[largest] < MOST_CHARACTERS,
        ),
        Finding(
            f"the same by {len(keys)} users, {load.per_s:.0f}/s for {seconds:.0f} s: p50, p99, errors",
            "p99 under 5 s, 0",
            f"{p50:.0f}, {p99:.0f} ms: {p99 / 1e3 / MOST_S:.3f} of the limit, {load.errors}",
            p99 < MOST_S * 1e3 and not load.errors,
        ),
    ]
