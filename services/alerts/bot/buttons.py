"""A pressed button in; what it does, and what its presser reads at once, out. Within the update's transaction.

What acts is remembered by its nonce and user: pressed again, however often a press is replayed, it does nothing.
"""

from typing import Any, Final

from msgspec import Struct

from libs.common.events import HOUR_NS, Verdict
from services.alerts.bot import people
from services.alerts.bot.answering import entries, once_a_minute
from services.alerts.bot.command import CHANNEL, Call, Desk, Reply, Wrong
from services.alerts.bot.commands.control import stop_all
from services.alerts.bot.commands.evidence import verdict_of
from services.alerts.bot.reading import Pressed
from services.alerts.policy import callbacks, evidence
from services.alerts.policy.access import Role
from services.alerts.policy.callbacks import Action, Press, Refused
from services.alerts.store.rows import Entry

MUTED_NS: Final = 4 * HOUR_NS
_ACTING: Final = frozenset({Action.MUTE, Action.USEFUL, Action.USELESS, Action.PANIC})
_ONCE: Final = "INSERT INTO alerts.pressed (nonce, at_ns) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING at_ns"
_ALERT: Final = "SELECT signal_id, symbol FROM alerts.outbox WHERE alert_id = $1 AND channel = $2"
_VOTE: Final = """
INSERT INTO alerts.votes (signal_id, user_id, useful, at_ns) VALUES ($1, $2, $3, $4)
ON CONFLICT (signal_id, user_id) DO UPDATE SET useful = excluded.useful, at_ns = excluded.at_ns
"""


class Order(Struct, frozen=True, kw_only=True):
    """A chart that somebody asked for."""

    verdict: Verdict
    recipient: str
    name: str
    """The same for one wish: a second within the minute is drawn, and sent once."""


class Outcome(Struct, frozen=True, kw_only=True):
    """What a press led to."""

    result: str
    """For counting: `done`, `repeated`, `refused`, `denied`, `gone`."""
    told: str
    """What the presser reads, at most 200 characters."""
    alert: bool = False
    """They must read it."""
    answers: tuple[Entry, ...] = ()
    chart: Order | None = None


async def press(desk: Desk, pressed: Pressed, update_id: int, now_ns: int) -> Outcome:
    """Obey a button, once, where its presser may press it."""
    if pressed.chat_id is None:
        return Outcome(result="gone", told="This message is too old", alert=True)
    try:
        said = callbacks.unpack(
            pressed.data, desk.keys, chat_id=pressed.chat_id, user_id=pressed.user_id, now_ns=now_ns
        )
    except Refused as e:
        return Outcome(result="refused", told=str(e), alert=True)
    role = desk.lists.role(pressed.user_id, await people.invited(desk.connection, pressed.user_id))
    if role < _needed(said.action, private=pressed.private):
        return Outcome(result="denied", told="You may not do this here", alert=True)
    if said.action in _ACTING and not await _first(desk.connection, said, pressed.user_id, now_ns):
        return Outcome(result="repeated", told="Already done")
    call = Call(
        update_id=update_id,
        user_id=pressed.user_id,
        chat_id=pressed.chat_id,
        recipient=await people.home(desk.connection, str(pressed.chat_id)),
        private=pressed.private,
        role=role,
        args="",
        at_ns=now_ns,
    )
    if said.action is Action.PANIC:
        reply = await stop_all(call, desk)
        answers = tuple(entries(reply, call.recipient, f"{update_id}", now_ns))
        return Outcome(result="done", told="All alerts are stopped", answers=answers)
    return await _about_alert(call, desk, said)


async def _about_alert(call: Call, desk: Desk, said: Press) -> Outcome:
    row = await desk.connection.fetchrow(_ALERT, said.subject.hex(), CHANNEL)
    if row is None:
        return Outcome(result="gone", told="This alert is not kept any more", alert=True)
    match said.action:
        case Action.MUTE:
            await people.meet(desk.connection, call.recipient, desk.zone)
            subject = f"symbol:{row['symbol']}"
            await people.mute(desk.connection, call.recipient, subject, call.at_ns + MUTED_NS)
            return Outcome(result="done", told=f"{row['symbol'][:60]} is muted here for 4 h. Undo: /mutes, /mute")
        case Action.USEFUL | Action.USELESS:
            useful = said.action is Action.USEFUL
            await desk.connection.execute(_VOTE, row["signal_id"], call.user_id, useful, call.at_ns)
            return Outcome(result="done", told="Thank you")
    try:
        verdict = await verdict_of(desk.connection, row["signal_id"])
    except Wrong:
        return Outcome(result="gone", told="This signal is not kept any more", alert=True)
    name = once_a_minute(f"{said.action.name} {said.subject.hex()}", call.recipient, call.at_ns)
    if said.action is Action.CHART:
        order = Order(verdict=verdict, recipient=call.recipient, name=name)
        return Outcome(result="done", told="The chart comes as a message", chart=order)
    answers = entries(Reply(words=evidence.explain(verdict)), call.recipient, name, call.at_ns)
    return Outcome(result="done", told="The evidence comes as a message", answers=tuple(answers))


def _needed(action: Action, *, private: bool) -> Role:
    """Return the role it takes: in a group one reader must not silence what all hear."""
    if action is Action.PANIC or (action is Action.MUTE and not private):
        return Role.OWNER
    return Role.READER


async def _first(connection: Any, said: Press, user_id: int, now_ns: int) -> bool:
    return await connection.fetchval(_ONCE, said.nonce + user_id.to_bytes(8, "big"), now_ns) is not None
