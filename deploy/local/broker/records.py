"""Record batches (magic 2): headers, checksums, single records, transaction markers. Pure.

Format: https://kafka.apache.org/documentation/#recordbatch. A batch is the client's own bytes; only its base offset
and leader epoch, which the checksum leaves out, are ever written by the broker.
"""

import zlib
from collections.abc import Iterator, Sequence
from mmap import mmap
from struct import Struct, error
from typing import Final, NamedTuple, TypeAlias

Buffer: TypeAlias = bytes | bytearray | memoryview | mmap

_HEADER: Final = Struct(">qiibIhiqqqhii")
HEADER_BYTES: Final = 61
_LENGTH_PREFIX: Final = 12  # base offset and length itself are outside of the length
_MAGIC: Final = 2
_CHECKED_FROM: Final = 21  # the checksum covers attributes to the end
_CODEC: Final = 0x07
_GZIP: Final = 1
_TRANSACTIONAL: Final = 0x10
_CONTROL: Final = 0x20
_INFLATED_LIMIT: Final = 64 << 20
_CASTAGNOLI: Final = 0x82F63B78


class Header(NamedTuple):
    """The 61 bytes at the start of a batch, in their order."""

    base_offset: int
    length: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @property
    def size(self) -> int:
        """Bytes of the whole batch."""
        return _LENGTH_PREFIX + self.length

    @property
    def last_offset(self) -> int:
        """Offset of the last record the batch had when it was written."""
        return self.base_offset + self.last_offset_delta

    @property
    def transactional(self) -> bool:
        """Whether it belongs to a transaction."""
        return bool(self.attributes & _TRANSACTIONAL)

    @property
    def control(self) -> bool:
        """Whether it is a broker's marker, not data."""
        return bool(self.attributes & _CONTROL)


class Record(NamedTuple):
    """One record; `raw` is all of its bytes, so that it can be written again unchanged."""

    offset: int
    timestamp: int
    key: bytes | None
    tombstone: bool
    raw: bytes


class UndecodableError(ValueError):
    """A batch whose records cannot be read here: an unknown codec, or damage."""


def header(data: Buffer, at: int = 0) -> Header | None:
    """Return the header at `at`, None if no whole, plausible batch of magic 2 begins there."""
    if at + HEADER_BYTES > len(data):
        return None
    found = Header._make(_HEADER.unpack_from(data, at))
    whole = found.length >= HEADER_BYTES - _LENGTH_PREFIX and at + found.size <= len(data)
    return found if whole and found.magic == _MAGIC and found.last_offset_delta >= 0 else None


def scan(data: Buffer) -> Iterator[tuple[int, Header]]:
    """Yield position and header of each batch in `data`, up to the first bytes that are none."""
    at = 0
    while (found := header(data, at)) is not None:
        yield at, found
        at += found.size


def _table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ _CASTAGNOLI if value & 1 else value >> 1
        table.append(value)
    return tuple(table)


_TABLE: Final = _table()


def crc32c(data: Buffer) -> int:
    """Return the Castagnoli checksum (RFC 3720, appendix B.4)."""
    crc, table = 0xFFFFFFFF, _TABLE
    for byte in bytes(data):
        crc = table[(crc ^ byte) & 255] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def intact(batch: Buffer) -> bool:
    """Whether `batch` is one whole batch with the checksum its header states."""
    found = header(batch)
    return found is not None and found.size == len(batch) and crc32c(batch[_CHECKED_FROM:]) == found.crc


def records(batch: bytes) -> list[Record]:
    """Return the records of one whole batch, plain or gzip.

    Raises:
        UndecodableError: another codec, or bytes that are no records.
    """
    head = header(batch)
    if head is None or head.attributes & _CODEC not in {0, _GZIP}:
        raise UndecodableError("no batch, or a codec that is not read here")
    body = batch[HEADER_BYTES:]
    try:
        if head.attributes & _CODEC == _GZIP:
            body = _inflate(body)
        found, at = [], 0
        for _ in range(head.record_count):
            record, at = _record(body, at, head)
            found.append(record)
    except (IndexError, error, zlib.error) as e:
        raise UndecodableError(str(e)) from e
    return found


def rebuild(head: Header, kept: Sequence[Record]) -> bytes:
    """Return the batch `head` with only `kept` in it, uncompressed; offsets and sequences stay what they were."""
    body = b"".join(record.raw for record in kept)
    changed = head._replace(
        length=HEADER_BYTES - _LENGTH_PREFIX + len(body), attributes=head.attributes & ~_CODEC, record_count=len(kept)
    )
    return _seal(changed, body)


def marker(producer_id: int, epoch: int, *, commit: bool, now_ms: int) -> bytes:
    """Return the control batch that ends a transaction; its base offset is still 0."""
    key = Struct(">hh").pack(0, 1 if commit else 0)
    value = Struct(">hi").pack(0, 0)
    body = b"\x00\x00\x00" + _zigzag(len(key)) + key + _zigzag(len(value)) + value + b"\x00"
    body = _zigzag(len(body)) + body
    length = HEADER_BYTES - _LENGTH_PREFIX + len(body)
    attributes = _TRANSACTIONAL | _CONTROL
    head = Header(0, length, 0, _MAGIC, 0, attributes, 0, now_ms, now_ms, producer_id, epoch, -1, 1)
    return _seal(head, body)


def commits(batch: Buffer) -> bool:
    """Whether a control batch is a commit marker; its record's header bytes are one byte each."""
    return bool(batch[HEADER_BYTES + 8])


def _seal(head: Header, body: bytes) -> bytes:
    checked = _HEADER.pack(*head)[_CHECKED_FROM:] + body
    return _HEADER.pack(*head._replace(crc=crc32c(checked)))[:_CHECKED_FROM] + checked


def _inflate(body: bytes) -> bytes:
    inflater = zlib.decompressobj(wbits=31)
    plain = inflater.decompress(body, _INFLATED_LIMIT)
    if inflater.unconsumed_tail:
        raise UndecodableError(f"inflates to more than {_INFLATED_LIMIT} bytes")
    return plain


def _record(body: bytes, at: int, head: Header) -> tuple[Record, int]:
    size, start = _varint(body, at)
    end = start + size
    if size < 0 or end > len(body):
        raise UndecodableError("a record reaches past its batch")
    timestamp_delta, cursor = _varint(body, start + 1)
    offset_delta, cursor = _varint(body, cursor)
    key_size, cursor = _varint(body, cursor)
    key = None if key_size < 0 else body[cursor : cursor + key_size]
    value_size, _ = _varint(body, cursor + max(key_size, 0))
    offset = head.base_offset + offset_delta
    return Record(offset, head.base_timestamp + timestamp_delta, key, value_size < 0, body[at:end]), end


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at
        shift += 7


def _zigzag(value: int) -> bytes:
    assert 0 <= value < 64, "one byte is enough for everything this broker writes itself"
    return bytes((value << 1,))
