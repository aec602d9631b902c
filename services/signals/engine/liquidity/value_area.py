"""Rows of a volume profile in, its point of control and value area out."""

from collections.abc import Sequence
from typing import Final

TWO_ROWS: Final = "two_rows"
ONE_ROW: Final = "one_row"


def point_of_control(volumes: Sequence[float], fair: float) -> int:
    """Return the position of the largest row; of equals the one nearest `fair` (the VWAP, as a position), then lower.

    `fair` counts from the first row's centre, in rows.
    """
    most = max(volumes)
    return min((at for at, volume in enumerate(volumes) if volume == most), key=lambda at: (abs(at - fair), at))


def value_area(
    volumes: Sequence[float], control: int, share: float = 0.7, method: str = TWO_ROWS
) -> tuple[int, int, float]:
    """Return the first and last position of the value area, and its volume.

    It grows from `control` until it holds `share` of all volume. `two_rows` compares the sums of the next two rows
    above and below, and takes the larger pair (a pair that is cut off by the end is what is left of it); `one_row`
    compares and takes single rows. Of equal sums the one above is taken. E2.26: the methods differ, so say which.
    """
    step = 2 if method == TWO_ROWS else 1
    low = high = control
    held, wanted = volumes[control], share * sum(volumes)
    while held < wanted and (low > 0 or high < len(volumes) - 1):
        above, below = volumes[high + 1 : high + 1 + step], volumes[max(0, low - step) : low]
        if above and (not below or sum(above) >= sum(below)):
            high += len(above)
            held += sum(above)
        else:
            low -= len(below)
            held += sum(below)
    return low, high, held
