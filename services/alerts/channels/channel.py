"""What a channel is: one alert in; what became of the attempt, in one of five words, out."""

from abc import ABC, abstractmethod
from typing import TypeAlias

from msgspec import Struct


class Message(Struct, frozen=True, kw_only=True):
    """What is to be sent now, to whom."""

    recipient: str
    html: str
    """Telegram HTML, at most 4,096 UTF-16 units."""
    text: str
    """The same in plain words."""
    silent: bool = False
    """Arrives without a sound."""


class Sent(Struct, frozen=True):
    """It arrived; the channel's id of it."""

    message_id: str


class Ambiguous(Struct, frozen=True):
    """It left, and no answer tells whether it arrived."""

    reason: str


class RetryAfter(Struct, frozen=True):
    """It did not arrive, and nothing may be sent to this recipient before `seconds` have passed."""

    seconds: float | None
    """None: the channel is overrun and did not say for how long."""


class Refused(Struct, frozen=True):
    """It did not arrive."""

    reason: str
    permanent: bool
    """Never will; else another attempt may."""


class Moved(Struct, frozen=True):
    """It did not arrive: the recipient has another address now."""

    recipient: str


Outcome: TypeAlias = Sent | Ambiguous | RetryAfter | Refused | Moved


class Channel(ABC):
    """A way to reach people. One instance a process, shared by all sends."""

    @abstractmethod
    async def start(self) -> None:
        """Open what sending needs."""

    @abstractmethod
    async def stop(self) -> None:
        """Close it."""

    @abstractmethod
    async def send(self, message: Message) -> Outcome:
        """Make ONE attempt; never raises for what the other side does, never retries what may have arrived."""

    @abstractmethod
    async def fault(self) -> str | None:
        """Return what keeps the channel from working at all, or None."""
