"""What a run of `make messages` left behind in, what held out."""

from collections import Counter, defaultdict
from typing import Any

from msgspec import Struct

from deploy.local.sandbox.telegram_messages import Accepted
from deploy.proving.report import Finding
from libs.common.events import Delivery
from services.alerts.policy.wording import REPEAT_MARK


class Plan(Struct, frozen=True, kw_only=True):
    """How much of it."""

    chats: int
    signals: int
    kills: int
    seed: int
    long_wait_s: int


class Seen(Struct, frozen=True):
    """What the run left behind."""

    rows: list[Any]
    accepted: list[Accepted]
    early: dict[str, int]
    """By chat: requests before a wait was over."""
    floods: int
    deliveries: list[Delivery]
    kills: int
    seconds: float


def judged(plan: Plan, seen: Seen) -> list[Finding]:
    """Return what held."""
    plain: Counter[tuple[str, str]] = Counter()
    marked: Counter[tuple[str, str]] = Counter()
    order: defaultdict[str, list[str]] = defaultdict(list)
    for message in seen.accepted:
        chat, name = str(message.chat_id), message.text.rsplit("Signal ", 1)[1]
        if REPEAT_MARK in message.text:
            marked[chat, name] += 1
        else:
            plain[chat, name] += 1
            order[chat].append(name)
    rows = {(row["recipient"], row["signal_id"]): row for row in seen.rows}
    states = Counter(row["state"] for row in seen.rows)
    lost = [key for key, row in rows.items() if row["state"] == "delivered" and not plain[key] + marked[key]]
    unmarked = sum(count - 1 for count in plain.values() if count > 1)
    doubled = sum(1 for key in plain if plain[key] and marked[key])
    uncounted = [key for key in marked if not rows[key]["repeated"] or marked[key] > 1]
    infos = sum(count for key, count in marked.items() if rows[key]["severity"] == "info")
    unheard = {row["recipient"] for row in seen.rows if row["repeated"] or row["state"] == "ambiguous"}
    strange = {chat: count for chat, count in seen.early.items() if chat not in unheard}
    disorder = [chat for chat, names in order.items() if names != sorted(names)]
    ended = Counter(one.alert_id for one in seen.deliveries if one.state in {"delivered", "expired", "failed"})
    wanted = plan.chats * plan.signals
    return [
        Finding(
            f"alerts of {plan.signals} signals for {plan.chats} chats",
            f"{wanted:,}",
            f"{len(rows):,}",
            len(rows) == wanted,
        ),
        Finding("kills of the service", f"{plan.kills}", f"{seen.kills}", seen.kills == plan.kills),
        Finding(
            "what became of them",
            "delivered, or ambiguous and counted; none expired, none failed",
            ", ".join(f"{count:,} {state}" for state, count in sorted(states.items())),
            set(states) <= {"delivered", "ambiguous"},
        ),
        Finding("delivered, and not at the chat", "0", f"{len(lost)}", not lost),
        Finding("second copies without a mark", "0", f"{unmarked}", not unmarked),
        Finding(
            "second copies marked as a possible repeat, each counted as repeated, none of severity info",
            "only among the counted ambiguous",
            f"{doubled} of {sum(bool(row['repeated']) for row in seen.rows)} repeats; {infos} info",
            not uncounted and not infos,
        ),
        Finding(
            f"requests before a wait was over ({seen.floods} floods of 1, 35, {plan.long_wait_s} s and none named)",
            "0, but where the sender died with the answer unread",
            f"{sum(seen.early.values())}, {sum(strange.values())} of them otherwise",
            not strange,
        ),
        Finding("chats told out of order", "0", f"{len(disorder)}", not disorder),
        Finding(
            "alerts whose end was published",
            "each, at least once",
            f"{len(ended):,} delivered; {sum(one.state == 'ambiguous' for one in seen.deliveries):,} times ambiguous",
            set(ended) >= {row["alert_id"] for row in seen.rows if row["state"] == "delivered"},
        ),
    ]
