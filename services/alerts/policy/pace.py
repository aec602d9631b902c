"""How fast a channel may be used: its budgets, what floods make of them, and when quiet gives it back. Pure."""

from collections import deque
from typing import Final

from msgspec import Struct, field

from libs.common.events import SECOND_NS

_OVERRUN_CHATS: Final = 3
_OVERRUN_WITHIN_NS: Final = 5 * SECOND_NS
"""So many chats told to wait within so long: the bot as a whole is too fast, not one chat."""
_SLOWER: Final = 0.7
_FASTER_EVERY_NS: Final = 60 * SECOND_NS


class Pace(Struct, frozen=True, kw_only=True):
    """Budgets of one channel, over all its senders. Telegram's documented overall one is about 30 a second."""

    chat_interval_s: float = 1.0
    group_per_minute: int = 20
    """For groups and channels: recipients that are not plain numbers; 0 where there are no groups."""
    overall_per_s: float = 25.0


def room(claimed_ns: list[int], per_s: float, now_ns: int) -> int:
    """Return how many more may be claimed now, when those of `claimed_ns` already were."""
    return max(0, int(per_s) - sum(at_ns > now_ns - SECOND_NS for at_ns in claimed_ns))


def slower(per_s: float) -> float:
    """Return the pace after the bot as a whole was too fast; never below one a second."""
    return max(1.0, per_s * _SLOWER)


def quicker(per_s: float, most: float, quiet_ns: int) -> float:
    """Return the pace after `quiet_ns` without a flood: one a second more for each whole minute, up to `most`."""
    return min(most, per_s + quiet_ns // _FASTER_EVERY_NS) if quiet_ns > 0 else min(most, per_s)


class Floods(Struct):
    """Who was told to wait within the last seconds."""

    recent: deque[tuple[int, str, int]] = field(default_factory=deque)
    """(when, chat, until when)."""

    def add(self, chat: str, now_ns: int, until_ns: int) -> int | None:
        """Take one 429; return until when nobody may be told anything, or None while it is about single chats."""
        self.recent.append((now_ns, chat, until_ns))
        while self.recent[0][0] <= now_ns - _OVERRUN_WITHIN_NS:
            self.recent.popleft()
        if len({flooded for _, flooded, _ in self.recent}) < _OVERRUN_CHATS:
            return None
        return min(until for _, _, until in self.recent)
