"""REST requests in, bodies out: at most two at once, within the venue's weight, the urgent first, equal wishes once."""

import asyncio
import logging
from asyncio import Future
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Final

import httpx
from msgspec import Struct

from libs.common.runtime.backoff import Backoff
from libs.common.runtime.clock import monotonic_ns, monotonic_s, now_ns
from services.ingest import metrics
from services.ingest.calls.budget import BURST_S, Budget
from services.ingest.calls.usage import Usage, said_by
from services.ingest.calls.waiting import LAST_RANK, Urgency, Waiting, Wish
from services.ingest.venues.terms import Request

log = logging.getLogger(__name__)

IN_FLIGHT: Final = 2
TRIES: Final = 5
_TIMEOUT: Final = httpx.Timeout(10.0)
_BANNED: Final = frozenset({418, 429})
_DEFAULT_PAUSE_S: Final = 5.0
_LONGEST_PAUSE_S: Final = 300.0
_BODY_BYTES: Final = 64 * 2**20
_ENVELOPE_BYTES: Final = 200  # what says whether it is an error; behind that is data


class RestError(Exception):
    """A call was refused, not answered in all tries, or gave its place to a more urgent one."""


class Timed(Struct, frozen=True):
    """An answer and when it went and came."""

    body: bytes
    sent_ns: int
    """Wall clock."""
    took_ns: int
    """From the request to the whole answer; no step of the wall clock changes it."""


class Rest:
    """One venue's REST side; shared by all who recover."""

    def __init__(
        self,
        venue: str,
        client: httpx.AsyncClient,
        *,
        weight_per_minute: float = 1200,
        burst_s: float = BURST_S,
        backoff: Backoff | None = None,
        bans: Mapping[int, float] | None = None,
        overdone: Sequence[bytes] = (),
        clock: Callable[[], float] = monotonic_s,
    ) -> None:
        """`bans` and `overdone`: how the venue says that there were too many calls; see `Venue`."""
        self._bans = bans or {}
        self._overdone = tuple(overdone)
        self._venue = venue
        self._client = client
        self._clock = clock
        self._budget = Budget(weight_per_minute, clock, burst_s=burst_s)
        self._backoff = backoff or Backoff(initial_s=0.25, cap_s=8)
        self._wishes: dict[Hashable, Wish[Future[Timed]]] = {}
        self._waiting: Waiting[Future[Timed]] = Waiting()
        self._news = asyncio.Event()
        self._door = asyncio.Lock()
        self._workers: set[asyncio.Task[None]] = set()
        self._paused_until = 0.0
        self._in_flight, self._slowed = 0, False

    @property
    def usage(self) -> Usage:
        """How much of the venue's limit is used now, by whom, and what waits."""
        return Usage(
            budget_used=self._budget.used,
            pace=self._budget.pace,
            venue_weight=self._budget.venue_weight,
            paused_s=max(self._paused_until - self._clock(), 0.0),
            in_flight=self._in_flight,
            waiting=len(self._waiting),
        )

    async def fetch(self, request: Request, urgency: Urgency = Urgency.HISTORY, rank: int = LAST_RANK) -> bytes:
        """Return the body of the answer; of calls that wait, the more urgent goes first, then the smaller `rank`.

        Raises:
            RestError: the venue refused, did not answer in all tries, or too many more urgent calls wait.
        """
        key = (request.url, request.body)
        wish = self._wishes.get(key)
        if wish is None:
            wish = self._wish(key, request, urgency, rank, TRIES)
        else:
            wish.urgency, wish.rank = min((wish.urgency, wish.rank), (urgency, rank))
            metrics.REST_SHARED.labels(self._venue).inc()
        answer = await asyncio.shield(wish.answer)  # one who asked may go, the others still want the answer
        return answer.body

    async def timed(self, request: Request, urgency: Urgency = Urgency.CANDLES) -> Timed:
        """Return the answer to one try, with its times: a round trip that nobody shares and nothing repeats.

        Raises:
            RestError: the venue refused, did not answer, or too many more urgent calls wait.
        """
        return await self._wish(object(), request, urgency, LAST_RANK, 1).answer

    async def stop(self) -> None:
        """Cancel what is under way."""
        workers = list(self._workers)
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        for wish in list(self._wishes.values()):
            wish.answer.cancel()

    def _wish(self, key: Hashable, request: Request, urgency: Urgency, rank: int, tries: int) -> Wish[Future[Timed]]:
        answer: Future[Timed] = asyncio.get_running_loop().create_future()
        wish = Wish(request=request, answer=answer, urgency=urgency, rank=rank, since_s=self._clock(), tries=tries)
        self._wishes[key] = wish
        answer.add_done_callback(lambda done: self._done(key, done))
        self._queue(wish)
        return wish

    def _done(self, key: Hashable, answer: Future[Timed]) -> None:
        self._wishes.pop(key, None)
        if not answer.cancelled():
            answer.exception()  # nobody may be left to hear it

    def _queue(self, wish: Wish[Future[Timed]]) -> None:
        displaced = self._waiting.add(wish)
        if displaced is not None and not displaced.answer.done():
            metrics.REST_CALLS.labels(self._venue, "displaced").inc()
            displaced.answer.set_exception(RestError(f"{displaced.request.url}: more urgent calls wait"))
        metrics.REST_WAITING.labels(self._venue).set(len(self._waiting))
        self._news.set()
        if len(self._workers) < IN_FLIGHT:
            self._workers.add(asyncio.create_task(self._work(), name=f"rest {self._venue}"))

    async def _work(self) -> None:
        """Call for one wish after the other until none waits."""
        try:
            while (wish := await self._admitted()) is not None:
                try:
                    await self._call(wish)
                except Exception as e:  # noqa: BLE001  (who asked hears of it; the other wishes go on)
                    _answer(wish, e)
        finally:
            self._workers -= {asyncio.current_task()}  # not in a callback: a wish of this very moment needs a worker

    async def _admitted(self) -> Wish[Future[Timed]] | None:
        """Return the wish whose turn it is once a call may go out; None when none waits."""
        async with self._door:
            while (pause_s := self._waiting.wait_s(self._clock())) is not None:
                now = self._clock()
                pause_s = max(pause_s, self._paused_until - now)
                wish = self._waiting.next(now)
                if wish is not None and pause_s <= 0:
                    pause_s = self._budget.spend(wish.request.weight)
                    if not pause_s:
                        self._waiting.take(wish)
                        metrics.REST_WAITING.labels(self._venue).set(len(self._waiting))
                        return wish
                await self._rest(pause_s)
        return None

    async def _rest(self, seconds: float) -> None:
        """Wait, but no longer than until another wish comes: it may be more urgent."""
        self._news.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return

    async def _call(self, wish: Wish[Future[Timed]]) -> None:
        """Call once; the answer goes to who asked, a failure waits for its next try."""
        sent_ns, began_ns = now_ns(), monotonic_ns()
        outcome, body = await self._send(wish.request)
        took_ns = monotonic_ns() - began_ns
        metrics.REST_CALLS.labels(self._venue, outcome).inc()
        url = wish.request.url
        if outcome == "ok":
            _answer(wish, Timed(body, sent_ns, took_ns))
            return
        reason = body.decode("utf-8", "backslashreplace")
        wish.tried += 1
        if outcome == "refused" or wish.tried >= wish.tries:
            _answer(wish, RestError(f"{url}: {reason}"))
            return
        self._backoff.attempts = wish.tried - 1
        wait_s = self._backoff.next_s()
        wish.ready_s = self._clock() + wait_s
        log.warning(
            "a REST call failed: it is tried again",
            extra={
                "venue": self._venue,
                "url": url,
                "reason": reason,
                "tries_left": wish.tries - wish.tried,
                "wait_s": round(wait_s, 3),
            },
        )
        self._queue(wish)

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
        return self._taken(answer) if answer.status_code == httpx.codes.OK else self._refused(request, answer)

    def _taken(self, answer: httpx.Response) -> tuple[str, bytes]:
        if len(answer.content) > _BODY_BYTES:
            return "refused", b"the answer is larger than 64 MiB"
        beginning = answer.content[:_ENVELOPE_BYTES]
        if any(word in beginning for word in self._overdone):
            return self._limited(answer, beginning)
        return "ok", answer.content

    def _refused(self, request: Request, answer: httpx.Response) -> tuple[str, bytes]:
        text = answer.text
        for header in request.headers:
            text = text.replace(header.value, "***")  # a refusal may repeat the key
        said = f"HTTP {answer.status_code}: {text[:200]}".encode()
        if answer.status_code in _BANNED:
            return self._limited(answer, said)
        if ban_s := self._bans.get(answer.status_code):
            log.error(
                "the venue bans this address: no REST call is made until then, holes stay open",
                extra={"venue": self._venue, "status": answer.status_code, "wait_s": ban_s},
            )
            self._paused_until = self._clock() + ban_s
        return ("failed" if answer.is_server_error else "refused"), said

    def _limited(self, answer: httpx.Response, said: bytes) -> tuple[str, bytes]:
        wait_s = _retry_after_s(answer)
        self._paused_until = self._clock() + wait_s
        extra = {"venue": self._venue, "status": answer.status_code, "wait_s": wait_s}
        log.warning("the venue limits our calls: no REST call is made until then", extra=extra)
        return "limited", said

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


def _answer(wish: Wish[Future[Timed]], answer: Timed | Exception) -> None:
    if wish.answer.done():  # who asked for a call of its own is gone
        return
    if isinstance(answer, Timed):
        wish.answer.set_result(answer)
    else:
        wish.answer.set_exception(answer)


def _retry_after_s(answer: httpx.Response) -> float:
    try:
        asked = float(answer.headers.get("Retry-After", _DEFAULT_PAUSE_S))
    except ValueError:  # the header's other form is a date; nobody of our venues sends it
        asked = _DEFAULT_PAUSE_S
    return min(max(asked, 0.0), _LONGEST_PAUSE_S)
