"""What runs beside the sender, through outages."""

import asyncio

from libs.common.events import DeliveryState
from libs.common.runtime.errors import DependencyDown
from services.alerts.upkeep import announce


async def test_an_outage_of_the_broker_only_delays_what_is_published(outbox, make_entry):
    await outbox.enqueue([make_entry("a")], 1)
    (claim,) = await outbox.claim("telegram", 1, lease_ns=1_000_000_000, limit=1)
    await outbox.settle(claim, DeliveryState.DELIVERED, 2, message_id="7")
    calls: list[list[str]] = []
    told = asyncio.Event()

    async def publish(events):
        calls.append([event.alert_id for event in events])
        if len(calls) < 3:
            raise DependencyDown("the broker does not answer")
        told.set()

    task = asyncio.create_task(announce(outbox, publish))
    await asyncio.wait_for(told.wait(), 20)
    task.cancel()
    assert calls == [["a"], ["a"], ["a"]]
