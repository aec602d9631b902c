"""The chain of the audit: each record's hash covers the one before it, so that a change anywhere is found. Pure.

hash = SHA-256(previous hash | seq, 8 bytes, big-endian | body), where the body is canonical JSON of the whole act:
sorted keys, no spaces. A record's other columns repeat the body, for queries, and must agree with it.
"""

import hashlib
import hmac
from typing import Any, Final

import msgspec
from msgspec import Struct

ORIGIN: Final = bytes(32)
"""What stands before the first record."""


class Record(Struct, frozen=True, kw_only=True):
    """One record as it is stored."""

    seq: int
    at_ns: int
    actor: str
    action: str
    target: str
    address: str
    request_id: str
    body: bytes
    previous: bytes
    hash: bytes


class Fault(Struct, frozen=True):
    """Where a chain breaks first."""

    seq: int
    cause: str


class Body(Struct, frozen=True, kw_only=True):
    """The whole act, as a record's body holds it."""

    at_ns: int
    actor: str
    """The user's id."""
    way: str
    credential: str
    action: str
    target: str
    address: str
    request_id: str
    before: Any = None
    after: Any = None


_decode: Final = msgspec.json.Decoder(Body).decode


def encode(body: Body) -> bytes:
    """Return the canonical JSON of an act."""
    return msgspec.json.encode(body, order="sorted")


def link(previous: bytes, seq: int, body: bytes) -> bytes:
    """Return the hash of the record that stands after `previous`."""
    return hashlib.sha256(previous + seq.to_bytes(8, "big") + body).digest()


class Verifier:
    """Walks a chain record by record, from a known place."""

    def __init__(self, first_seq: int = 1, previous: bytes = ORIGIN) -> None:
        self.seq = first_seq - 1
        """The last record that fits."""
        self.hash = previous
        self.fault: Fault | None = None

    def feed(self, record: Record) -> Fault | None:
        """Return where the chain broke, with this record or before; None: it has not."""
        if self.fault is None:
            cause = self._cause(record)
            if cause is None:
                self.seq, self.hash = record.seq, record.hash
            else:
                self.fault = Fault(self.seq + 1, cause)
        return self.fault

    def end(self, head_seq: int, head_hash: bytes) -> Fault | None:
        """Return what is wrong once every record was fed and the head says where the chain ends."""
        if self.fault is None:
            if self.seq < head_seq:
                self.fault = Fault(self.seq + 1, "the record is missing: the end was cut off")
            elif self.seq > head_seq:
                self.fault = Fault(head_seq + 1, "the record stands after the head")
            elif not hmac.compare_digest(self.hash, head_hash):
                self.fault = Fault(self.seq, "the head holds another hash")
        return self.fault

    def _cause(self, record: Record) -> str | None:
        if record.seq != self.seq + 1:
            return "the record is missing" if record.seq > self.seq else "another record stands before its place"
        if not hmac.compare_digest(record.previous, self.hash):
            return "the record does not follow the one before it"
        if not hmac.compare_digest(record.hash, link(record.previous, record.seq, record.body)):
            return "the record was changed"
        try:
            body = _decode(record.body)
        except msgspec.MsgspecError:
            return "the record was changed"
        told = (body.at_ns, body.actor, body.action, body.target, body.address, body.request_id)
        if told != (record.at_ns, record.actor, record.action, record.target, record.address, record.request_id):
            return "the record's columns do not agree with its body"
        return None
