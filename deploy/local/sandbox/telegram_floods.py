"""Sends in; whether Telegram would take them, or for how many seconds it would not, out. Time is an argument.

The documented limits: about one message a second to one chat with short bursts, twenty a minute to one group, about
thirty a second over all chats (core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this).
"""

import math
from collections import deque
from typing import Final

from msgspec import Struct

BURST: Final = 3
GROUP_PER_MINUTE: Final = 20
OVERALL_PER_S: Final = 30


class Early(Struct, frozen=True):
    """A request that came before the wait that was asked for had passed."""

    chat: int
    """0 where the wait was a method's."""
    at_s: float
    too_early_s: float
    method: str = ""


class Floods:
    """What one bot has sent, and which chats it has been told to leave alone."""

    def __init__(self, overall_per_s: int = OVERALL_PER_S) -> None:
        self.overall_per_s = overall_per_s
        """More only for a bot that pays."""
        self._tokens: dict[int, tuple[float, float]] = {}
        self._groups: dict[int, deque[float]] = {}
        self._overall: deque[float] = deque()
        self._banned: dict[int, float] = {}
        self._banned_methods: dict[str, float] = {}
        self.early: list[Early] = []

    def ban(self, chat: int, seconds: float, now_s: float) -> None:
        """Refuse this chat for `seconds`; whoever comes sooner is remembered as early."""
        self._banned[chat] = now_s + seconds

    def ban_method(self, method: str, seconds: float, now_s: float) -> None:
        """Refuse this method for `seconds`; whoever comes sooner is remembered as early."""
        self._banned_methods[method.lower()] = now_s + seconds

    def method_wait_s(self, method: str, now_s: float) -> int | None:
        """Return for how many whole seconds a method is still refused, None when it is not."""
        left_s = self._banned_methods.get(method.lower(), -math.inf) - now_s
        if left_s <= 0:
            return None
        self.early.append(Early(0, now_s, left_s, method))
        return math.ceil(left_s)

    def wait_s(self, chat: int, now_s: float) -> int | None:
        """Count one send to `chat`; return None when it is within the limits, else `retry_after`, whole seconds."""
        until_s = self._banned.get(chat, -math.inf)
        if now_s < until_s:
            self.early.append(Early(chat, now_s, until_s - now_s))
            return math.ceil(until_s - now_s)
        wait_s = max(self._chat_wait_s(chat, now_s), self._group_wait_s(chat, now_s), self._overall_wait_s(now_s))
        if wait_s > 0:
            seconds = max(1, math.ceil(wait_s))
            self.ban(chat, seconds, now_s)
            return seconds
        tokens, _ = self._tokens[chat]
        self._tokens[chat] = (tokens - 1, now_s)
        self._overall.append(now_s)
        if chat < 0:
            self._groups[chat].append(now_s)
        return None

    def _chat_wait_s(self, chat: int, now_s: float) -> float:
        tokens, since_s = self._tokens.get(chat, (float(BURST), now_s))
        tokens = min(float(BURST), tokens + now_s - since_s)
        self._tokens[chat] = (tokens, now_s)
        return max(0.0, 1.0 - tokens)

    def _group_wait_s(self, chat: int, now_s: float) -> float:
        if chat >= 0:
            return 0.0
        sends = self._groups.setdefault(chat, deque())
        while sends and sends[0] <= now_s - 60.0:
            sends.popleft()
        return sends[0] + 60.0 - now_s if len(sends) >= GROUP_PER_MINUTE else 0.0

    def _overall_wait_s(self, now_s: float) -> float:
        while self._overall and self._overall[0] <= now_s - 1.0:
            self._overall.popleft()
        return self._overall[0] + 1.0 - now_s if len(self._overall) >= self.overall_per_s else 0.0
