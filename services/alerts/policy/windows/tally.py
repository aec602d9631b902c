"""What the windows leave aside in; how often, by reason, out."""

from msgspec import Struct


class Tally(Struct):
    """Nothing is left out unseen."""

    late: int = 0
    """Events older than all that their window still looks at."""
    repeated: int = 0
    """Events that were counted already."""
    dropped: int = 0
    """Events that a full window gave up, the oldest first: its sums are lower bounds since."""
    refused: int = 0
    """Events of markets beyond the most that are watched."""
    damaged: int = 0
    """Events whose numbers are none: not finite, or not above zero where they must be."""
    ahead: int = 0
    """Events more than a minute later than their receipt: a clock that is wrong must not empty the windows."""
    restarted: int = 0
    """Ranks that began anew, because their measure changed."""
