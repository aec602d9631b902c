"""Facts in; the subject about them, and whether they are worth telling yet, out."""

from typing import Final

from msgspec import Struct, field

from libs.common.conditions.subjects import Fact, Kind, Subject
from libs.common.events import SECOND_NS, Origin

_GROWN: Final = (21, 20)
"""Within a second a sum is told again when it has grown by a twentieth."""


class Told(Struct):
    """What was told last of one thing, so that rules are not asked about every event.

    Told is the first of each second of event time; within the second what turns a flag, exceeds a peak, or exceeds a
    sum by a twentieth. So a threshold on a flag or a peak is never missed, and one on a sum by less than 5 % until
    the next second; of n equal amounts within a second about 20 + 20 ln(n / 20) are told.
    """

    second: int = -1
    flags: list[bool] = field(default_factory=list)
    peaks: list[int] = field(default_factory=list)
    sums: list[int] = field(default_factory=list)

    def worth(self, at_ns: int, flags: list[bool], peaks: list[int], sums: list[int]) -> bool:
        """Return whether to tell, and remember that it is done; the lists are as long every time."""
        second, grown, of = at_ns // SECOND_NS, *_GROWN
        if (
            second == self.second
            and self.flags == flags
            and all(new <= old for new, old in zip(peaks, self.peaks, strict=True))
            and all(new * of < old * grown or new <= old for new, old in zip(sums, self.sums, strict=True))
        ):
            return False
        self.second, self.flags, self.peaks, self.sums = second, flags, peaks, sums
        return True


def subject(
    kind: Kind,
    market: tuple[str, str],
    at_ns: int,
    key: str,
    facts: dict[str, Fact],
    *,
    origin: Origin,
    valid_s: int,
) -> Subject:
    """Return the subject of a market (venue, symbol), which are facts too; `key` without the kind."""
    venue, symbol = market
    return Subject(
        kind=kind,
        venue=venue,
        symbol=symbol,
        at_ns=at_ns,
        facts={"venue": venue, "symbol": symbol, **facts},
        key=f"{kind}|{key}",
        origin=origin,
        valid_s=valid_s,
    )
