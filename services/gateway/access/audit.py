"""The audit in PostgreSQL: acts in, in the transaction that does them; records and the chain's state out."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

from msgspec import Struct

from libs.common.runtime.clock import now_ns
from services.gateway.access.chain import Body, Fault, Record, Verifier, encode, link
from services.gateway.access.principal import Principal

KEPT_NS: Final = 366 * 86_400 * 1_000_000_000
"""A record is kept for a year."""

_PAGE: Final = 1000

_LOCK: Final = "SELECT seq, hash FROM gateway.audit_head FOR UPDATE"

_ADD: Final = """
INSERT INTO gateway.audit (seq, at_ns, actor, action, target, address, request_id, body, previous, hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""

_MOVE: Final = "UPDATE gateway.audit_head SET seq = $1, hash = $2"

_COLUMNS: Final = """
SELECT seq, at_ns, actor, action, target, address, request_id, body, previous, hash FROM gateway.audit
"""

_FROM: Final = _COLUMNS + "WHERE seq >= $1 ORDER BY seq LIMIT $2"

_NEWEST: Final = (
    _COLUMNS
    + """
WHERE ($1::text IS NULL OR actor = $1)
  AND ($2::text IS NULL OR action = $2)
  AND ($3::text IS NULL OR target = $3)
  AND ($4::bigint IS NULL OR at_ns >= $4)
  AND ($5::bigint IS NULL OR at_ns < $5)
  AND ($6::bigint IS NULL OR seq < $6)
ORDER BY seq DESC
LIMIT $7
"""
)

_HEAD: Final = "SELECT seq, hash, first_seq, first_previous FROM gateway.audit_head"

_OLDEST_KEPT: Final = "SELECT min(seq) FROM gateway.audit WHERE at_ns >= $1"


class Act(Struct, frozen=True, kw_only=True):
    """One thing somebody did. `before` and `after` are what views show: never a secret, nor its digest."""

    who: Principal
    action: str
    """The operation's name, or another word: `session.reuse`."""
    target: str
    """What it was done to: an id."""
    address: str = ""
    request_id: str = ""
    before: Any = None
    after: Any = None


class Wanted(Struct, frozen=True, kw_only=True):
    """Which records; an absent field means any. Times are [from_ns, to_ns)."""

    actor: str | None = None
    action: str | None = None
    target: str | None = None
    from_ns: int | None = None
    to_ns: int | None = None


class Verdict(Struct, frozen=True, kw_only=True):
    """What became of the walk over the whole chain."""

    first_seq: int
    last_seq: int
    """The last record that fits."""
    hash: bytes
    fault: Fault | None
    met: bool | None = None
    """Whether the hash that was expected stands in the chain; None: none was expected."""


async def write(connection: Any, act: Act, at_ns: int | None = None) -> None:
    """Add a record in the caller's transaction, which it ends with: every other act waits from here to its end."""
    head = await connection.fetchrow(_LOCK)
    seq, previous = head["seq"] + 1, head["hash"]
    body = Body(
        at_ns=now_ns() if at_ns is None else at_ns,
        actor=act.who.subject,
        way=str(act.who.way),
        credential=act.who.credential,
        action=act.action,
        target=plain(act.target),
        address=plain(act.address),
        request_id=plain(act.request_id),
        before=act.before,
        after=act.after,
    )
    text = encode(body)
    hash_ = link(previous, seq, text)
    await connection.execute(
        _ADD,
        seq,
        body.at_ns,
        body.actor,
        body.action,
        body.target,
        body.address,
        body.request_id,
        text,
        previous,
        hash_,
    )
    await connection.execute(_MOVE, seq, hash_)


async def newest(connection: Any, wanted: Wanted, *, before_seq: int | None = None, limit: int) -> list[Record]:
    """Return records, newest first, before a place."""
    found = await connection.fetch(
        _NEWEST, wanted.actor, wanted.action, wanted.target, wanted.from_ns, wanted.to_ns, before_seq, limit
    )
    return [Record(**row) for row in found]


async def verify(pool: Any, *, expect: bytes | None = None) -> Verdict:
    """Walk the whole chain as it stands at one moment.

    Args:
        pool: of connections.
        expect: a hash noted earlier; whoever owns the database can write a new chain, but not with an old hash in it.
    """
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        head = await connection.fetchrow(_HEAD)
        verifier = Verifier(head["first_seq"], head["first_previous"])
        met = None if expect is None else expect == verifier.hash
        async for record in _walk(connection, head["first_seq"]):
            if verifier.feed(record):
                break
            met = met or (None if expect is None else record.hash == expect)
        fault = verifier.end(head["seq"], head["hash"])
    return Verdict(first_seq=head["first_seq"], last_seq=verifier.seq, hash=verifier.hash, fault=fault, met=met)


async def head(connection: Any) -> tuple[int, bytes]:
    """Return the newest record's number and hash."""
    row = await connection.fetchrow(_HEAD)
    return row["seq"], row["hash"]


async def prune(connection: Any, before_ns: int) -> int:
    """Remove the oldest records up to the first that is as young as `before_ns`; return how many.

    The head remembers what stood before the first that is left, in the same transaction: the rest stays verifiable.
    """
    await connection.fetchrow(_LOCK)
    top, top_hash = await head(connection)
    first_kept = await connection.fetchval(_OLDEST_KEPT, before_ns) or top + 1
    row = await connection.fetchrow(_COLUMNS + "WHERE seq = $1", first_kept)
    deleted = await connection.execute("DELETE FROM gateway.audit WHERE seq < $1", first_kept)
    await connection.execute(
        "UPDATE gateway.audit_head SET first_seq = $1, first_previous = $2",
        first_kept,
        row["previous"] if row else top_hash,
    )
    return int(deleted.rpartition(" ")[2])


async def _walk(connection: Any, first_seq: int) -> AsyncIterator[Record]:
    place = first_seq
    # from below the first too: what stands there does not belong
    if stray := await connection.fetchrow(_COLUMNS + "WHERE seq < $1 ORDER BY seq LIMIT 1", first_seq):
        yield Record(**stray)
    while page := await connection.fetch(_FROM, place, _PAGE):
        for row in page:
            yield Record(**row)
        place = page[-1]["seq"] + 1
        await asyncio.sleep(0)  # hashing a page takes milliseconds: others may go on


def plain(text: str) -> str:
    """Return a text that PostgreSQL takes: it has no zero character, nor half of a pair."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
