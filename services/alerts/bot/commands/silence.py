"""/mute, /mutes, /quiet, /digest, /pause, /resume: less, later, or nothing for a while."""

import re
from typing import Any, Final

from libs.common.conditions.catalogue import METRICS
from services.alerts.bot import people, words
from services.alerts.bot.command import Call, Command, Desk, Reply, Wrong
from services.alerts.policy import arguments
from services.alerts.policy.access import Role
from services.alerts.policy.arguments import Mistake
from services.alerts.policy.markup import Piece, bold, join, lines

_LAYERS: Final = tuple(name.removeprefix("layer_") for name in METRICS if name.startswith("layer_"))
_PREFIXED: Final = re.compile(r"(rule|signal):\S{1,200}")
_RULE: Final = re.compile(r"[0-9a-f]{8}")
_OFF: Final = "off"
_ALL: Final = "all"


async def mute(call: Call, desk: Desk) -> Reply:
    """Hear nothing of one thing for a while."""
    given = call.words
    if len(given) != 2:
        raise Wrong(
            join(
                "What, and for how long? Write ",
                words.key("/mute BTC-USDT-PERP 4h"),
                ", a layer or a rule's id in place of the symbol, or ",
                words.key("/mute BTC-USDT-PERP off"),
            )
        )
    subject = _subject(call, given[0])
    if given[1].lower() == _OFF:
        there = await people.unmute(desk.connection, call.recipient, subject)
        return _said(f"{subject} is told again" if there else f"{subject} was not muted")
    until_ns = call.at_ns + arguments.duration_ns(given[1])
    await people.mute(desk.connection, call.recipient, subject, until_ns)
    return _said(f"{subject} is muted {words.until(until_ns, call.at_ns)}", "All that is muted: /mutes")


async def show_mutes(call: Call, desk: Desk) -> Reply:
    """List what this chat does not hear, and until when."""
    call.only(0, "/mutes")
    rows: list[Piece] = []
    known = await people.wishes(desk.connection, call.recipient)
    if known is not None and known["paused_until_ns"] > call.at_ns:
        rows.append(join(f"Everything is paused {words.until(known['paused_until_ns'], call.at_ns)}: /resume"))
    if known is not None:
        rows += wishes(known)
    rows += [
        join(words.key(row["subject"]), f" {words.until(row['until_ns'], call.at_ns)}")
        for row in await people.mutes(desk.connection, call.recipient, call.at_ns)
    ]
    return Reply(words=lines([bold(join("Muted here")), *(rows or [join("Nothing")])]))


def wishes(known: Any) -> list[Piece]:
    """Return quiet hours and digest of a chat's row in words."""
    rows = []
    if known["quiet_from"] is not None:
        hours = f"{arguments.clock_of(known['quiet_from'])} to {arguments.clock_of(known['quiet_to'])}"
        rows.append(join(f"Quiet from {hours} in {known['zone']}; critical alerts sound then too"))
    if known["digest_minute"] is not None:
        rows.append(join(f"The digest comes at {arguments.clock_of(known['digest_minute'])} in {known['zone']}"))
    return rows


async def quiet(call: Call, desk: Desk) -> Reply:
    """Set hours in which only what is critical sounds."""
    if not call.args:
        raise Wrong(join("When? Write ", words.key("/quiet 22:00-07:00 Asia/Jakarta"), " or ", words.key("/quiet off")))
    await people.meet(desk.connection, call.recipient, desk.zone)
    if call.args.lower() == _OFF:
        await people.keep_quiet(desk.connection, call.recipient, None)
        return _said("No quiet hours any more")
    hours = arguments.quiet_of(" ".join(call.words), await _zone(call, desk))
    await people.keep_quiet(desk.connection, call.recipient, hours)
    begin, end = arguments.clock_of(hours.from_minute), arguments.clock_of(hours.to_minute)
    return _said(
        f"Quiet from {begin} to {end} in {hours.zone}",
        "What comes then is told in one digest afterwards; critical alerts sound at once",
    )


async def digest(call: Call, desk: Desk) -> Reply:
    """Set when what was held back is told."""
    given = call.only(2, "/digest 08:00, or /digest 08:00 Asia/Jakarta")
    if not given:
        raise Wrong(join("When? Write ", words.key("/digest 08:00"), " or ", words.key("/digest off")))
    await people.meet(desk.connection, call.recipient, desk.zone)
    if given[0].lower() == _OFF:
        await people.digest_at(desk.connection, call.recipient, None)
        return _said("No hour of a digest any more: what is held back is told as soon as may be")
    minute = arguments.minute_of(given[0])
    zone = arguments.named_zone(given[1]) if len(given) == 2 else await _zone(call, desk)
    await people.digest_at(desk.connection, call.recipient, minute, zone)
    return _said(f"What is held back is told at {arguments.clock_of(minute)} in {zone}")


async def pause(call: Call, desk: Desk) -> Reply:
    """Stop alerts to this chat, of all or of a symbol; neither data nor records stop."""
    subject, until_ns = _paused(call)
    await people.meet(desk.connection, call.recipient, desk.zone)
    if subject is None:
        await people.pause(desk.connection, call.recipient, until_ns)
    else:
        await people.mute(desk.connection, call.recipient, subject, until_ns)
    what = "Alerts are" if subject is None else f"{subject} is"
    return _said(f"{what} paused here {words.until(until_ns, call.at_ns)}", "Go on: /resume")


async def resume(call: Call, desk: Desk) -> Reply:
    """Go on."""
    given = call.only(1, "/resume, or /resume BTC-USDT-PERP")
    await people.meet(desk.connection, call.recipient, desk.zone)
    await people.activate(desk.connection, call.recipient)
    if given and given[0].lower() != _ALL:
        subject = _subject(call, given[0])
        there = await people.unmute(desk.connection, call.recipient, subject)
        return _said(f"{subject} is told again" if there else f"{subject} was not paused")
    await people.pause(desk.connection, call.recipient, 0)
    return _said("Alerts come again", "Single things that are muted stay so: /mutes")


def _paused(call: Call) -> tuple[str | None, int]:
    """Return what is to be paused (None: all), and until when."""
    given = call.only(2, "/pause, /pause 30m, /pause BTC-USDT-PERP or /pause BTC-USDT-PERP 30m")
    subject, until_ns = None, people.FOREVER_NS
    for place, one in enumerate(given):
        if one.lower() == _ALL and place == 0:
            continue
        if one[:1].isdigit() and "-" not in one:
            until_ns = call.at_ns + arguments.duration_ns(one)
        elif place == 0:
            subject = _subject(call, one)
        else:
            raise Mistake(f"{arguments.quoted(one)} is no length of time: write 30m, 4h or 2d")
    return subject, until_ns


def _subject(call: Call, text: str) -> str:
    """Return what may be muted: a layer, a rule, a signal, or a symbol."""
    if text.lower() in _LAYERS:
        return f"layer:{text.lower()}"
    if _PREFIXED.fullmatch(text):
        kind, _, name = text.partition(":")
        return f"rule:{call.recipient}/{name}" if kind == "rule" and _RULE.fullmatch(name) else text
    if _RULE.fullmatch(text):
        return f"rule:{call.recipient}/{text}"
    try:
        return f"symbol:{arguments.symbol_of(text)}"
    except Mistake as e:
        raise Mistake(f"{e}; a layer is one of {', '.join(_LAYERS)}; a rule's id is in /rules") from e


async def _zone(call: Call, desk: Desk) -> str:
    known = await people.wishes(desk.connection, call.recipient)
    return desk.zone if known is None else str(known["zone"])


def _said(first: str, *more: str) -> Reply:
    return Reply(words=lines([bold(words.given(first)), *(join(one) for one in more)]))


COMMANDS: Final = (
    Command(
        name="mute",
        usage="SUBJECT DURATION",
        meaning="nothing about a symbol, a layer or a rule for a while",
        group_role=Role.OWNER,
        run=mute,
    ),
    Command(name="mutes", meaning="what is muted here, and until when", run=show_mutes),
    Command(
        name="quiet",
        usage="22:00-07:00 [ZONE] or off",
        meaning="hours in which only critical alerts sound",
        group_role=Role.OWNER,
        run=quiet,
    ),
    Command(
        name="digest",
        usage="08:00 [ZONE] or off",
        meaning="when what was held back is told",
        group_role=Role.OWNER,
        run=digest,
    ),
    Command(
        name="pause",
        usage="[SYMBOL] [DURATION]",
        meaning="no alerts here for a while; nothing else stops",
        group_role=Role.OWNER,
        run=pause,
    ),
    Command(
        name="resume",
        usage="[SYMBOL]",
        meaning="go on, also after this chat was given up",
        group_role=Role.OWNER,
        run=resume,
    ),
)
