"""REST requests in, bodies out: at most two at once, within the venue's weight, one call for equal wishes."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final

import httpx
from msgspec import Struct

from libs.common.runtime.backoff import Backoff
from libs.common.runtime.clock import monotonic_ns, monotonic_s, now_ns
from services.ingest import metrics
from services.ingest.usage import Neighbours, Spent, Usage, said_by
from services.ingest.venues.terms import Request

log = logging.getLogger(__name__)

IN_FLIGHT: Final = 2
TRIES: Final = 5
_TIMEOUT: Final = httpx.Timeout(10.0)
_BANNED: Final = frozenset({418, 429})
_DEFAULT_PAUSE_S: Final = 5.0
_LONGEST_PAUSE_S: Final = 300.0
_BODY_BYTES: Final = 64 * 2**20


class RestError(Exception):
    """A call was refused, or not answered in all tries."""


class Timed(Struct, frozen=True):
    """An answer and when it went and came."""

    body: bytes
    sent_ns: int
    """Wall clock."""
    took_ns: int
    """From the request to the whole answer; no step of the wall clock changes it."""


class Budget:
    """A venue's weight a minute, spent evenly: two seconds' worth at once, one heavier call may run into debt."""

    def __init__(self, weight_per_minute: float, clock: Callable[[], float] = monotonic_s) -> None:
        self._weight_per_minute = weight_per_minute
        self._rate = weight_per_minute / 60
        self._most = 2 * self._rate
        self._spent = Spent()
        self._neighbours = Neighbours(weight_per_minute)
        self._left = self._most
        self._at = clock()
        self._clock = clock

    def spend(self, weight: float) -> float:
        """Take `weight` and return 0, or return the seconds to wait before asking again."""
        now = self._clock()
        rate = self._rate * self.pace
        self._left = min(self._most, self._left + (now - self._at) * rate)
        self._at = now
        if self._left < min(weight, self._most):
            return (min(weight, self._most) - self._left) / rate
        self._left -= weight
        self._spent.add(weight, now)
        return 0.0

    def hear(self, venue_weight: float) -> None:
        """Take the venue's own count of the running minute: what others spend from our address slows us down."""
        now = self._clock()
        self._neighbours.hear(venue_weight, self._spent.total(now), now)

    @property
    def used(self) -> float:
        """Share of the budget that was spent in the last minute."""
        return self._spent.total(self._clock()) / self._weight_per_minute

    @property
    def pace(self) -> float:
        """Share of the budget that may be spent now."""
        return self._neighbours.pace(self._clock())

    @property
    def venue_weight(self) -> float | None:
        """The venue's own count of the running minute, where it says one."""
        return self._neighbours.weight(self._clock())


class Rest:
    """One venue's REST side; shared by all who recover."""

    def __init__(
        self,
        venue: str,
        client: httpx.AsyncClient,
        *,
        weight_per_minute: float = 1200,
        backoff: Backoff | None = None,
        bans: Mapping[int, float] | None = None,
    ) -> None:
        """`bans`: statuses that mean too many calls, and the seconds to call nothing after each."""
        self._bans = bans or {}
        self._venue = venue
        self._client = client
        self._budget = Budget(weight_per_minute)
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._backoff = backoff
        self._calls: dict[tuple[str, bytes | None], asyncio.Task[bytes]] = {}
        self._paused_until = 0.0
        self._in_flight = 0
        self._slowed = False

    @property
    def usage(self) -> Usage:
        """How much of the venue's limit is used now, by whom, and what waits."""
        return Usage(
            budget_used=self._budget.used,
            pace=self._budget.pace,
            venue_weight=self._budget.venue_weight,
            paused_s=max(self._paused_until - monotonic_s(), 0.0),
            in_flight=self._in_flight,
            waiting=max(len(self._calls) - self._in_flight, 0),
        )

    async def fetch(self, request: Request) -> bytes:
        """Return the body of the answer.

        Raises:
            RestError: the venue refused, or did not answer in all tries.
        """
        key = (request.url, request.body)
        call = self._calls.get(key)
        if call is None:
            call = asyncio.create_task(self._call(request), name=f"rest {request.url}")
            self._calls[key] = call
            call.add_done_callback(lambda done: self._done(key, done))
        else:
            metrics.REST_SHARED.labels(self._venue).inc()
        return await asyncio.shield(call)  # one who asked may go, the others still want the answer

    async def timed(self, request: Request) -> Timed:
        """Return the answer to one try, with its times: a round trip that nobody shares and nothing repeats.

        Raises:
            RestError: the venue refused, or did not answer.
        """
        async with self._slots:
            await self._admit(request)
            sent_ns, began_ns = now_ns(), monotonic_ns()
            outcome, body = await self._send(request)
            took_ns = monotonic_ns() - began_ns
        metrics.REST_CALLS.labels(self._venue, outcome).inc()
        if outcome != "ok":
            raise RestError(f"{request.url}: {body.decode('utf-8', 'backslashreplace')}")
        return Timed(body, sent_ns, took_ns)

    async def stop(self) -> None:
        """Cancel what is under way."""
        calls = list(self._calls.values())
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    def _done(self, key: tuple[str, bytes | None], call: asyncio.Task[bytes]) -> None:
        self._calls.pop(key, None)
        if not call.cancelled():
            call.exception()  # nobody may be left to hear it

    async def _call(self, request: Request) -> bytes:
        backoff = self._backoff or Backoff(initial_s=0.25, cap_s=8)
        backoff.reset()
        reason = ""
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(backoff.next_s())
            async with self._slots:
                await self._admit(request)
                outcome, body = await self._send(request)
            metrics.REST_CALLS.labels(self._venue, outcome).inc()
            if outcome == "ok":
                return body
            reason = body.decode("utf-8", "backslashreplace")
            if outcome == "refused":
                break
            log.warning("REST call failed", extra={"venue": self._venue, "url": request.url, "reason": reason})
        raise RestError(f"{request.url}: {reason}")

    async def _admit(self, request: Request) -> None:
        while True:
            pause = max(self._paused_until - monotonic_s(), 0.0)
            if not pause:
                pause = self._budget.spend(request.weight)
            if not pause:
                return
            await asyncio.sleep(pause)

    async def _send(self, request: Request) -> tuple[str, bytes]:
        headers = [(header.name, header.value) for header in request.headers]
        if request.body is not None:
            headers.append(("Content-Type", "application/json"))
        self._in_flight += 1
        with metrics.REST_IN_FLIGHT.labels(self._venue).track_inprogress():
            try:
                answer = await self._client.request(
                    "GET" if request.body is None else "POST",
                    request.url,
                    headers=headers,
                    content=request.body,
                    timeout=_TIMEOUT,
                )
            except httpx.TimeoutException as e:
                return "timeout", repr(e).encode()
            except (httpx.HTTPError, httpx.InvalidURL) as e:
                return "unreachable", repr(e).encode()
            finally:
                self._in_flight -= 1
        self._hear(answer)
        if answer.status_code == httpx.codes.OK:
            if len(answer.content) > _BODY_BYTES:
                return "refused", b"the answer is larger than 64 MiB"
            return "ok", answer.content
        text = answer.text
        for header in request.headers:
            text = text.replace(header.value, "***")  # a refusal may repeat the key
        said = f"HTTP {answer.status_code}: {text[:200]}".encode()
        if answer.status_code in _BANNED:
            self._paused_until = monotonic_s() + _retry_after_s(answer)
            return "limited", said
        if ban_s := self._bans.get(answer.status_code):
            log.error("banned", extra={"venue": self._venue, "status": answer.status_code, "wait_s": ban_s})
            self._paused_until = monotonic_s() + ban_s
        return ("failed" if answer.is_server_error else "refused"), said

    def _hear(self, answer: httpx.Response) -> None:
        """Take what the venue counts itself; say when others spend so much of its limit that we slow down."""
        said = said_by(answer.headers)
        if said is None:
            return
        metrics.REST_VENUE_WEIGHT.labels(self._venue).set(said.weight)
        if not said.of_minute:
            return
        self._budget.hear(said.weight)
        pace = self._budget.pace
        if (pace < 1) is not self._slowed:
            self._slowed = pace < 1
            extra = {"venue": self._venue, "venue_counts": said.weight, "our_share": round(self._budget.used, 3)}
            if self._slowed:
                log.warning(
                    "others spend the venue's REST limit from this address: our calls slow down until they stop",
                    extra={**extra, "pace": round(pace, 3)},
                )
            else:
                log.info("the venue's REST limit is ours again: calls go at full pace", extra=extra)


def _retry_after_s(answer: httpx.Response) -> float:
    try:
        asked = float(answer.headers.get("Retry-After", _DEFAULT_PAUSE_S))
    except ValueError:  # the header's other form is a date; nobody of our venues sends it
        asked = _DEFAULT_PAUSE_S
    return min(max(asked, 0.0), _LONGEST_PAUSE_S)
