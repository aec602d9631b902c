"""Vendors' answers by REST in, Metric events out: each request at its own pace, within the vendor's budget."""

import asyncio
import heapq
import logging
import random
from collections.abc import Callable, Sequence
from typing import Final

import httpx

from libs.common.bus.admin import ensure_topics
from libs.common.bus.kafka import connect
from libs.common.bus.topics import TOPICS
from libs.common.events import SECOND_NS, Metric, Origin
from libs.common.runtime.clock import monotonic_s, now_ns
from libs.common.runtime.process import Process
from services.ingest import metrics
from services.ingest.calls.rest import Rest, RestError
from services.ingest.delivery.buffer import Buffer
from services.ingest.delivery.publisher import Draining, Sink
from services.ingest.settings import Settings
from services.ingest.vendor_settings import VENDORS_ALONE
from services.ingest.vendor_socket import NO_KEY, REFUSED_S, VendorSocket
from services.ingest.vendors import VENDORS, Vendor
from services.ingest.vendors.coinglass_stream import CoinGlassStream
from services.ingest.vendors.once import Once
from services.ingest.vendors.vendor import Job, LimitedError, RefusedError
from services.ingest.venues.terms import AnswerError

log = logging.getLogger(__name__)

AGAIN_S: Final = 600.0
"""A request that failed is due again after that time, or its own pace where that is shorter."""
PAUSE_S: Final = 60.0
"""How long nothing is asked of a vendor that says within an answer that it was asked too often."""
COINGLASS_WS: Final = "wss://open-ws.coinglass.com"

_REFUSALS: Final = ("HTTP 401", "HTTP 402", "HTTP 403")

_JITTER: Final = 0.1
_SPREAD_S: Final = 5.0
_CAUSE_CHARS: Final = 200
_DRAIN_WITHIN_S: Final = 5.0


class Poller:
    """One vendor's requests, one after the other, each when it is due."""

    def __init__(
        self,
        vendor: Vendor,
        symbols: Sequence[str],
        rest: Rest,
        buffer: Buffer,
        *,
        origin: Origin = Origin.LIVE,
        clock: Callable[[], int] = now_ns,
        pause_s: float = PAUSE_S,
        again_s: float = AGAIN_S,
        refused_s: float = REFUSED_S,
        spread_s: float = _SPREAD_S,
    ) -> None:
        """`spread_s`: over how long the first requests are spread; `refused_s`: until key or plan are tried again."""
        self._vendor = vendor
        self._rest = rest
        self._buffer = buffer
        self._origin = origin
        self._clock = clock
        self._pause_s = pause_s
        self._again_s = again_s
        self._refused_s = refused_s
        self._once = Once()
        self._chance = random.Random()  # noqa: S311  (jitter, not a secret)
        self._jobs = vendor.jobs(symbols)
        self._missing: set[str] = set()
        started_s = monotonic_s()
        self._due = [(started_s + self._chance.uniform(0, spread_s), number) for number in range(len(self._jobs))]
        heapq.heapify(self._due)

    async def run(self) -> None:
        """Ask for ever; without a key that is needed, say so once for every number, and ask nothing."""
        metrics.VENDOR_USABLE.labels(self._vendor.name).set(self._vendor.usable)
        if not self._vendor.usable:
            log.warning(
                "a vendor is not asked: its numbers are absent", extra={"vendor": self._vendor.name, "reason": NO_KEY}
            )
            for job in self._jobs:
                await self._missed(job, NO_KEY)
            return
        while self._due:
            due_s, number = heapq.heappop(self._due)
            await asyncio.sleep(max(due_s - monotonic_s(), 0.0))
            wait_s = await self._ask(self._jobs[number])
            wait_s *= 1 + self._chance.uniform(0, _JITTER)  # never sooner than the vendor's pace
            heapq.heappush(self._due, (monotonic_s() + wait_s, number))

    async def _ask(self, job: Job) -> float:
        """Ask and publish; return the seconds until the job is due again."""
        name = self._vendor.name
        try:
            body = await self._rest.fetch(job.request)
            found = self._vendor.parse(job, body, self._clock(), self._origin)
        except LimitedError as e:
            metrics.VENDOR_ANSWERS.labels(name, "limited").inc()
            await self._missed(job, str(e))
            await asyncio.sleep(self._pause_s)  # this loop is the only one that asks the vendor
            return 0.0
        except RefusedError as e:
            metrics.VENDOR_ANSWERS.labels(name, "refused").inc()
            await self._missed(job, str(e))
            return max(job.every_s, self._refused_s)
        except AnswerError as e:
            metrics.VENDOR_ANSWERS.labels(name, "refused").inc()
            await self._missed(job, str(e))
            return min(job.every_s, self._again_s)
        except RestError as e:
            cause = str(e).removeprefix(f"{job.request.url}: ")
            refused = cause.startswith(_REFUSALS)
            metrics.VENDOR_ANSWERS.labels(name, "refused" if refused else "failed").inc()
            await self._missed(job, cause)
            return max(job.every_s, self._refused_s) if refused else min(job.every_s, self._again_s)
        metrics.VENDOR_ANSWERS.labels(name, "ok").inc()
        metrics.VENDOR_ANSWERED.labels(name, job.kind).set(self._clock() / SECOND_NS)
        if job.name in self._missing:
            log.info("a vendor answers again", extra={"vendor": name, "job": job.name})
        self._missing.discard(job.name)
        metrics.VENDOR_MISSING.labels(name).set(len(self._missing))
        await self._publish(found)
        return job.every_s

    async def _missed(self, job: Job, cause: str) -> None:
        if job.name not in self._missing and self._vendor.usable:
            log.warning(
                "a vendor gave nothing: its number is absent until it answers again",
                extra={"vendor": self._vendor.name, "job": job.name, "reason": cause},
            )
        self._missing.add(job.name)
        metrics.VENDOR_MISSING.labels(self._vendor.name).set(len(self._missing))
        await self._publish(self._vendor.absent(job, cause[:_CAUSE_CHARS], self._clock(), self._origin))

    async def _publish(self, found: Sequence[Metric]) -> None:
        for metric in found:
            if self._once.admit(metric):
                await self._buffer.put(metric)
            else:
                metrics.VENDOR_REPEATED.labels(self._vendor.name).inc()


class Polling:
    """All pollers of one process, and their way to the broker; `start` and `stop` are all there is to do with it."""

    def __init__(self, settings: Settings, sink: Sink, *, spread_s: float = _SPREAD_S) -> None:
        """`spread_s`: over how long the first requests are spread."""
        self.buffer = Buffer(settings.buffer_events)
        self.draining = Draining(VENDORS_ALONE, self.buffer, sink)
        self._tasks: list[asyncio.Task[None]] = []
        self._clients: list[httpx.AsyncClient] = []
        self._rests: list[Rest] = []
        self.pollers: dict[str, Poller] = {}
        self.socket = _socket(settings, self.buffer)
        for name in settings.vendors:
            vendor = VENDORS[name](**settings.vendor_options(name))
            client = httpx.AsyncClient(
                headers={"User-Agent": "cryptosatx", **vendor.headers()},
                follow_redirects=False,  # a redirect must not carry the key elsewhere
            )
            rest = Rest(name, client, weight_per_minute=vendor.per_minute)
            self._clients.append(client)
            self._rests.append(rest)
            self.pollers[name] = Poller(
                vendor, settings.symbols, rest, self.buffer, origin=settings.origin, spread_s=spread_s
            )

    def start(self, process: Process) -> None:
        """Run every poller as a critical task of `process`, and have it end them in order."""
        process.on_stop(self.stop)
        process.check("vendors", self.fault)
        draining = process.spawn(self.draining.run(), name="publisher")
        pollers = [process.spawn(one.run(), name=f"poller {name}") for name, one in self.pollers.items()]
        if self.socket is not None:
            pollers.append(process.spawn(self.socket.run(), name="socket coinglass"))
        self._tasks = [draining, *pollers]

    async def stop(self) -> None:
        """Ask no more; have the broker acknowledge what was read."""
        draining, *pollers = self._tasks
        for task in pollers:
            task.cancel()
        await asyncio.gather(*pollers, return_exceptions=True)
        self.buffer.close()
        await asyncio.wait([draining], timeout=_DRAIN_WITHIN_S)
        if not draining.done():
            log.error("numbers were not published: the next start asks again", extra={"left": self.buffer.pending})
            draining.cancel()
        for rest in self._rests:
            await rest.stop()
        for client in self._clients:
            await client.aclose()

    async def fault(self) -> str | None:
        """Return why nothing is published, or None; a silent vendor is no fault of ours, its numbers say so."""
        return None if self.draining.down_since is None else "the broker does not take records"


def _socket(settings: Settings, buffer: Buffer) -> VendorSocket | None:
    """Return CoinGlass's socket where its numbers are asked for."""
    if "coinglass" not in settings.vendors:
        return None
    key = settings.coinglass_key.get_secret_value() if settings.coinglass_key is not None else None
    stream = CoinGlassStream(settings.coinglass_ws_url or COINGLASS_WS, key, settings.symbols)
    return VendorSocket(stream, buffer, origin=settings.origin)


async def main(process: Process, settings: Settings) -> None:
    """Make the collaborators, wire them, start."""
    bus = connect(settings, f"csx-ingest-{VENDORS_ALONE}", process)
    await ensure_topics(settings.kafka_bootstrap, TOPICS)
    await bus.start()
    Polling(settings, bus.publisher).start(process)
