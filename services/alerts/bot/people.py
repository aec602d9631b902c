"""Chats and users in; what is kept of them, out: wishes, mutes, members, invites, what owners did. In PostgreSQL.

Every function works within the caller's transaction.
"""

import hashlib
from typing import Any, Final

from services.alerts.bot.command import CHANNEL
from services.alerts.policy.access import Role
from services.alerts.policy.quiet import Quiet

FOREVER_NS: Final = 7_258_118_400 * 1_000_000_000
"""The year 2200: until asked otherwise."""
_ROLES: Final = {"reader": Role.READER, "owner": Role.OWNER}
_NAMES: Final = {role: name for name, role in _ROLES.items()}

_MEET: Final = "INSERT INTO alerts.subscribers (channel, recipient, zone) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
_ACTIVE: Final = "UPDATE alerts.subscribers SET state = 'active', reason = NULL WHERE channel = $1 AND recipient = $2"
_WISHES: Final = """
SELECT state, reason, paused_until_ns, zone, quiet_from, quiet_to, digest_minute
FROM alerts.subscribers WHERE channel = $1 AND recipient = $2
"""
_QUIET: Final = """
UPDATE alerts.subscribers SET quiet_from = $3, quiet_to = $4, zone = coalesce($5, zone)
WHERE channel = $1 AND recipient = $2
"""
_DIGEST: Final = """
UPDATE alerts.subscribers SET digest_minute = $3, zone = coalesce($4, zone) WHERE channel = $1 AND recipient = $2
"""
_PAUSE: Final = "UPDATE alerts.subscribers SET paused_until_ns = $3 WHERE channel = $1 AND recipient = $2"
_MUTE: Final = """
INSERT INTO alerts.mutes (channel, recipient, subject, until_ns) VALUES ($1, $2, $3, $4)
ON CONFLICT (channel, recipient, subject) DO UPDATE SET until_ns = excluded.until_ns
"""
_UNMUTE: Final = "DELETE FROM alerts.mutes WHERE channel = $1 AND recipient = $2 AND subject = $3 RETURNING subject"
_MUTES: Final = """
SELECT subject, until_ns FROM alerts.mutes WHERE channel = $1 AND recipient = $2 AND until_ns > $3
ORDER BY until_ns, subject
"""
_PREFER: Final = """
INSERT INTO alerts.preferences (channel, recipient, kind, severity, mode) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (channel, recipient, kind, severity) DO UPDATE SET mode = excluded.mode
"""
_PREFERENCES: Final = """
SELECT kind, severity, mode FROM alerts.preferences WHERE channel = $1 AND recipient = $2 ORDER BY kind, severity
"""
_MEMBER: Final = "SELECT role FROM alerts.members WHERE user_id = $1"
_JOIN: Final = """
INSERT INTO alerts.members (user_id, role, by_user, at_ns) VALUES ($1, $2, $3, $4)
ON CONFLICT (user_id) DO UPDATE SET role = excluded.role, by_user = excluded.by_user, at_ns = excluded.at_ns
WHERE members.role <> 'owner'
"""
_LEAVE: Final = "DELETE FROM alerts.members WHERE user_id = $1 RETURNING user_id"
_INVITE: Final = "INSERT INTO alerts.invites (code_hash, role, by_user, until_ns) VALUES ($1, $2, $3, $4)"
_REDEEM: Final = """
UPDATE alerts.invites SET used_by = $2 WHERE code_hash = $1 AND used_by IS NULL AND until_ns > $3
RETURNING role, by_user
"""
_AUDIT: Final = "INSERT INTO alerts.audit (at_ns, user_id, chat, action, detail) VALUES ($1, $2, $3, $4, $5)"
_HOME: Final = """
SELECT recipient FROM alerts.recipients WHERE channel = $1 AND moved_to = $2 AND recipient <> $2
ORDER BY recipient LIMIT 1
"""
_MOVE: Final = """
INSERT INTO alerts.recipients (channel, recipient, moved_to) VALUES ($1, $2, $3)
ON CONFLICT (channel, recipient) DO UPDATE SET moved_to = excluded.moved_to
"""


async def home(connection: Any, chat: str) -> str:
    """Return the recipient that a chat is: a group that became a supergroup keeps its first name here."""
    return await connection.fetchval(_HOME, CHANNEL, chat) or chat


async def move(connection: Any, chat: str, to: str) -> None:
    """Follow a chat to its new id."""
    await connection.execute(_MOVE, CHANNEL, await home(connection, chat), to)


async def meet(connection: Any, recipient: str, zone: str) -> None:
    """Know a chat; its wishes are the defaults until it says otherwise."""
    await connection.execute(_MEET, CHANNEL, recipient, zone)


async def activate(connection: Any, recipient: str) -> None:
    """Send to a known chat again, if it was disabled."""
    await connection.execute(_ACTIVE, CHANNEL, recipient)


async def wishes(connection: Any, recipient: str) -> Any:
    """Return the row of a chat; None when it is not known."""
    return await connection.fetchrow(_WISHES, CHANNEL, recipient)


async def keep_quiet(connection: Any, recipient: str, quiet: Quiet | None) -> None:
    """Set or end quiet hours; their zone is the chat's from then on."""
    begin, end, zone = (quiet.from_minute, quiet.to_minute, quiet.zone) if quiet else (None, None, None)
    await connection.execute(_QUIET, CHANNEL, recipient, begin, end, zone)


async def digest_at(connection: Any, recipient: str, minute: int | None, zone: str | None = None) -> None:
    """Set or end the hour of the digest."""
    await connection.execute(_DIGEST, CHANNEL, recipient, minute, zone)


async def pause(connection: Any, recipient: str, until_ns: int) -> None:
    """Tell nothing before `until_ns`."""
    await connection.execute(_PAUSE, CHANNEL, recipient, until_ns)


async def mute(connection: Any, recipient: str, subject: str, until_ns: int) -> None:
    """Tell nothing of `subject` before `until_ns`."""
    await connection.execute(_MUTE, CHANNEL, recipient, subject, until_ns)


async def unmute(connection: Any, recipient: str, subject: str) -> bool:
    """Tell of it again; return whether it was muted."""
    return bool(await connection.fetch(_UNMUTE, CHANNEL, recipient, subject))


async def mutes(connection: Any, recipient: str, now_ns: int) -> list[Any]:
    """Return what is muted (subject, until_ns), what ends first first."""
    return list(await connection.fetch(_MUTES, CHANNEL, recipient, now_ns))


async def prefer(connection: Any, recipient: str, kind: str, severity: str, mode: str) -> None:
    """Set how a kind and severity is told."""
    await connection.execute(_PREFER, CHANNEL, recipient, kind, severity, mode)


async def preferences(connection: Any, recipient: str) -> list[Any]:
    """Return (kind, severity, mode) of what was set."""
    return list(await connection.fetch(_PREFERENCES, CHANNEL, recipient))


async def invited(connection: Any, user_id: int) -> Role | None:
    """Return what an invite made a user."""
    name = await connection.fetchval(_MEMBER, user_id)
    return None if name is None else _ROLES[name]


async def invite(connection: Any, code: str, role: Role, by_user: int, until_ns: int) -> None:
    """Keep the hash of a code that makes one user a member."""
    await connection.execute(_INVITE, _hash(code), _NAMES[role], by_user, until_ns)


async def redeem(connection: Any, code: str, user_id: int, now_ns: int) -> Role | None:
    """Make a user what the code says, once; None when it says nothing."""
    row = await connection.fetchrow(_REDEEM, _hash(code), user_id, now_ns)
    if row is None:
        return None
    await connection.execute(_JOIN, user_id, row["role"], row["by_user"], now_ns)
    return _ROLES[row["role"]]


async def expel(connection: Any, user_id: int) -> bool:
    """Forget an invited user; return whether there was one."""
    return bool(await connection.fetch(_LEAVE, user_id))


async def audit(connection: Any, at_ns: int, user_id: int, chat: str, action: str, detail: str) -> None:
    """Write down what somebody did that others will ask about."""
    await connection.execute(_AUDIT, at_ns, user_id, chat, action, detail)


def _hash(code: str) -> bytes:
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).digest()
