"""Ingest as a whole over an outage of the broker: what readiness says, and what the next process does first."""

import asyncio

from libs.common.runtime.process import Process
from libs.common.runtime.settings import load
from services.ingest.delivery.leftovers import leftovers
from services.ingest.delivery.publisher import Mark
from services.ingest.following import Ingest
from services.ingest.settings import Settings


async def test_an_outage_goes_to_disk_and_the_next_process_begins_with_it(tiny, rest_of, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("CSX_INGEST_HISTORY_BARS", "0")
    monkeypatch.setenv("CSX_INGEST_SPILL_DIR", str(tmp_path))
    monkeypatch.setenv("CSX_INGEST_SPILL_MIB", "1")
    monkeypatch.setenv("CSX_INGEST_SPILL_AFTER_S", "0.5")
    settings = load(Settings)
    venue, broker, asked = tiny.Venue("ws://127.0.0.1:1"), tiny.Broker(), []

    def answer(path: str) -> list[int]:
        asked.append(path)
        return [302, 303] if path.endswith("&301") else []

    async def made(marks: dict[str, Mark]) -> Ingest:
        left = await leftovers(settings.spill_dir, settings.spill_mib, venue.name)
        instruments = {tiny.SYMBOL: venue.instrument()}
        ingest = Ingest(
            settings,
            venue,
            instruments,
            sink=broker,
            rest=rest_of(answer),
            marks=marks,
            left=left,
            drain_within_s=0.2,
        )
        ingest.start(Process("ingest", settings))
        return ingest

    ingest = await made({})
    await ingest.recovery.offer(tiny.trade(1))
    await tiny.until(lambda: broker.trade_ids == [1])
    broker.down = True
    for number in range(2, 302):
        await ingest.recovery.offer(tiny.trade(number))
    await tiny.until(lambda: ingest.draining.ledger.accounts["trades"].on_disk == 300, 10)
    assert (await ingest.fault() or "").startswith("the broker does not take records: ")
    await asyncio.wait_for(ingest.stop(), 5)

    broker.down = False
    ingest = await made({tiny.SYMBOL: Mark("1", 1_000_000)})
    await ingest.recovery.offer(tiny.trade(304))  # live, while the leftovers are on their way
    await tiny.until(lambda: 304 in broker.trade_ids, 10)
    assert broker.trade_ids == list(range(1, 305))
    assert next(path for path in asked if path.startswith("trades")).endswith("&301")
    await asyncio.wait_for(ingest.stop(), 5)
    assert not list(tmp_path.glob("**/*.ring"))
