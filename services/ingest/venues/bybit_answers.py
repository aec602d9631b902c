"""Bybit's envelope around every REST answer in, its result out. Pure."""

from msgspec import Raw, Struct, field, json

from services.ingest.venues.terms import AnswerError
from services.ingest.venues.wire import UNREADABLE


class Result(Struct):
    """What an answer holds: a page of rows, or the time."""

    category: str = ""
    rows: list[Raw] = field(name="list", default_factory=list)
    cursor: str | None = field(name="nextPageCursor", default=None)
    nanos: str = field(name="timeNano", default="")


class _Envelope(Struct):
    code: int = field(name="retCode")
    message: str = field(name="retMsg", default="")
    result: Raw = field(default_factory=Raw)


_decode_envelope = json.Decoder(_Envelope).decode
_decode_result = json.Decoder(Result).decode


def result_of(body: bytes) -> Result:
    """Return what an answer holds; only `retCode` says whether it is one, `retMsg` varies.

    Raises:
        AnswerError: the venue refused, or the body is unreadable.
    """
    try:
        envelope = _decode_envelope(body)
        if envelope.code:
            raise AnswerError(f"bybit: {envelope.code} {envelope.message}")
        return _decode_result(envelope.result)
    except UNREADABLE as e:
        raise AnswerError(f"bybit: {e}") from e
