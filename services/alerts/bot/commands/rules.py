"""/rules: a chat's rules and how each kind is told; conditions of one's own, with the place of what is wrong."""

from typing import Final

from libs.common.conditions.language import Fault, compile_condition
from libs.common.conditions.subjects import Kind
from libs.common.events import AlertRule, Severity
from services.alerts.bot import people, rulebook, words
from services.alerts.bot.command import Call, Command, Desk, Reply, Wrong
from services.alerts.bot.commands.start import add, remove
from services.alerts.policy.access import Role
from services.alerts.policy.markup import Piece, bold, join, lines
from services.alerts.policy.telling import ANY, Mode

_USAGE: Final = "[add CONDITION | off ID | KIND on, silent, digest or off]"
_KINDS: Final = frozenset(Kind)
_EVERY: Final = "all"
_COOLDOWN_S: Final = 900
"""Of a rule about a state, which may come and go; a signal comes once."""


async def rules(call: Call, desk: Desk) -> Reply:
    """Show the rules, or change one."""
    verb, _, rest = call.args.partition(" ")
    verb, rest = verb.lower(), rest.strip()
    if not verb:
        return await _show(call, desk)
    if not call.private and call.role < Role.OWNER:
        raise Wrong("In a group only an owner of the bot changes what everybody hears")
    match verb:
        case "add":
            return await _add(call, desk, rest)
        case "off" if rest:
            return await _off(call, desk, rest)
        case _ if verb == _EVERY or verb in _KINDS:
            return await _prefer(call, desk, verb, rest.lower().split())
    kinds = ", ".join(Kind)
    raise Wrong(
        join(
            "Write ",
            words.key("/rules add abs_score >= 0.6"),
            ", ",
            words.key("/rules off ID"),
            ", or ",
            words.key("/rules whale silent"),
            f". Kinds are {kinds}, or {_EVERY}",
        )
    )


async def _show(call: Call, desk: Desk) -> Reply:
    known = await rulebook.of(desk.connection, call.recipient)
    fixed = [one for one in desk.fixed if one.recipient == call.recipient]
    rows = [bold(join(f"{len(known)} of {rulebook.MOST} rules"))]
    rows += [words.rule(one, rulebook.short(one)) for one in known]
    rows += [words.rule(one, "settings") for one in fixed]
    if not known and not fixed:
        rows.append(join("This chat hears of nothing: /subscribe"))
    told = await people.preferences(desk.connection, call.recipient)
    if told:
        rows.append(bold(join("How it is told")))
        rows += [_told(row["kind"], row["severity"], row["mode"]) for row in told]
    rows.append(join("A rule of your own: ", words.key("/rules add abs_score >= 0.6")))
    return Reply(words=lines(rows))


async def _add(call: Call, desk: Desk, text: str) -> Reply:
    if not text:
        raise Wrong(join("What must hold? Write ", words.key("/rules add abs_score >= 0.6")))
    kind, condition = _kind_of(text)
    one = AlertRule(
        rule_id=rulebook.rule_id_of(call.recipient, f"condition {kind} {condition}"),
        recipient=call.recipient,
        kind=kind.value,
        condition=condition,
        cooldown_s=0 if kind in {Kind.SIGNAL, Kind.OUTCOME} else _COOLDOWN_S,
        severity=Severity.WARNING,
    )
    return await add(call, desk, [one])


def _kind_of(text: str) -> tuple[Kind, str]:
    """Return the kind that a condition is about and the condition; without `kind:` before it, the first that fits.

    Raises:
        Wrong: it is no condition of that kind; the words show the place.
    """
    head, colon, rest = text.partition(":")
    named = head.strip().lower()
    if colon and named in _KINDS:
        return Kind(named), _checked(Kind(named), rest.strip())
    for kind in Kind:
        try:
            compile_condition(text, kind)
        except Fault:
            continue
        return kind, text
    return Kind.SIGNAL, _checked(Kind.SIGNAL, text)


def _checked(kind: Kind, text: str) -> str:
    try:
        compile_condition(text, kind)
    except Fault as e:
        raise Wrong(
            lines(
                [
                    bold(join(f"This is no condition about {kind.replace('_', ' ')}s")),
                    words.pre(e.shown(text)),
                    join("What can be asked is in docs/alerts.md; another kind goes before it: "),
                    words.key("/rules add funding: funding_rank >= 0.95"),
                ]
            )
        ) from e
    return text


async def _off(call: Call, desk: Desk, name: str) -> Reply:
    known = await rulebook.of(desk.connection, call.recipient)
    found = [one for one in known if name in {one.rule_id, rulebook.short(one)}]
    if not found:
        raise Wrong(join("There is no rule ", words.given(f"'{name[:40]}'"), " here: their ids are in /rules"))
    return await remove(call, desk, found)


async def _prefer(call: Call, desk: Desk, kind: str, wanted: list[str]) -> Reply:
    modes, severities = [*Mode], [*Severity]
    if not 1 <= len(wanted) <= 2 or wanted[0] not in modes or (len(wanted) == 2 and wanted[1] not in severities):
        raise Wrong(
            join(
                f"How? One of {', '.join(modes)}, for one severity ({', '.join(severities)}) or all: ",
                words.key(f"/rules {kind} silent"),
                ", ",
                words.key(f"/rules {kind} off info"),
            )
        )
    stored, severity = (ANY if kind == _EVERY else kind), (wanted[1] if len(wanted) == 2 else ANY)
    await people.meet(desk.connection, call.recipient, desk.zone)
    await people.prefer(desk.connection, call.recipient, stored, severity, wanted[0])
    return Reply(words=lines([bold(join("So it is told from now on")), _told(stored, severity, wanted[0])]))


def _told(kind: str, severity: str, mode: str) -> Piece:
    what = "everything else" if kind == ANY else kind
    return join(f"{what}, {'any severity' if severity == ANY else severity}: {mode}")


COMMANDS: Final = (
    Command(name="rules", usage=_USAGE, meaning="this chat's rules, one more, one less; how a kind is told", run=rules),
)
