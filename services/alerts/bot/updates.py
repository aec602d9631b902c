"""Updates in, each once; in one transaction what it changes, and the answer to it, out into the outbox."""

import logging
from collections.abc import Sequence
from typing import Any, Final

import asyncpg
from msgspec import Struct
from msgspec.structs import replace

from services.alerts.bot import people, words
from services.alerts.bot.answering import entries, once_a_minute
from services.alerts.bot.buttons import Outcome, press
from services.alerts.bot.command import CHANNEL, Call, Command, Desk, Reply, Wrong
from services.alerts.bot.reading import Became, Heard, Pressed, Stands
from services.alerts.metrics_bot import CALLBACKS, COMMANDS, UPDATES
from services.alerts.policy.access import LATE_NS, Lists, Role, Said, asked, heard
from services.alerts.policy.arguments import Mistake
from services.alerts.policy.markup import bold, join, lines
from services.alerts.store import subscribers
from services.alerts.store.outbox import STORE_ERRORS, Outbox
from services.alerts.store.rows import Entry

log = logging.getLogger(__name__)

DATA_ERRORS: Final = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, ValueError)
"""What is refused for what it says, not because the store is down: trying again would never end.

The driver's own refusals are `ValueError`s.
"""
_ONCE: Final = "INSERT INTO alerts.updates (update_id, at_ns) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING at_ns"
_ONE_BY_ONE: Final = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
_FORGET: Final = (
    "DELETE FROM alerts.updates WHERE at_ns < $1",
    "DELETE FROM alerts.pressed WHERE at_ns < $1",
    "DELETE FROM alerts.invites WHERE until_ns < $1",
    "DELETE FROM alerts.mutes WHERE until_ns < $1",
)


class Done(Struct, frozen=True, kw_only=True):
    """What became of an update."""

    result: str
    """For counting: `command`, `press`, `member`, `moved`, `unknown`, `stranger`, `late`, `ignored`, `repeated`."""
    command: tuple[str, str] | None = None
    """Its name, and what became of it: `done`, `wrong`, `denied`, `broken`."""
    press: Outcome | None = None
    """Its presser waits for an answer."""


class Updates:
    """What the bot hears; several processes may share a store, each update acts once."""

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        outbox: Outbox,
        *,
        commands: Sequence[Command],
        lists: Lists,
        keys: Sequence[bytes],
        zone: str = "UTC",
        fixed: Sequence[Any] = (),
    ) -> None:
        self._pool = pool
        self._outbox = outbox
        self._by_name = {one.name: one for one in commands}
        self._desk = Desk(
            connection=None, commands=tuple(commands), lists=lists, keys=tuple(keys), zone=zone, fixed=tuple(fixed)
        )

    async def take(self, update_id: int, update: Heard | None, bot_name: str, now_ns: int) -> Done:
        """Act on one update, or find that it has acted already.

        Raises:
            DATA_ERRORS: the store refuses what it says.
            STORE_ERRORS: the store is down; nothing has changed.
        """
        done = Done(result="ignored")
        if update is not None:
            async with self._pool.acquire() as connection, connection.transaction():
                done = await self._take(connection, update_id, update, bot_name, now_ns)
        UPDATES.labels(done.result).inc()
        if done.command:
            COMMANDS.labels(*done.command).inc()
        if done.press:
            CALLBACKS.labels(done.press.result).inc()
        return done

    async def forget(self, before_ns: int) -> None:
        """Forget what cannot come again: updates and presses from before, invites and mutes that ended before."""
        for statement in _FORGET:
            await self._pool.execute(statement, before_ns)

    async def _take(self, connection: Any, update_id: int, update: Heard, bot_name: str, now_ns: int) -> Done:
        await connection.execute(_ONE_BY_ONE, f"bot {update.chat_id}")
        if await connection.fetchval(_ONCE, update_id, now_ns) is None:
            again = Outcome(result="repeated", told="Already done") if isinstance(update, Pressed) else None
            return Done(result="repeated", press=again)
        desk = replace(self._desk, connection=connection)
        match update:
            case Stands():
                return await _stands(connection, update)
            case Became():
                await people.move(connection, str(update.chat_id), str(update.to))
                return Done(result="moved")
            case Pressed():
                outcome = await press(desk, update, update_id, now_ns)
                await self._outbox.insert(connection, outcome.answers, now_ns)
                return Done(result="press", press=outcome)
            case Said():
                done, answers = await self._said(desk, update_id, update, bot_name, now_ns)
                await self._outbox.insert(connection, answers, now_ns)
                return done

    async def _said(
        self, desk: Desk, update_id: int, said: Said, bot_name: str, now_ns: int
    ) -> tuple[Done, list[Entry]]:
        """Return what became of a message, and what is said to it: of a stranger, or nothing we know, once a minute."""
        wish = asked(said, bot_name)
        if not heard(said) or said.user_id is None or (wish is None and not said.private):
            return Done(result="ignored"), []
        recipient = await people.home(desk.connection, str(said.chat_id))
        role = desk.lists.role(said.user_id, await people.invited(desk.connection, said.user_id))
        if role is Role.ANYONE and not (said.private and wish is not None and wish.name == "start"):
            return Done(result="stranger"), _once(_STRANGER, "stranger", recipient, now_ns) if said.private else []
        command = self._by_name.get(wish.name) if wish else None
        if wish is None or command is None:
            told = said.private or (wish is not None and wish.ours)
            return Done(result="unknown"), _once(_UNKNOWN, "unknown", recipient, now_ns) if told else []
        if now_ns - said.at_ns > LATE_NS:
            return Done(result="late"), _once(_LATE, "late", recipient, now_ns)
        call = Call(
            update_id=update_id,
            user_id=said.user_id,
            chat_id=said.chat_id,
            recipient=recipient,
            private=said.private,
            role=role,
            args=wish.args,
            at_ns=now_ns,
        )
        result, reply = await _run(command, call, desk)
        done = Done(result="command", command=(command.name, result))
        if role is Role.ANYONE and await people.invited(desk.connection, said.user_id) is None:
            return done, entries(reply, recipient, once_a_minute(f"stranger {result}", recipient, now_ns), now_ns)
        return done, entries(reply, recipient, str(update_id), now_ns)


async def _run(command: Command, call: Call, desk: Desk) -> tuple[str, Reply]:
    """Run a command where it may be; return what became of it, and what is said."""
    if call.role < (command.role if call.private else max(command.role, command.group_role)):
        where = "" if call.role < command.role else " in a group, where everybody would hear of it"
        return "denied", Reply(words=bold(join(f"Only an owner of this bot may do this{where}")))
    try:
        async with desk.connection.transaction():
            return "done", await command.run(call, desk)
    except Wrong as e:
        return "wrong", Reply(words=e.words)
    except Mistake as e:
        return "wrong", Reply(words=words.given(str(e)))
    except Exception as e:  # a bug of one command must not end the bot, nor come back with each poll
        if isinstance(e, STORE_ERRORS) and not isinstance(e, DATA_ERRORS):
            raise
        log.exception("a command broke", extra={"command": command.name})
    return "broken", Reply(words=join("Something is wrong here, not with what you wrote; it is written down"))


async def _stands(connection: Any, update: Stands) -> Done:
    recipient = await people.home(connection, str(update.chat_id))
    if update.takes:
        await people.activate(connection, recipient)
    else:
        reason = "blocked by the user" if update.private else "removed from the group"
        await subscribers.disable(connection, (CHANNEL, recipient), reason)
    return Done(result="member")


def _once(reply: Reply, what: str, recipient: str, now_ns: int) -> list[Entry]:
    return entries(reply, recipient, once_a_minute(what, recipient, now_ns), now_ns)


_STRANGER: Final = Reply(words=lines([join("You are not on the list of this bot"), join("Your number: /start")]))
_UNKNOWN: Final = Reply(words=join("That is no command here. All commands: /help"))
_LATE: Final = Reply(words=join("What you wrote reached me after more than ten minutes: not done. Write it again"))
