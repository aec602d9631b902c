"""Everything the broker knows, opened from one folder and closed into it again."""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from deploy.local.broker import compaction
from deploy.local.broker.groups import Group
from deploy.local.broker.log import Log
from deploy.local.broker.offsets import Offsets
from deploy.local.broker.quota import Quota
from deploy.local.broker.topics import Topics
from deploy.local.broker.transactions import Transactions

NODE_ID: Final = 1
CLUSTER_ID: Final = "cryptosatx-embedded"
HOUSEKEEPING_S: Final = 30.0

log = logging.getLogger(__name__)


class Broker:
    """One node's state. `defaults` are topic settings, `partitions` the count for who does not name one."""

    def __init__(
        self,
        folder: Path,
        *,
        defaults: Mapping[str, str] | None = None,
        auto_create: bool = False,
        partitions: int = 4,
        quota: Quota | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.host = "127.0.0.1"
        self.port = 0
        self.auto_create = auto_create
        self.partitions = partitions
        self.quota = quota
        self.topics = Topics(folder, defaults or {})
        self.offsets = Offsets(folder / "offsets.jsonl")
        self.transactions = Transactions(folder / "transactions.json", self.topics, self.offsets)
        self.groups: dict[str, Group] = {}
        torn_bytes = sum(partition.torn_bytes for partition in self.topics.all_logs())
        if torn_bytes:
            log.warning("cut %d bytes of half-written batches, none of them acknowledged", torn_bytes)

    def close(self) -> None:
        """Sync and close everything."""
        for group in self.groups.values():
            group.close()
        self.transactions.close()
        self.offsets.close()
        self.topics.close()

    async def keep_house(self) -> None:
        """Retain and compact every partition, again and again."""
        while True:
            await asyncio.sleep(HOUSEKEEPING_S)
            for partition in self.topics.all_logs():
                try:
                    await tidy(partition)
                except OSError:
                    log.exception("housekeeping of %s failed, it is tried again", partition.folder.name)


async def tidy(partition: Log) -> None:
    """Apply retention, and compaction beside the loop, to one partition."""
    if partition.closed:
        return
    partition.retain()
    plan = partition.plan_compaction()
    if plan is not None:
        cleaned = await asyncio.to_thread(compaction.run, plan)
        if partition.adopt(plan, cleaned):
            log.info("compacted %s up to offset %d", partition.folder.name, plan.end)
