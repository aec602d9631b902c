"""Classic consumer groups: joins, syncs and heartbeats in, generations and the leader's assignments out."""

import asyncio
import uuid
from asyncio import TimerHandle
from collections.abc import Callable
from typing import Final

from deploy.local.broker.codes import Code
from deploy.local.broker.members import Joined, Joining, Member, State

FIRST_JOIN_DELAY_S: Final = 0.1
"""How long an empty group waits for company before its first generation."""


class Group:
    """The state machine of one group id."""

    def __init__(self) -> None:
        self.state = State.EMPTY
        self.generation = 0
        self.protocol: str | None = None
        self.kind = ""
        self.leader: str | None = None
        self.members: dict[str, Member] = {}
        self._deadline: TimerHandle | None = None
        self._first = False

    async def join(self, request: Joining) -> Joined:
        """Return the member's place, once the next generation has its members."""
        refusal = self._refuse(request)
        if refusal:
            return Joined(refusal, request.member_id)
        old = self._instance(request.instance) if not request.member_id else None
        member = self._admit(request, old)
        settled = self.state in {State.COMPLETING, State.STABLE} and member.protocols == request.protocols
        member.session_s, member.rebalance_s = request.session_s, request.rebalance_s
        member.protocols, self.kind = request.protocols, request.kind
        self._listen(member)
        if settled and old is not None:
            if self.leader == old.member_id:
                self.leader = member.member_id
            return Joined(Code.NONE, member.member_id, old.member_id)  # it asks for its old place, not to lead
        if settled and (self.state is State.COMPLETING or self.leader != member.member_id):
            return Joined(Code.NONE, member.member_id, self.leader or "")  # asked again about its own generation
        if member.joining is not None and not member.joining.done():
            member.joining.set_result(Code.UNKNOWN_MEMBER_ID)  # asked again from another connection
        member.joining = waiting = asyncio.get_running_loop().create_future()
        if self.state is State.PREPARING:
            self._complete_if_all_joined()
        else:
            self._prepare()
        return Joined(await waiting, member.member_id, self.leader or "")

    async def sync(
        self, member_id: str, generation: int, assignments: list[tuple[str, bytes]], instance: str | None = None
    ) -> tuple[Code, bytes]:
        """Return the member's assignment, once the leader has brought it."""
        code = self.check(member_id, generation, instance)
        if not code and self.state is State.PREPARING:
            code = Code.REBALANCE_IN_PROGRESS
        if code:
            return code, b""
        member = self.members[member_id]
        self._listen(member)
        if self.state is State.COMPLETING and self.leader == member_id:
            self._settle(dict(assignments))
        elif self.state is State.COMPLETING:
            member.syncing = waiting = asyncio.get_running_loop().create_future()
            code = await waiting
            member.syncing = None
        return code, b"" if code else member.assignment

    def heartbeat(self, member_id: str, generation: int, instance: str | None = None) -> Code:
        """Note that the member lives; tell it if it has to join again."""
        code = self.check(member_id, generation, instance)
        if code:
            return code
        self._listen(self.members[member_id])
        return Code.REBALANCE_IN_PROGRESS if self.state is State.PREPARING else Code.NONE

    def leave(self, member_id: str) -> Code:
        """Remove a member at its wish."""
        member = self.members.get(member_id)
        if member is None:
            return Code.UNKNOWN_MEMBER_ID
        self._remove(member)
        return Code.NONE

    def check(self, member_id: str, generation: int, instance: str | None = None) -> Code:
        """Return whether the sender is a member of the current generation, and still the one of its instance."""
        current = self._instance(instance)
        if current is not None and current.member_id != member_id:
            return Code.FENCED_INSTANCE_ID
        if member_id not in self.members:
            return Code.UNKNOWN_MEMBER_ID
        return Code.NONE if generation == self.generation else Code.ILLEGAL_GENERATION

    def close(self) -> None:
        """Stop all timers."""
        self._cancel_deadline()
        for member in self.members.values():
            member.retire(Code.UNKNOWN_MEMBER_ID)

    def _refuse(self, request: Joining) -> Code:
        current = self._instance(request.instance)
        if request.member_id and current is not None and current.member_id != request.member_id:
            return Code.FENCED_INSTANCE_ID
        if request.member_id and request.member_id not in self.members:
            return Code.UNKNOWN_MEMBER_ID
        if request.session_s <= 0:
            return Code.INVALID_SESSION_TIMEOUT
        others = [
            member.protocols.keys()
            for member in self.members.values()
            if member.member_id != request.member_id and (not request.instance or member.instance != request.instance)
        ]
        if not request.protocols or not set(request.protocols).intersection(*others):
            return Code.INCONSISTENT_GROUP_PROTOCOL
        return Code.NONE

    def _instance(self, instance: str | None) -> Member | None:
        return next((m for m in self.members.values() if instance and m.instance == instance), None)

    def _admit(self, request: Joining, old: Member | None) -> Member:
        if request.member_id:
            return self.members[request.member_id]
        member_id = f"{request.instance or request.client or 'member'}-{uuid.uuid4()}"
        member = Member(member_id, request.instance, request.client, request.host)
        if old is not None:  # the same instance, restarted: the newest one wins, and inherits
            del self.members[old.member_id]
            old.retire(Code.FENCED_INSTANCE_ID)
            member.protocols, member.assignment = old.protocols, old.assignment
        self.members[member_id] = member
        return member

    def _listen(self, member: Member) -> None:
        if member.silence is not None:
            member.silence.cancel()
        member.silence = asyncio.get_running_loop().call_later(member.session_s, self._expire, member)

    def _expire(self, member: Member) -> None:
        if member.joining is None:
            self._remove(member)
        else:
            self._listen(member)  # who waits in a join is alive

    def _remove(self, member: Member) -> None:
        if self.members.pop(member.member_id, None) is None:
            return
        member.retire(Code.UNKNOWN_MEMBER_ID)
        if not self.members:
            self._empty()
        elif self.state is State.PREPARING:
            self._complete_if_all_joined()
        else:
            self._prepare()

    def _empty(self) -> None:
        self._cancel_deadline()
        self.state, self.protocol, self.leader = State.EMPTY, None, None
        self.generation += 1

    def _prepare(self) -> None:
        self._first = self.state is State.EMPTY
        for member in self.members.values():
            if member.syncing is not None and not member.syncing.done():
                member.syncing.set_result(Code.REBALANCE_IN_PROGRESS)
        self.state = State.PREPARING
        longest_s = max(member.rebalance_s for member in self.members.values())
        self._set_deadline(FIRST_JOIN_DELAY_S if self._first else longest_s, self._complete)
        self._complete_if_all_joined()

    def _complete_if_all_joined(self) -> None:
        if not self._first and all(member.joining is not None for member in self.members.values()):
            self._complete()

    def _complete(self) -> None:
        for member in [m for m in self.members.values() if m.joining is None and m.instance is None]:
            del self.members[member.member_id]
            member.retire(Code.UNKNOWN_MEMBER_ID)
        if not self.members:
            self._empty()
            return
        members = list(self.members.values())
        self.generation += 1
        self.state = State.COMPLETING
        common = set(members[0].protocols).intersection(*[member.protocols for member in members])
        self.protocol = next(name for name in members[0].protocols if name in common)
        if self.leader not in self.members or self.members[self.leader].joining is None:
            self.leader = next((m.member_id for m in members if m.joining is not None), members[0].member_id)
        for member in members:
            member.assignment = b""
            member.answer(Code.NONE)
            member.joining = None
            self._listen(member)
        self._set_deadline(max(member.rebalance_s for member in members), self._give_up_syncing)

    def _settle(self, assignments: dict[str, bytes]) -> None:
        self.state = State.STABLE
        self._cancel_deadline()
        for member in self.members.values():
            member.assignment = assignments.get(member.member_id, b"")
            member.answer(Code.NONE)

    def _give_up_syncing(self) -> None:
        silent = [member for member in self.members.values() if member.syncing is None]
        for member in silent:
            del self.members[member.member_id]
            member.retire(Code.UNKNOWN_MEMBER_ID)
        if self.members:
            self._prepare()
        else:
            self._empty()

    def _set_deadline(self, after_s: float, action: Callable[[], None]) -> None:
        self._cancel_deadline()
        self._deadline = asyncio.get_running_loop().call_later(after_s, action)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
