"""REST requests in, bodies out: at most two at once, within the venue's weight, one call for equal wishes."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final

import httpx

from libs.common.runtime.backoff import Backoff
from libs.common.runtime.clock import monotonic_s
from services.ingest import metrics
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


class Budget:
    """A venue's weight a minute, spent evenly: two seconds' worth at once, one heavier call may run into debt."""

    def __init__(self, weight_per_minute: float, clock: Callable[[], float] = monotonic_s) -> None:
        self._rate = weight_per_minute / 60
        self._most = 2 * self._rate
        self._left = self._most
        self._at = clock()
        self._clock = clock

    def spend(self, weight: float) -> float:
        """Take `weight` and return 0, or return the seconds to wait before asking again."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < min(weight, self._most):
            return (min(weight, self._most) - self._left) / self._rate
        self._left -= weight
        return 0.0


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


def _retry_after_s(answer: httpx.Response) -> float:
    try:
        asked = float(answer.headers.get("Retry-After", _DEFAULT_PAUSE_S))
    except ValueError:  # the header's other form is a date; nobody of our venues sends it
        asked = _DEFAULT_PAUSE_S
    return min(max(asked, 0.0), _LONGEST_PAUSE_S)
