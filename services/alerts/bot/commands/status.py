"""/status: how far the data may be trusted now, what waits, and whether this chat hears anything at all."""

from typing import Any, Final

import msgspec

from libs.common.events import Origin
from services.alerts.bot import people, words
from services.alerts.bot.command import Call, Command, Desk, Reply, Wrong
from services.alerts.bot.commands.silence import wishes
from services.alerts.policy import numbers
from services.alerts.policy.markup import Piece, bold, join, lines
from services.alerts.policy.wording import banner

_WIDTH: Final = 40
"""Of the table: what a telephone shows."""
_WORDS: Final = {
    "coverage_min": "coverage {:.1%}",
    "staleness_max_s": "quiet for {:.0f} s",
    "open_gaps": "{:.0f} open gaps",
    "connections_missing": "{:.0f} connections missing",
    "clock_offset_s": "clock {:+.3f} s",
}
_FEEDS: Final = "SELECT venue, at_ns, origin, facts FROM alerts.facts WHERE kind = 'feed' ORDER BY venue"
_QUEUE: Final = """
SELECT count(*) AS waiting, min(created_ns) AS oldest_ns FROM alerts.outbox
WHERE next_attempt_ns IS NOT NULL AND kind <> 'answer'
"""
_LAST: Final = "SELECT max(as_of_ns) FROM alerts.signals"
_SWITCH: Final = "SELECT stopped, at_ns FROM alerts.switch"


async def status(call: Call, desk: Desk) -> Reply:
    """Tell the state of feeds, alerts and this chat."""
    given = [one.lower() for one in call.only(1, "/status, or /status table")]
    if given not in ([], ["table"]):
        raise Wrong("Write /status, or /status table")
    feeds = await desk.connection.fetch(_FEEDS)
    rows = [bold(join(f"Status, {numbers.utc(call.at_ns)}"))]
    for origin in sorted({row["origin"] for row in feeds}):
        rows += banner(Origin(origin))
    if not feeds:
        rows.append(join("Nothing is known of any venue's feed yet: no report has come"))
    elif given:
        rows.append(words.pre("\n".join(_table(feeds, call.at_ns))))
    else:
        rows += [_feed(row, call.at_ns) for row in feeds]
    rows += await _alerts(call, desk)
    return Reply(words=lines(rows))


async def _alerts(call: Call, desk: Desk) -> list[Piece]:
    rows = []
    switch = await desk.connection.fetchrow(_SWITCH)
    if switch["stopped"]:
        rows.append(bold(join(f"ALL ALERTS ARE STOPPED since {numbers.utc(switch['at_ns'])}: /panic off")))
    last_ns = await desk.connection.fetchval(_LAST)
    if last_ns is None:
        rows.append(join("No signal has been told yet"))
    else:
        rows.append(join(f"Last signal told: {words.length(call.at_ns - last_ns)} ago"))
    queue = await desk.connection.fetchrow(_QUEUE)
    age = f", the oldest for {words.length(call.at_ns - queue['oldest_ns'])}" if queue["waiting"] else ""
    rows.append(join(f"Alerts waiting: {queue['waiting']}{age}"))
    known = await people.wishes(desk.connection, call.recipient)
    if known is None:
        return [*rows, join("This chat has not begun: /start")]
    if known["state"] == "disabled":
        rows.append(join("This chat was given up (", words.given(known["reason"]), "): /start"))
    if known["paused_until_ns"] > call.at_ns:
        rows.append(join(f"This chat is paused {words.until(known['paused_until_ns'], call.at_ns)}: /resume"))
    return rows + wishes(known)


def _feed(row: Any, now_ns: int) -> Piece:
    facts = msgspec.json.decode(row["facts"])
    parts = [f"grade {facts['grade'].upper()}" if "grade" in facts else "no grade"]
    if facts.get("feed_stopped"):
        parts.append("stopped in order")
    parts += [said.format(facts[name]) for name, said in _WORDS.items() if name in facts]
    return join(words.given(row["venue"]), f": {', '.join(parts)}; as of {words.length(now_ns - row['at_ns'])} ago")


def _table(feeds: list[Any], now_ns: int) -> list[str]:
    """Return a table of at most 40 columns; `-` is what is not known."""
    rows = [f"{'venue':<15}{'gr':>3}{'cov':>6}{'gaps':>5}{'age':>10}"]
    for row in feeds:
        facts = msgspec.json.decode(row["facts"])
        coverage = f"{facts['coverage_min'] * 100:.0f}%" if "coverage_min" in facts else "-"
        gaps = f"{facts['open_gaps']:.0f}" if "open_gaps" in facts else "-"
        age = words.length(now_ns - row["at_ns"])
        grade = str(facts.get("grade", "-"))
        rows.append(f"{row['venue'][:14]:<15}{grade:>3}{coverage:>6}{gaps:>5}{age:>10}"[:_WIDTH])
    return rows


COMMANDS: Final = (
    Command(name="status", usage="[table]", meaning="how good the data is, what waits, and this chat", run=status),
)
