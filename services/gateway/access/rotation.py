"""What may be made of a key: a wish or a living key, and who asks, in; a new key or a problem out."""

from collections.abc import Collection
from typing import Final

from msgspec import Struct, structs

from services.gateway.access.keyring import end_of
from services.gateway.access.keys import KeyRow, NewKey, mint
from services.gateway.access.principal import Principal
from services.gateway.access.scopes import ROLES, Scope, expand
from services.gateway.limits.policy import PLANS
from services.gateway.problems import Problem, field_problem

DAY_NS: Final = 86_400 * 1_000_000_000
USUAL_DAYS: Final = 90
MOST_DAYS: Final = 365
USUAL_OVERLAP_S: Final = 86_400
MOST_OVERLAP_S: Final = 7 * 86_400
MOST_KEYS: Final = 100
"""Living keys of one person."""


class Grant(Struct, frozen=True, kw_only=True):
    """What a new key is to be."""

    name: str
    scopes: tuple[Scope, ...]
    days: int = USUAL_DAYS
    limits: str | None = None
    """None: the giver's own."""
    quota_day: int | None = None


def give(by: Principal, grant: Grant, now_ns: int) -> NewKey:
    """Make a key of the giver's; it opens nothing that the giver's own credential does not, and costs no more a day.

    Raises:
        Problem: `forbidden` for more than the giver has, `invalid_body` for what there is not.
    """
    within(by, grant.scopes)
    limits = grant.limits or by.limits
    if limits not in PLANS:
        raise field_problem("invalid_body", "limits", f"must be one of {', '.join(PLANS)}")
    quota = by.quota_day if grant.quota_day is None else grant.quota_day
    beyond = PLANS[limits] > PLANS.get(by.limits, 1) or (by.quota_day is not None and (quota or 0) > by.quota_day)
    if beyond and not by.may(Scope.ADMIN_KEYS):
        raise Problem("forbidden", f"limits beyond one's own need the scope {Scope.ADMIN_KEYS}")
    key = mint(grant.name, tuple(map(str, grant.scopes)), at_ns=now_ns, expires_ns=now_ns + grant.days * DAY_NS)
    return NewKey(key.text, structs.replace(key.row, owner=by.subject, role=by.role, limits=limits, quota_day=quota))


def follow(by: Principal, row: KeyRow, now_ns: int) -> NewKey:
    """Make the key that follows another: everything is carried over, and it lasts as long as the other was made for.

    Raises:
        Problem: `conflict` for a key that has ended or is followed already, `forbidden` for one that opens more.
    """
    if reason := end_of(row, now_ns):
        raise Problem("conflict", f"the key is {reason}: make a new one")
    if row.rotated_to is not None:
        raise Problem("conflict", f"the key is followed by {row.rotated_to} already: rotate that one")
    within(by, expand(row.scopes) & ROLES[row.role])
    expires_ns = None if row.expires_ns is None else now_ns + row.expires_ns - row.created_ns
    key = mint(row.name, row.scopes, at_ns=now_ns, expires_ns=expires_ns)
    carried = structs.replace(key.row, owner=row.owner, role=row.role, limits=row.limits, quota_day=row.quota_day)
    return NewKey(key.text, carried)


def within(by: Principal, scopes: Collection[Scope]) -> None:
    """Let pass what the giver has.

    Raises:
        Problem: `forbidden`, naming what is not theirs to give.
    """
    if lacking := sorted(scope for scope in scopes if scope not in by.scopes):
        raise Problem("forbidden", f"you do not have and cannot give: {', '.join(lacking)}")
