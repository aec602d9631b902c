"""OKX's envelope around every REST answer in, its rows out. Pure."""

from msgspec import Raw, Struct, field, json

from services.ingest.venues.terms import AnswerError
from services.ingest.venues.wire import UNREADABLE


class _Answer(Struct):
    code: str
    msg: str = ""
    data: list[Raw] = field(default_factory=list)


_decode_answer = json.Decoder(_Answer).decode


def rows_of(body: bytes) -> list[Raw]:
    """Return the rows; the HTTP status is 200 for errors too, `code` decides.

    Raises:
        AnswerError: the venue refused, or the body is unreadable.
    """
    try:
        answer = _decode_answer(body)
    except UNREADABLE as e:
        raise AnswerError(f"okx: {e}") from e
    if answer.code != "0":
        raise AnswerError(f"okx: {answer.code} {answer.msg}")
    return answer.data
