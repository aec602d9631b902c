"""/start, /help, /subscribe, /unsubscribe, /watch, /unwatch: from a stranger to somebody who hears of signals."""

from libs.common.conditions.templates import TEMPLATES, Template
from libs.common.events import AlertRule
from services.alerts.bot import people, rulebook, words
from services.alerts.bot.command import Call, Command, Desk, Reply, Wrong
from services.alerts.policy.access import Role
from services.alerts.policy.arguments import symbol_of
from services.alerts.policy.markup import Piece, bold, join, lines

_GROUPS = ("majors", "large", "mid")
_ALL = "all signals"


async def start(call: Call, desk: Desk) -> Reply:
    """Say who somebody is, what this chat hears, and what to do next; take an invite."""
    given = call.only(1, "/start, or /start CODE")
    role = call.role
    if given:
        role = await _redeem(call, desk, given[0])
    if role is Role.ANYONE:
        return Reply(
            words=lines(
                [
                    bold(join("You are not on the list of this bot")),
                    join("Your Telegram number is ", words.key(str(call.user_id))),
                    join("Ask its owner for an invite, then write ", words.key("/start CODE")),
                ]
            )
        )
    rows = [bold(join(f"Welcome: you are {'an owner' if role is Role.OWNER else 'a reader'} of CryptoSatX alerts"))]
    if call.private or role >= Role.OWNER:  # a reader must not wake a group's bot
        await people.meet(desk.connection, call.recipient, desk.zone)
        await people.activate(desk.connection, call.recipient)
    rows += await _hears(call, desk)
    rows.append(join("All commands: /help"))
    return Reply(words=lines(rows))


async def _redeem(call: Call, desk: Desk, code: str) -> Role:
    made = await people.redeem(desk.connection, code, call.user_id, call.at_ns)
    if made is None:
        raise Wrong("This invite is not valid: it was used, it is older than a day, or it is mistyped")
    await people.audit(desk.connection, call.at_ns, call.user_id, call.recipient, "join", made.name.lower())
    return max(call.role, made)


async def _hears(call: Call, desk: Desk) -> list[Piece]:
    fixed = [one for one in desk.fixed if one.recipient == call.recipient]
    rules = await rulebook.of(desk.connection, call.recipient)
    if not rules and not fixed:
        return [
            join("This chat hears of nothing yet"),
            join("Every signal: /subscribe"),
            join("One market: ", words.key("/watch BTC-USDT-PERP")),
        ]
    rows = [join("This chat hears of:"), *(words.rule(one, rulebook.short(one)) for one in rules)]
    return rows + [words.rule(one, "settings") for one in fixed]


async def show_help(call: Call, desk: Desk) -> Reply:
    """List what who asks may do here."""
    rows = [bold(join("What you can ask"))]
    for one in desk.commands:
        if call.role >= (one.role if call.private else max(one.role, one.group_role)):
            usage = words.line(" ", words.key(one.usage)) if one.usage else join("")
            rows.append(join(f"/{one.name}", usage, f": {one.meaning}"))
    rows += [
        join("A duration is 30m, 4h or 2d; a symbol is BTC-USDT, or BTC-USDT-PERP for the perpetual"),
        join("Alerts are no advice. What is SIMULATED has invented prices"),
    ]
    return Reply(words=lines(rows))


async def subscribe(call: Call, desk: Desk) -> Reply:
    """Make the rules of a wish; asked twice, they are the same rules."""
    given = call.only(1, "/subscribe, /subscribe storm or /subscribe BTC-USDT-PERP")
    wanted = _wanted(call, given[0] if given else "")
    return await add(call, desk, wanted)


async def watch(call: Call, desk: Desk) -> Reply:
    """Hear of every signal about one symbol."""
    given = call.only(1, "/watch BTC-USDT-PERP")
    if not given:
        raise Wrong("Which market? Write /watch BTC-USDT-PERP")
    return await add(call, desk, [_of_symbol(call, symbol_of(given[0]))])


async def add(call: Call, desk: Desk, wanted: list[AlertRule]) -> Reply:
    """Say the rules that are new, and tell all of them.

    Raises:
        Wrong: the chat would have too many.
    """
    known = {one.rule_id: one for one in await rulebook.of(desk.connection, call.recipient)}
    fresh = [one for one in wanted if known.get(one.rule_id) != one]
    if len(known.keys() | {one.rule_id for one in wanted}) > rulebook.MOST:
        raise Wrong(f"A chat has at most {rulebook.MOST} rules: take one away first, see /rules")
    await people.meet(desk.connection, call.recipient, desk.zone)
    await people.activate(desk.connection, call.recipient)
    for one in fresh:
        await rulebook.say(desk.connection, one)
    rows = [bold(join("From now on this chat hears of" if fresh else "This chat hears of that already"))]
    rows += [words.rule(one, rulebook.short(one)) for one in wanted]
    rows.append(join("All rules: /rules. Less at night: ", words.key("/quiet 22:00-07:00")))
    return Reply(words=lines(rows))


async def unsubscribe(call: Call, desk: Desk) -> Reply:
    """Take away what was subscribed; without a word behind it, all rules of the chat."""
    given = call.only(1, "/unsubscribe, /unsubscribe storm or /unsubscribe BTC-USDT-PERP")
    rules = await rulebook.of(desk.connection, call.recipient)
    if given:
        ids = {one.rule_id for one in _wanted(call, given[0])}
        rules = [one for one in rules if one.rule_id in ids]
    return await remove(call, desk, rules)


async def unwatch(call: Call, desk: Desk) -> Reply:
    """Hear no longer of every signal about one symbol."""
    given = call.only(1, "/unwatch BTC-USDT-PERP")
    if not given:
        raise Wrong("Which market? Write /unwatch BTC-USDT-PERP, or /unsubscribe to hear nothing more")
    wanted = _of_symbol(call, symbol_of(given[0])).rule_id
    rules = await rulebook.of(desk.connection, call.recipient)
    return await remove(call, desk, [one for one in rules if one.rule_id == wanted])


async def remove(call: Call, desk: Desk, rules: list[AlertRule]) -> Reply:
    """Take the rules away, and tell what is left."""
    for one in rules:
        await rulebook.drop(desk.connection, one)
    count = f"{len(rules)} rule{'' if len(rules) == 1 else 's'} taken away" if rules else "There was no such rule"
    rows = [bold(join(count)), *(words.rule(one, rulebook.short(one)) for one in rules)]
    if any(one.recipient == call.recipient for one in desk.fixed):
        rows.append(join("Whoever runs this bot has named this chat in its settings: to hear nothing at all, /pause"))
    rows.append(join("What is left: /rules"))
    return Reply(words=lines(rows))


def _wanted(call: Call, text: str) -> list[AlertRule]:
    """Return the rules of a wish: everything, a template, those of a family of templates, or a symbol."""
    if not text:
        return [AlertRule(rule_id=rulebook.rule_id_of(call.recipient, _ALL), recipient=call.recipient)]
    name = text.lower()
    family = [f"{name}_{group}" for group in _GROUPS]
    found = [TEMPLATES[one] for one in ([name] if name in TEMPLATES else family) if one in TEMPLATES]
    if found:
        return [_of_template(call, one) for one in found]
    if "-" not in text:
        names = sorted({_family(one) for one in TEMPLATES})
        raise Wrong(
            join("There is no template ", words.given(f"'{text[:40]}'"), f": there are {', '.join(names)}; or a symbol")
        )
    return [_of_symbol(call, symbol_of(text))]


def _family(name: str) -> str:
    head, _, group = name.rpartition("_")
    return head if group in _GROUPS else name


def _of_template(call: Call, one: Template) -> AlertRule:
    return AlertRule(
        rule_id=rulebook.rule_id_of(call.recipient, f"template {one.name}"),
        recipient=call.recipient,
        kind=one.kind.value,
        condition=one.condition,
        until=one.until,
        for_s=one.for_s,
        cooldown_s=one.cooldown_s,
        severity=one.severity,
        template=one.name,
    )


def _of_symbol(call: Call, symbol: str) -> AlertRule:
    return AlertRule(
        rule_id=rulebook.rule_id_of(call.recipient, f"symbol {symbol}"), recipient=call.recipient, symbols=(symbol,)
    )


COMMANDS = (
    Command(name="start", usage="[CODE]", meaning="begin, and what this chat hears", role=Role.ANYONE, run=start),
    Command(name="help", meaning="all commands", run=show_help),
    Command(
        name="subscribe",
        usage="[TEMPLATE or SYMBOL]",
        meaning="hear of every signal, of a template's, or of a symbol's",
        group_role=Role.OWNER,
        run=subscribe,
    ),
    Command(
        name="unsubscribe",
        usage="[TEMPLATE or SYMBOL]",
        meaning="take subscriptions away; alone, all of them",
        group_role=Role.OWNER,
        run=unsubscribe,
    ),
    Command(
        name="watch",
        usage="SYMBOL",
        meaning="hear of every signal about a symbol",
        group_role=Role.OWNER,
        run=watch,
    ),
    Command(name="unwatch", usage="SYMBOL", meaning="no longer hear of a symbol", group_role=Role.OWNER, run=unwatch),
)
