"""Whether requests can be served well: folds that are late and feeds that fell silent in, sentences out.

One dead venue takes no gateway out of service; nothing heard from any does.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from libs.common.events import Grade
from libs.common.runtime.clock import monotonic_s, now_ns
from services.gateway.outages import OUTAGES
from services.gateway.schemas.times import age_s
from services.gateway.store.latest import Latest

GRACE_S: Final = 60.0
"""After its start a gateway is given so long to hear something and to catch up."""
SILENT_S: Final = 60.0
"""A venue that sent no trade and no book for so long is silent."""

_HEARD: Final = frozenset({"trades", "books"})
_REMEMBER_S: Final = 1.0


class Fold(Protocol):
    """A consumer that knows how late it is."""

    group: str

    async def lag_s(self) -> float:
        """Return the age of what it handled last, while more waits."""


def late(
    folds: Sequence[Fold], limit_s: float, *, monotonic: Callable[[], float] = monotonic_s
) -> Callable[[], Awaitable[str | None]]:
    """Return a check that names the folds further behind than `limit_s`."""
    began_s = monotonic()

    async def check() -> str | None:
        if monotonic() - began_s < GRACE_S:
            return None
        behind = [(fold.group, await fold.lag_s()) for fold in folds]
        return "; ".join(f"{group} is {lag_s:.0f} s behind" for group, lag_s in behind if lag_s > limit_s) or None

    return check


class Silence:
    """Tells when no venue at all is heard."""

    def __init__(
        self,
        latest: Latest,
        *,
        clock: Callable[[], int] = now_ns,
        monotonic: Callable[[], float] = monotonic_s,
    ) -> None:
        self._latest = latest
        self._clock = clock
        self._monotonic = monotonic
        self._began_s = monotonic()
        self._said: tuple[float, str | None] = (-_REMEMBER_S, None)

    async def fault(self) -> str | None:
        """Return why nothing fresh can be served, or None; looked up at most once a second."""
        now_s = self._monotonic()
        if now_s - self._began_s < GRACE_S:
            return None
        if now_s - self._said[0] >= _REMEMBER_S:
            try:
                self._said = (now_s, await self._look())
            except OUTAGES as e:
                return f"feeds cannot be read: {type(e).__name__}"
        return self._said[1]

    async def _look(self) -> str | None:
        now = self._clock()
        heard: dict[str, float] = {}
        for feed in await self._latest.feeds(now):
            if feed.stream in _HEARD:
                heard[feed.venue] = min(age_s(feed.seen_ns, now), heard.get(feed.venue, float("inf")))
        if not heard:
            return "no venue was heard yet"
        kept = await self._latest.qualities()
        dead = []
        for venue, silent_s in sorted(heard.items()):
            if silent_s > SILENT_S:
                dead.append(f"{venue} is silent for {silent_s:.0f} s")
            elif venue in kept and kept[venue].report.grade is Grade.F:
                dead.append(f"{venue} is graded f")
        return f"no venue is heard: {'; '.join(dead)}" if len(dead) == len(heard) else None
