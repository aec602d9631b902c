"""/panic and /invite: what only owners may, written down."""

import secrets
from typing import Final

from libs.common.events import DAY_NS, SECOND_NS
from services.alerts.bot import people, words
from services.alerts.bot.command import Call, Command, Desk, Reply, Wrong
from services.alerts.channels.channel import Button
from services.alerts.policy import callbacks
from services.alerts.policy.access import Role
from services.alerts.policy.callbacks import Action, Press
from services.alerts.policy.markup import bold, join, lines
from services.alerts.store import control

CONFIRM_S: Final = 60
_INVITE_NS: Final = DAY_NS
_CODE_BYTES: Final = 12
_ROLES: Final = {"reader": Role.READER, "owner": Role.OWNER}


async def panic(call: Call, desk: Desk) -> Reply:
    """Ask once more; or release the switch."""
    given = [one.lower() for one in call.only(1, "/panic, or /panic off")]
    if given == ["off"]:
        await control.release(desk.connection, call.user_id, call.at_ns)
        await people.audit(desk.connection, call.at_ns, call.user_id, str(call.chat_id), "panic off", "")
        return Reply(words=bold(join("Alerts are told again, from now on. What was ended stays ended")))
    if given:
        raise Wrong("Write /panic, or /panic off")
    key = desk.keys[0]
    data = callbacks.pack(
        Press(
            action=Action.PANIC,
            expires_s=call.at_ns // SECOND_NS + CONFIRM_S,
            nonce=callbacks.nonce_of(key, f"panic {call.update_id}"),
        ),
        key,
        chat_id=call.chat_id,
        user_id=call.user_id,
    )
    return Reply(
        words=lines(
            [
                bold(join("Stop all alerts, to everybody?")),
                join("What waits is ended and will not come later. Data, signals and records go on"),
                join(f"The button counts for {CONFIRM_S} s and for you alone"),
            ]
        ),
        keyboard=((Button("Yes, stop all", data),),),
    )


async def stop_all(call: Call, desk: Desk) -> Reply:
    """Throw the switch: the button was pressed."""
    ended = await control.panic(desk.connection, call.user_id, call.at_ns)
    await people.audit(desk.connection, call.at_ns, call.user_id, str(call.chat_id), "panic", f"{ended} ended")
    return Reply(
        words=lines([bold(join("All alerts are stopped")), join(f"Ended: {ended} that waited. Go on: /panic off")])
    )


async def invite(call: Call, desk: Desk) -> Reply:
    """Make a code that lets one user in; or put an invited one out."""
    given = [one.lower() for one in call.only(2, "/invite, /invite owner, or /invite off NUMBER")]
    if given[:1] == ["off"]:
        return await _expel(call, desk, given[1:])
    if len(given) > 1 or (given and given[0] not in _ROLES):
        raise Wrong("Write /invite, /invite owner, or /invite off NUMBER")
    if not call.private:
        raise Wrong("Ask me in private: in a group everybody would see the code")
    role = _ROLES[given[0] if given else "reader"]
    code = secrets.token_urlsafe(_CODE_BYTES)
    await people.invite(desk.connection, code, role, call.user_id, call.at_ns + _INVITE_NS)
    await people.audit(desk.connection, call.at_ns, call.user_id, str(call.chat_id), "invite", role.name.lower())
    return Reply(
        words=lines(
            [
                bold(join(f"An invite for one {role.name.lower()}, good for a day")),
                join("They write to this bot: ", words.key(f"/start {code}")),
            ]
        )
    )


async def _expel(call: Call, desk: Desk, given: list[str]) -> Reply:
    if len(given) != 1 or not given[0].isdecimal() or len(given[0]) > 18:
        raise Wrong("Whom? Their Telegram number: /invite off 123456789")
    there = await people.expel(desk.connection, int(given[0]))
    await people.audit(desk.connection, call.at_ns, call.user_id, str(call.chat_id), "expel", given[0])
    said = "They are no member any more" if there else "Nobody with this number came by an invite"
    return Reply(words=lines([bold(join(said)), join("Who is named in the settings stays: change them there")]))


COMMANDS: Final = (
    Command(name="panic", usage="[off]", meaning="stop all alerts to everybody", role=Role.OWNER, run=panic),
    Command(
        name="invite",
        usage="[owner | off NUMBER]",
        meaning="let somebody in by a code, or put them out",
        role=Role.OWNER,
        run=invite,
    ),
)
