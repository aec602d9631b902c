"""When each chat may be sent to next: Telegram's budgets, and the waits it asked for. Time is an argument; no I/O."""

import math
from collections import deque
from typing import Final

from msgspec import Struct

MINUTE_S: Final = 60.0
_OVERRUN_CHATS: Final = 3
_OVERRUN_WITHIN_S: Final = 5.0
"""So many chats told to wait within so long: the bot as a whole is too fast, not one chat."""


class Pace(Struct, frozen=True, kw_only=True):
    """Budgets; the overall one stays below the documented 30 messages a second."""

    chat_interval_s: float = 1.0
    group_per_minute: int = 20
    """For groups and channels: chat ids below zero, and @names."""
    overall_per_s: int = 25


class Limiter:
    """One sender's memory of when it sent; as big as the number of chats sent to within the last minute."""

    def __init__(self, pace: Pace | None = None) -> None:
        self._pace = pace or Pace()
        self._overall: deque[float] = deque()
        self._chats: dict[str, deque[float]] = {}
        self._held: dict[str, float] = {}
        self._floods: deque[tuple[float, str, float]] = deque()
        self._stopped_until = -math.inf

    def take(self, chat: str, now_s: float) -> None:
        """Count one send to `chat`; the caller has seen that `wait_s` is 0."""
        self._overall.append(now_s)
        self._chats.setdefault(chat, deque()).append(now_s)

    def hold(self, chat: str, seconds: float, now_s: float) -> None:
        """Obey a 429: nothing to `chat` for `seconds`; to nobody for the shortest wait, when many chats got one."""
        until_s = now_s + seconds
        self._held[chat] = max(self._held.get(chat, -math.inf), until_s)
        self._floods.append((now_s, chat, until_s))
        while self._floods and self._floods[0][0] <= now_s - _OVERRUN_WITHIN_S:
            self._floods.popleft()
        if len({flooded for _, flooded, _ in self._floods}) >= _OVERRUN_CHATS:
            self._stopped_until = max(self._stopped_until, min(until for _, _, until in self._floods))

    def wait_s(self, chat: str, now_s: float) -> float:
        """Return how long until `chat` may be sent to; 0 when it may now."""
        return max(self._overall_free_s(now_s), self._chat_free_s(chat, now_s), now_s) - now_s

    def capacity(self, now_s: float) -> int:
        """Return how many messages may leave now, over all chats."""
        if now_s < self._stopped_until:
            return 0
        self._forget(now_s)
        return self._pace.overall_per_s - len(self._overall)

    def busy(self, now_s: float) -> list[str]:
        """Return the chats that may not be sent to now."""
        self._forget(now_s)
        return sorted(chat for chat in {*self._chats, *self._held} if self._chat_free_s(chat, now_s) > now_s)

    def next_change_s(self, now_s: float) -> float | None:
        """Return how long until more is allowed than now, or None when nothing waits for this limiter."""
        changes = [self._chat_free_s(chat, now_s) for chat in self.busy(now_s)]
        if self.capacity(now_s) <= 0:
            changes.append(self._overall_free_s(now_s))
        return min(changes) - now_s if changes else None

    def _overall_free_s(self, now_s: float) -> float:
        self._forget(now_s)
        excess = len(self._overall) - self._pace.overall_per_s
        return max(self._overall[excess] + 1.0 if excess >= 0 else now_s, self._stopped_until)

    def _chat_free_s(self, chat: str, now_s: float) -> float:
        free_s = self._held.get(chat, now_s)
        if sends := self._chats.get(chat):
            free_s = max(free_s, sends[-1] + self._pace.chat_interval_s)
            if not _is_person(chat) and len(sends) >= self._pace.group_per_minute:
                free_s = max(free_s, sends[-self._pace.group_per_minute] + MINUTE_S)
        return free_s

    def _forget(self, now_s: float) -> None:
        while self._overall and self._overall[0] <= now_s - 1.0:
            self._overall.popleft()
        memory_s = max(MINUTE_S, self._pace.chat_interval_s)
        for chat in [chat for chat, sends in self._chats.items() if sends[-1] <= now_s - memory_s]:
            del self._chats[chat]
        for sends in self._chats.values():
            while sends[0] <= now_s - memory_s:
                sends.popleft()
        for chat in [chat for chat, until_s in self._held.items() if until_s <= now_s]:
            del self._held[chat]


def _is_person(chat: str) -> bool:
    return chat.isdecimal()
