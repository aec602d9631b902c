"""Views of keys, people and the audit, to those who may see them; a secret stands in no view but a new key's. Pure."""

from typing import Any, Literal

import msgspec
from msgspec import Struct

from services.gateway.access.chain import Record
from services.gateway.access.keyring import end_of
from services.gateway.access.keys import KeyRow
from services.gateway.access.people import User
from services.gateway.access.scopes import ROLES, Role, Scope, expand
from services.gateway.schemas.times import rfc3339

_DAY_NS = 86_400 * 1_000_000_000
_WARNINGS_DAYS = (1, 3, 14)


class KeyView(Struct, frozen=True, kw_only=True):
    """One key, without its secret."""

    key_id: str
    name: str
    owner: str
    prefix: str
    """How the key begins: what may be shown to tell keys apart."""
    scopes: tuple[Scope, ...]
    """What it opens now: what it was given, as far as its owner's role still allows it."""
    state: Literal["active", "ending", "revoked", "disabled", "replaced", "expired"]
    """`ending`: another has replaced it, and it ends at `ends_ns`."""
    created_ns: int
    created: str
    ends_ns: int | None
    ends: str | None
    ends_within_days: Literal[1, 3, 14] | None
    """A warning: it ends within so many days."""
    revoked_ns: int | None
    revoked: str | None
    last_used_ns: int | None
    """At most a minute old."""
    last_used: str | None
    uses: int
    rotated_to: str | None
    """The key that follows it."""
    limits: str
    quota_day: int | None
    """What a day's calls may cost; null: as much as is usual."""


class KeyList(Struct, frozen=True, kw_only=True):
    """A page of keys, newest first."""

    data: list[KeyView]
    has_more: bool
    next_cursor: str | None


class KeySecret(Struct, frozen=True, kw_only=True):
    """A key just made."""

    secret: str
    """The key itself: shown this once."""
    key: KeyView


class UsageHour(Struct, frozen=True, kw_only=True):
    """Calls of one operation within one hour."""

    hour_ns: int
    hour: str
    operation: str
    status_class: Literal[2, 4, 5]
    """The first digit of their statuses."""
    calls: int
    cost: int


class KeyUsage(Struct, frozen=True, kw_only=True):
    """What a key was used for, by hour and operation; newest first."""

    key_id: str
    from_ns: int
    to_ns: int
    calls: int
    """In the whole range."""
    cost: int
    data: list[UsageHour]
    complete: bool
    """False: the range holds more rows; ask for a shorter one."""


class Me(Struct, frozen=True, kw_only=True):
    """Who asks, as the gateway sees it."""

    way: str
    subject: str
    """The user's id; empty where reading needs no key."""
    name: str
    credential: str
    """The key's id, or the session's."""
    role: Role | None
    scopes: list[Scope]
    ends_ns: int | None
    ends: str | None
    limits: str
    quota_day: int | None


class UserView(Struct, frozen=True, kw_only=True):
    """One person."""

    user_id: str
    name: str
    role: Role
    signs_in_by: tuple[Literal["password", "oidc"], ...]
    created_ns: int
    created: str
    disabled_ns: int | None
    disabled: str | None


class UserList(Struct, frozen=True, kw_only=True):
    """A page of people, by id."""

    data: list[UserView]
    has_more: bool
    next_cursor: str | None


class AuditRecord(Struct, frozen=True, kw_only=True):
    """One act, as the chain holds it."""

    seq: int
    at_ns: int
    at: str
    actor: str
    way: str
    credential: str
    action: str
    target: str
    address: str
    request_id: str
    before: Any
    after: Any
    hash: str
    """Hexadecimal, of this record and the one before it."""


class AuditList(Struct, frozen=True, kw_only=True):
    """A page of the audit, newest first."""

    data: list[AuditRecord]
    has_more: bool
    next_cursor: str | None


class ChainState(Struct, frozen=True, kw_only=True):
    """What became of a walk over the whole chain."""

    intact: bool
    first_seq: int
    """The oldest record kept."""
    last_seq: int
    """The last record that fits."""
    head: str
    """Its hash: note it elsewhere, and ask later whether it still stands in the chain."""
    broken_seq: int | None
    """The first record at fault."""
    cause: str | None
    expected_stands: bool | None
    """Whether the hash that was sent stands in the chain; null: none was sent."""


def key_view(row: KeyRow, now_ns: int) -> KeyView:
    """Return a key as its owner sees it."""
    end, ends_ns = end_of(row, now_ns), row.ends_ns
    left = (
        None if ends_ns is None or end else next((d for d in _WARNINGS_DAYS if ends_ns - now_ns <= d * _DAY_NS), None)
    )
    return KeyView(
        key_id=row.key_id,
        name=row.name,
        owner=row.owner,
        prefix=f"csx_live_{row.key_id}",
        scopes=tuple(sorted(expand(row.scopes) & ROLES[row.role])),
        state=end or ("active" if row.until_ns is None else "ending"),  # type: ignore[arg-type]  # end_of says these words
        created_ns=row.created_ns,
        created=rfc3339(row.created_ns),
        ends_ns=ends_ns,
        ends=_time(ends_ns),
        ends_within_days=left,  # type: ignore[arg-type]  # one of the warnings
        revoked_ns=row.revoked_ns,
        revoked=_time(row.revoked_ns),
        last_used_ns=row.used_ns,
        last_used=_time(row.used_ns),
        uses=row.uses,
        rotated_to=row.rotated_to,
        limits=row.limits,
        quota_day=row.quota_day,
    )


def user_view(user: User) -> UserView:
    """Return a person as who administers them sees them."""
    ways: tuple[Literal["password", "oidc"], ...] = ("password",) if user.password else ()
    return UserView(
        user_id=user.user_id,
        name=user.name,
        role=user.role,
        signs_in_by=(*ways, "oidc") if user.oidc_subject else ways,
        created_ns=user.created_ns,
        created=rfc3339(user.created_ns),
        disabled_ns=user.disabled_ns,
        disabled=_time(user.disabled_ns),
    )


def audit_view(record: Record) -> AuditRecord:
    """Return a record for who may read the audit."""
    body = msgspec.json.decode(record.body)
    return AuditRecord(
        seq=record.seq,
        at_ns=record.at_ns,
        at=rfc3339(record.at_ns),
        actor=record.actor,
        way=str(body.get("way", "")),
        credential=str(body.get("credential", "")),
        action=record.action,
        target=record.target,
        address=record.address,
        request_id=record.request_id,
        before=body.get("before"),
        after=body.get("after"),
        hash=record.hash.hex(),
    )


def _time(ns: int | None) -> str | None:
    return None if ns is None else rfc3339(ns)
