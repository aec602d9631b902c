"""The client of the manual, run as it stands there: killed and started again, it misses nothing."""

import asyncio
import os
import re
import sys
from pathlib import Path

from tests.services.gateway.stream.talking import WITHIN_S

MANUAL = Path(__file__).resolve().parents[4] / "docs" / "stream.md"


async def test_the_client_of_the_manual_misses_nothing(gateway, address, make, tmp_path):
    (program,) = re.findall(r"```python\n(.*?)```", MANUAL.read_text(), re.DOTALL)
    place = tmp_path / "place"
    environment = os.environ | {"CSX_URL": f"ws://{address}/v1/stream", "CSX_KEY": gateway.key, "CSX_PLACE": str(place)}
    await gateway.fold(make.trade())
    heard: list[str] = []
    for turn in range(3):
        client = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, env=environment, stdout=asyncio.subprocess.PIPE
        )
        assert client.stdout
        try:
            async with asyncio.timeout(WITHIN_S):
                while not place.exists():  # noqa: ASYNC110 - another process writes it
                    await asyncio.sleep(0.01)
                await gateway.fold(make.signal(10 * turn))
                while not heard or heard[-1] != f"sig-{10 * turn:04d}":
                    heard.append((await client.stdout.readline()).decode().strip())
            await asyncio.sleep(0.5)  # a heartbeat at least: its cursor is kept too
        finally:
            client.kill()
            await client.wait()
        await gateway.fold(make.signal(10 * turn + 1))  # while nobody listens
    assert heard == ["sig-0000", "sig-0001", "sig-0010", "sig-0011", "sig-0020"]
