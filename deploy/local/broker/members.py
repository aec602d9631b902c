"""What a consumer group consists of: its states, its members, and what they ask and are told."""

from asyncio import Future, TimerHandle
from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import NamedTuple

from deploy.local.broker.codes import Code


@unique
class State(StrEnum):
    """Kafka's names, as DescribeGroups shows them."""

    EMPTY = "Empty"
    PREPARING = "PreparingRebalance"
    COMPLETING = "CompletingRebalance"
    STABLE = "Stable"


@dataclass(slots=True)
class Member:
    """One consumer, between its first join and its leaving or silence."""

    member_id: str
    instance: str | None
    client: str
    host: str
    session_s: float = 10.0
    rebalance_s: float = 60.0
    protocols: dict[str, bytes] = field(default_factory=dict)
    assignment: bytes = b""
    joining: Future[Code] | None = None
    syncing: Future[Code] | None = None
    silence: TimerHandle | None = None

    def answer(self, code: Code) -> None:
        """End whatever this member's connection waits for."""
        for waiting in (self.joining, self.syncing):
            if waiting is not None and not waiting.done():
                waiting.set_result(code)

    def retire(self, code: Code) -> None:
        """Answer and stop watching: the member is no longer in the group."""
        self.answer(code)
        if self.silence is not None:
            self.silence.cancel()


@dataclass(frozen=True, slots=True, kw_only=True)
class Joining:
    """A JoinGroup request."""

    member_id: str
    instance: str | None
    client: str
    host: str
    session_s: float
    rebalance_s: float
    kind: str
    protocols: dict[str, bytes]


class Joined(NamedTuple):
    """The answer to a join; with `leader` equal to `member_id` the member has to bring the assignments."""

    code: Code
    member_id: str
    leader: str = ""
