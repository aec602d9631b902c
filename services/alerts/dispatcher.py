"""Claims in, messages to people out; each result is recorded before the next alert of that recipient is claimed."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, TypeAlias

import msgspec

from libs.common.events import SECOND_NS, DeliveryState, Severity
from libs.common.runtime import clock
from libs.common.runtime.backoff import Backoff
from services.alerts import metrics
from services.alerts.channels.channel import (
    Ambiguous,
    Button,
    Channel,
    Gone,
    Message,
    Moved,
    Outcome,
    Refused,
    RetryAfter,
    Sent,
)
from services.alerts.policy.cooldown import cooling
from services.alerts.policy.markup import Piece
from services.alerts.policy.pace import Floods
from services.alerts.policy.wording import delayed, mark_repeat
from services.alerts.store.outbox import STORE_ERRORS, Outbox
from services.alerts.store.rows import ANSWER, DIGEST, Claim

log = logging.getLogger(__name__)

_POLL_S: Final = 0.5
_SOONEST_S: Final = 0.005
_SWEEP_EVERY_S: Final = 0.25
_STOP_WITHIN_S: Final = 8.0
_WAIT_MARGIN_S: Final = 1.0
"""Added to every wait that was asked for: clocks differ, and an early repeat lengthens the ban."""
_LONGEST_GUESS_S: Final = 300.0


Keyboard: TypeAlias = tuple[tuple[Button, ...], ...]
Keyboards: TypeAlias = Callable[[Claim], Keyboard]
"""The buttons below an alert, made when it is sent: they expire."""


def _bare(_claim: Claim) -> Keyboard:
    return ()


class Dispatcher:
    """One sender. Several may share an outbox, and with it the pace."""

    def __init__(
        self,
        outbox: Outbox,
        channels: Mapping[str, Channel],
        *,
        lease_s: float,
        senders: int,
        keyboards: Keyboards = _bare,
        now_ns: Callable[[], int] = clock.now_ns,
        monotonic_s: Callable[[], float] = clock.monotonic_s,
    ) -> None:
        """`keyboards` gives the buttons of alerts that bring none along; the clocks are the machine's, but in tests."""
        self._outbox = outbox
        self._channels = channels
        self._keyboards = keyboards
        self._now_ns = now_ns
        self._monotonic_s = monotonic_s
        self._floods: dict[str, Floods] = {}
        self._busy: Counter[str] = Counter()
        self.rounds = 0
        """How often the outbox has answered: a sender that moves counts on."""
        self._lease_s = lease_s
        self._senders = senders
        self._sends: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()
        self._stopping = False
        self._swept_s = -_SWEEP_EVERY_S

    def nudge(self) -> None:
        """Look at the outbox now: something new is in it."""
        self._news.set()

    async def run(self) -> None:
        """Send until `stop`; outlives every outage of the store."""
        backoff = Backoff(0.2, 5.0)
        while not self._stopping:
            self._news.clear()
            try:
                pause_s = await self.round()
                backoff.reset()
            except STORE_ERRORS as e:
                metrics.STORE_FAULTS.labels("claim").inc()
                log.warning("the outbox does not answer: %s", e)
                pause_s = backoff.next_s()
            try:
                async with asyncio.timeout(pause_s):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def stop(self) -> None:
        """Claim nothing more and await the sends under way; what is not answered in time will count as ambiguous."""
        self._stopping = True
        self._news.set()
        if self._sends:
            await asyncio.wait(self._sends, timeout=_STOP_WITHIN_S)
        for task in list(self._sends):
            task.cancel()
        await asyncio.gather(*self._sends, return_exceptions=True)

    async def idle(self) -> None:
        """Wait until no send is under way."""
        while self._sends:
            await asyncio.wait(self._sends)

    async def round(self) -> float:
        """Claim and start what may be sent now; return how long until there may be more to do."""
        if self._monotonic_s() - self._swept_s >= _SWEEP_EVERY_S:
            await self._outbox.sweep(self._now_ns(), self._channels.keys())
            self._swept_s = self._monotonic_s()
        pauses_s = [await self._claim(channel) for channel in self._channels]
        self.rounds += 1
        return min([_POLL_S, *pauses_s])

    async def _claim(self, channel: str) -> float:
        """Start what may be sent through `channel` now; return how long until there may be more."""
        limit = self._senders - self._busy[channel]  # of its own: receivers that hang hold up no other channel
        if limit <= 0 or self._stopping:
            return _POLL_S
        claims = await self._outbox.claim(channel, self._now_ns(), lease_ns=self._lease_ns, limit=limit)
        for claim in claims:
            task = asyncio.create_task(self._send(claim), name=f"send {claim.alert_id}")
            self._sends.add(task)
            self._busy[channel] += 1
            task.add_done_callback(partial(self._sent, channel))
        if len(claims) == limit:
            return _POLL_S  # each that ends looks again
        next_ns = await self._outbox.next_ns(channel, self._now_ns())
        return _POLL_S if next_ns is None else max(_SOONEST_S, (next_ns - self._now_ns()) / SECOND_NS)

    def _sent(self, channel: str, task: "asyncio.Task[None]") -> None:
        self._sends.discard(task)
        self._busy[channel] -= 1
        self._news.set()
        if not task.cancelled() and (error := task.exception()):
            log.error("a send broke; its lease will end", exc_info=error)

    async def _send(self, claim: Claim) -> None:
        if cooling(claim.last_delivered_ns, self._now_ns(), claim.cooldown_s):
            await self._write(
                claim, Refused(f"cooldown: another was delivered less than {claim.cooldown_s} s ago", True)
            )
            return
        if claim.edits is not None and claim.edits_message_id is None:
            await self._write(claim, Refused("the message to change is not known any more", permanent=True))
            return
        asked_s = self._monotonic_s()
        try:
            if not await self._outbox.begin(claim, self._now_ns(), lease_ns=self._lease_ns):
                return
        except STORE_ERRORS as e:
            metrics.STORE_FAULTS.labels("begin").inc()
            log.warning("the outbox does not answer: %s", e)
            return  # surely not sent: the lease's end makes it pending again
        began_s = self._monotonic_s()
        if began_s - asked_s > self._lease_s / 2:
            log.warning("stopped for too long to send", extra={"alert_id": claim.alert_id})
            metrics.FENCED.labels("send").inc()
            return  # frozen meanwhile: another may have it by the time our request would arrive
        try:
            async with asyncio.timeout(self._lease_s / 2):  # over before anyone may take us for dead
                outcome = await self._channels[claim.channel].send(_message(claim, self._keyboards, self._now_ns()))
        except TimeoutError:
            outcome = Ambiguous(f"no answer within {self._lease_s / 2:g} s")
        metrics.SEND_SECONDS.labels(claim.channel).observe(self._monotonic_s() - began_s)
        await self._write(claim, outcome)

    async def _write(self, claim: Claim, outcome: Outcome) -> None:
        """Record the outcome, through outages of the store, for as long as the lease holds."""
        deadline_s, backoff = self._monotonic_s() + self._lease_s / 2, Backoff(0.1, 2.0)
        while True:
            try:
                await self._record(claim, outcome)
            except STORE_ERRORS as e:
                metrics.STORE_FAULTS.labels("settle").inc()
                log.warning("the outcome of an alert is not recorded yet: %s", e, extra={"alert_id": claim.alert_id})
                if self._monotonic_s() > deadline_s:
                    return
                await asyncio.sleep(backoff.next_s())
            else:
                return

    async def _record(self, claim: Claim, outcome: Outcome) -> None:
        now = self._now_ns()
        match outcome:
            case Sent(message_id):
                if await self._outbox.settle(claim, DeliveryState.DELIVERED, now, message_id=message_id):
                    seconds = max(0, now - claim.created_ns) / SECOND_NS
                    metrics.DELIVERY_SECONDS.labels(claim.channel, claim.severity).observe(seconds)
                    log.info("delivered", extra={"alert_id": claim.alert_id, "message_id": message_id})
            case Ambiguous(reason) if claim.edits is not None:  # the same edit twice changes nothing
                await self._outbox.release(claim, now, next_attempt_ns=now + _later_ns(claim), reason=reason)
            case Ambiguous(reason):
                repeat_ns = None if claim.severity is Severity.INFO else now + _later_ns(claim)
                await self._outbox.settle(claim, DeliveryState.AMBIGUOUS, now, reason=reason, repeat_ns=repeat_ns)
                log.warning("ambiguous", extra={"alert_id": claim.alert_id, "reason": reason})
            case RetryAfter(seconds):
                await self._flooded(claim, seconds, now)
            case Gone(reason):
                await self._outbox.settle(claim, _end(claim, reason), now, reason=f"gone: {reason}", unreachable=True)
                log.warning("not delivered: gone", extra={"alert_id": claim.alert_id, "reason": reason})
            case Refused(reason, permanent=True):
                await self._outbox.settle(claim, _end(claim, reason), now, reason=reason)
                log.warning("not delivered", extra={"alert_id": claim.alert_id, "reason": reason})
            case Refused(reason):
                await self._outbox.release(claim, now, next_attempt_ns=now + _later_ns(claim), reason=reason)
            case Moved(address):
                await self._outbox.move(claim, address, now)
                log.info("a recipient moved", extra={"recipient": claim.recipient, "address": address})

    async def _flooded(self, claim: Claim, asked_s: float | None, now: int) -> None:
        metrics.FLOOD_WAITS.labels(claim.channel).inc()
        guess_s = min(_LONGEST_GUESS_S, 2.0 ** min(claim.attempts, 16))
        seconds = guess_s if asked_s is None else asked_s + _WAIT_MARGIN_S
        until_ns = now + int(seconds * SECOND_NS)
        await self._outbox.hold(claim, now, until_ns=until_ns, reason=f"flood control: wait {seconds:g} s")
        log.warning("flood control", extra={"alert_id": claim.alert_id, "wait_s": seconds})
        if not self._channels[claim.channel].one_limit:
            return
        floods = self._floods.setdefault(claim.channel, Floods())
        if (stop_ns := floods.add(claim.recipient, now, until_ns)) is not None:
            await self._outbox.stop_all(claim.channel, now, until_ns=stop_ns)
            log.warning("the channel as a whole is too fast", extra={"channel": claim.channel})

    @property
    def _lease_ns(self) -> int:
        return int(self._lease_s * SECOND_NS)


def _message(claim: Claim, keyboards: Keyboards, now_ns: int) -> Message:
    words = Piece(claim.html, claim.text)
    if claim.edits is None and claim.kind not in {ANSWER, DIGEST}:
        words = delayed(words, claim.created_ns, now_ns)
    if claim.repeated:
        words = mark_repeat(words)
    keyboard = keyboards(claim) if claim.keyboard is None else msgspec.json.decode(claim.keyboard, type=Keyboard)
    document = claim.action == "document"
    return Message(
        recipient=claim.address,
        html=words.html,
        text=words.text,
        alert_id=claim.alert_id,
        kind=claim.kind,
        silent=claim.silent,
        action=claim.action if claim.edits is None else "edit",
        message_id=claim.edits_message_id,
        keyboard=keyboard,
        picture=claim.blob if claim.action == "photo" else None,
        document=claim.blob if document else None,
        filename=f"{claim.signal_id or claim.alert_id}.json" if document else "",
    )


def _end(claim: Claim, reason: str) -> DeliveryState:
    if claim.repeated:
        return DeliveryState.AMBIGUOUS  # the repeat did not arrive; nobody knows of the first
    return DeliveryState.EXPIRED if reason.startswith("cooldown") else DeliveryState.FAILED


def _later_ns(claim: Claim) -> int:
    backoff = Backoff(0.5, 30.0)
    backoff.attempts = claim.attempts - 1
    return int(backoff.next_s() * SECOND_NS)
