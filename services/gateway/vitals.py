"""How this process is: its parts in, its lateness and its memory out."""

import asyncio
import gc
import re
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from prometheus_client import REGISTRY

from libs.common.runtime.clock import monotonic_s, now_ns
from libs.common.runtime.memory import resident_bytes
from services.gateway.readiness import Fold
from services.gateway.schemas.vitals import DebugMemory, MemoryView, TypeCount

_SLICE: Final = 20_000
"""Objects looked at before others have their turn."""
_TYPES: Final = 40
_FILES: Final = Path("/proc/self/fd")
_NUMBER: Final = re.compile(r"\d+")


class Limits(Protocol):
    """A limiter."""

    @property
    def degraded(self) -> bool:
        """It counts alone."""


class Memory(Protocol):
    """Something that keeps answers."""

    @property
    def size(self) -> tuple[int, int]:
        """How many, and their bytes."""


class Vitals:
    """What operations on health ask of this process."""

    def __init__(
        self,
        *,
        folds: Sequence[Fold] = (),
        limiter: Limits | None = None,
        cache: Memory | None = None,
        limit_bytes: int | None = None,
    ) -> None:
        self._folds = folds
        self._limiter = limiter
        self._cache = cache
        self._limit_bytes = limit_bytes

    async def lag_s(self) -> dict[str, float]:
        """Return how late each projection is."""
        return {fold.group: round(await fold.lag_s(), 3) for fold in self._folds}

    @property
    def limits(self) -> str:
        """Whether limits are counted with the other replicas."""
        return "alone" if self._limiter is not None and self._limiter.degraded else "together"

    def memory(self) -> MemoryView:
        """Return where memory is."""
        kept = self._cache.size if self._cache is not None else (0, 0)
        return MemoryView(
            as_of_ns=now_ns(),
            resident_bytes=resident_bytes(),
            limit_bytes=self._limit_bytes,
            cache_answers=kept[0],
            cache_bytes=kept[1],
            stream_clients=int(REGISTRY.get_sample_value("csx_gateway_stream_clients") or 0),
            tasks=len(asyncio.all_tasks()),
            threads=threading.active_count(),
            open_files=sum(1 for _ in _FILES.iterdir()) if _FILES.is_dir() else 0,
            garbage=gc.get_count(),
            uncollectable=len(gc.garbage),
        )

    async def objects(self) -> DebugMemory:
        """Count every object that the collector follows, a slice at a time."""
        began_s = monotonic_s()
        found = gc.get_objects()
        counts: Counter[str] = Counter()
        sizes: Counter[str] = Counter()
        for at in range(0, len(found), _SLICE):
            for one in found[at : at + _SLICE]:
                kind = type(one)
                name = f"{kind.__module__}.{kind.__qualname__}"
                counts[name] += 1
                sizes[name] += sys.getsizeof(one, 0)
            await asyncio.sleep(0)
        names = Counter(_NUMBER.sub("N", task.get_name()) for task in asyncio.all_tasks())
        return DebugMemory(
            memory=self.memory(),
            objects=len(found),
            took_s=round(monotonic_s() - began_s, 3),
            types=[TypeCount(type=name, count=counts[name], bytes=size) for name, size in sizes.most_common(_TYPES)],
            tasks=dict(names.most_common(_TYPES)),
        )
