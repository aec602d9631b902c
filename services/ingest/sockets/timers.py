"""How patient a connection is."""

from msgspec import Struct


class Timers(Struct, frozen=True, kw_only=True):
    """How patient a connection is; seconds."""

    connect_s: float = 30.0
    close_s: float = 1.0
    send_s: float = 5.0
    first_data_s: float = 60.0
    """Trades or a book that have not come by then are asked for again, then their connection is made anew, once."""
    subscribe_spacing_s: float = 0.25
    """Between two frames to the venue: 5 a second are allowed by the strictest."""
    resubscribe_spacing_s: float = 2.0
    snapshot_spacing_s: float = 0.5
    resyncs: int = 20
    """Fresh books of one symbol in ten minutes; beyond that the whole connection is made anew."""
