"""/why and /raw: what a signal rests on, in plain words or as it is."""

from typing import Any, Final

import msgspec

from libs.common.bus.codec import decode
from libs.common.events import Verdict
from services.alerts.bot import words
from services.alerts.bot.command import Call, Command, Desk, Reply, Wrong
from services.alerts.policy import evidence, numbers
from services.alerts.policy.markup import join, lines
from services.alerts.policy.wording import banner, headline

_KNOWN: Final = "SELECT event FROM alerts.signals WHERE signal_id = $1"
_ID_LENGTH: Final = 512


async def verdict_of(connection: Any, signal_id: str) -> Verdict:
    """Return a judged signal that somebody was told of.

    Raises:
        Wrong: it is not kept.
    """
    event = await connection.fetchval(_KNOWN, signal_id) if len(signal_id) <= _ID_LENGTH else None
    verdict = None if event is None else decode(event)
    if not isinstance(verdict, Verdict):
        raise Wrong(
            join(
                "Signal ",
                words.key(signal_id[:80]),
                " is not known: only what somebody was told of is kept, for some weeks. Its id stands below its alert",
            )
        )
    return verdict


async def why(call: Call, desk: Desk) -> Reply:
    """Explain a signal layer by layer."""
    return Reply(words=evidence.explain(await verdict_of(desk.connection, _one(call, "/why"))))


async def raw(call: Call, desk: Desk) -> Reply:
    """Hand out a signal as it was published."""
    verdict = await verdict_of(desk.connection, _one(call, "/raw"))
    caption = lines(
        [
            *banner(verdict.origin),
            headline(verdict.signal),
            join(f"as of {numbers.utc(verdict.signal.as_of_ns)}, signal ", words.key(verdict.signal.signal_id[:96])),
        ]
    )
    document = msgspec.json.format(msgspec.json.encode(verdict), indent=2)
    return Reply(words=caption, document=document, signal_id=verdict.signal.signal_id)


def _one(call: Call, name: str) -> str:
    given = call.only(1, f"{name} ID")
    if not given:
        raise Wrong(f"Which signal? Its id stands below its alert: {name} ID")
    return given[0]


COMMANDS: Final = (
    Command(name="why", usage="ID", meaning="what speaks for and against a signal", run=why),
    Command(name="raw", usage="ID", meaning="a signal as it was published, as a file", run=raw),
)
