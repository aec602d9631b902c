"""What a channel is: one alert in; what became of the attempt, in one of six words, out."""

from abc import ABC, abstractmethod
from typing import ClassVar, Final, Literal, TypeAlias

from msgspec import Struct

_DATA_BYTES: Final = 64


class Button(Struct, frozen=True):
    """One button below a message.

    Raises:
        ValueError: no words on it, or data that no channel would carry.
    """

    text: str
    data: str
    """Comes back when it is pressed: 1 to 64 bytes of UTF-8."""

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise ValueError("a button needs words")
        if not 1 <= (size := len(self.data.encode())) <= _DATA_BYTES:
            raise ValueError(f"a button carries 1 to {_DATA_BYTES} bytes of data, not {size}")


class Message(Struct, frozen=True, kw_only=True):
    """What is to be sent now, to whom.

    Raises:
        ValueError: an edit of nothing, a photo without a picture, or a document without a file.
    """

    recipient: str
    html: str
    """Telegram HTML, at most 4,096 UTF-16 units after parsing; of a photo or a document, its caption, at most 1,024."""
    text: str
    """The same in plain words."""
    silent: bool = False
    """Arrives without a sound."""
    alert_id: str = ""
    """The same for every attempt at one alert, and for no other."""
    kind: str = "signal"
    """What the alert is about: a kind of subject, `answer` or `digest`."""
    action: Literal["send", "edit", "photo", "document"] = "send"
    message_id: str | None = None
    """What an edit changes: the id that `Sent` named."""
    keyboard: tuple[tuple[Button, ...], ...] = ()
    """Rows of buttons; an edit without any takes those of before away."""
    picture: bytes | None = None
    """Of a photo: a PNG, at most 10 MB."""
    document: bytes | None = None
    filename: str = ""
    """Of a document."""

    def __post_init__(self) -> None:
        if (self.action == "edit") != (self.message_id is not None):
            raise ValueError("an edit, and nothing else, names the message it changes")
        if (self.action == "photo") != (self.picture is not None):
            raise ValueError("a photo, and nothing else, has a picture")
        if (self.action == "document") != (self.document is not None and bool(self.filename)):
            raise ValueError("a document, and nothing else, has a file and its name")


class Sent(Struct, frozen=True):
    """It arrived; the channel's id of it. An edit that had nothing left to change arrived as well."""

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


class Gone(Struct, frozen=True):
    """It did not arrive, and nothing will until the recipient asks again: they blocked or left us, or are no more."""

    reason: str


Outcome: TypeAlias = Sent | Ambiguous | RetryAfter | Refused | Moved | Gone


class Channel(ABC):
    """A way to reach people. One instance a process, shared by all sends."""

    one_limit: ClassVar[bool] = True
    """All recipients are behind one limit: several told to wait at once mean that the whole is too fast."""

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
