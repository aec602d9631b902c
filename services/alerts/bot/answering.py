"""What the bot says back in; entries of the outbox, in parts where it is long, out."""

import hashlib
from typing import Final

from libs.common.events import MINUTE_NS, SECOND_NS, Alert, Severity
from services.alerts.bot.command import CHANNEL, Reply
from services.alerts.policy.markup import MESSAGE_UNITS, Piece
from services.alerts.policy.split import split
from services.alerts.policy.wording import REPEAT_MARK
from services.alerts.store.rows import ANSWER, Entry

VALID_NS: Final = 60 * SECOND_NS
"""An answer that comes later answers nothing."""
RULE_ID: Final = "bot"
_ROOM: Final = len(REPEAT_MARK) + 1
_CAPTION_UNITS: Final = 1024


def once_a_minute(what: str, chat: str, now_ns: int) -> str:
    """Return a name under which `what` is said to a chat at most once a minute of the clock."""
    return f"{what} {chat} {now_ns // MINUTE_NS}"


def entries(reply: Reply, recipient: str, name: str, now_ns: int, *, picture: bytes | None = None) -> list[Entry]:
    """Return the messages of an answer, in order; the same `name` twice is one answer.

    A file or a picture leads, with as much of the words below it as a caption takes.
    """
    blob = reply.document if picture is None else picture
    if blob is None:
        parts = split(reply.words, MESSAGE_UNITS - _ROOM)
    else:
        parts = split(reply.words, _CAPTION_UNITS - _ROOM)[:1]
    last = len(parts) - 1
    return [
        Entry(
            alert=_alert(part, recipient, f"{name} {number}", now_ns + number, reply.signal_id),
            venue="",
            symbol="",
            timeframe="",
            kind=ANSWER,
            action="send" if blob is None else "document" if picture is None else "photo",
            blob=blob,
            keyboard=reply.keyboard if number == last else (),
        )
        for number, part in enumerate(parts)
    ]


def _alert(words: Piece, recipient: str, name: str, created_ns: int, signal_id: str) -> Alert:
    """Return one message; its place in the order is the time at which it was made."""
    return Alert(
        alert_id=hashlib.sha256(f"answer {name}".encode("utf-8", "surrogatepass")).hexdigest()[:32],
        rule_id=RULE_ID,
        signal_id=signal_id,
        channel=CHANNEL,
        recipient=recipient,
        severity=Severity.INFO,
        html=words.html,
        text=words.text,
        created_ns=created_ns,
        valid_until_ns=created_ns + VALID_NS,
    )
