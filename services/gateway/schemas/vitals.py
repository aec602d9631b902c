"""Views of this process itself: what it waits for, and where its memory is. Pure."""

from msgspec import Struct

from libs.common.events import Grade
from services.gateway.schemas.system import HealthView


class VenueHealth(Struct, frozen=True, kw_only=True):
    """How well one venue is heard, in short; `/v1/quality` has the whole report."""

    venue: str
    grade: Grade
    causes: tuple[str, ...]
    """What keeps it from being `a`, the worst first."""
    as_of_ns: int
    age_s: float
    """Since the gateway got the report."""


class HealthDetail(HealthView, frozen=True, kw_only=True):
    """How the feeds are, and the gateway that answers."""

    ready: bool
    """This replica serves well; `/readyz` says the same to machines."""
    faults: dict[str, str]
    """Why it does not, by what is missing."""
    venues: list[VenueHealth]
    lag_s: dict[str, float]
    """By projection: how old what it took in last was, while more waits; 0 when it has all."""
    limits: str
    """`together`: all replicas count in one place; `alone`: each for itself, and more strictly."""


class MemoryView(Struct, frozen=True, kw_only=True):
    """Where this replica's memory is."""

    as_of_ns: int
    resident_bytes: int
    limit_bytes: int | None
    """At nine tenths of it the process restarts; absent where there is none."""
    cache_bytes: int
    """Kept answers."""
    cache_answers: int
    stream_clients: int
    tasks: int
    """Of the event loop."""
    threads: int
    open_files: int
    garbage: tuple[int, int, int]
    """Objects that each generation of the collector waits for."""
    uncollectable: int


class TypeCount(Struct, frozen=True, kw_only=True):
    """Objects of one type."""

    type: str
    count: int
    bytes: int
    """Of the objects themselves, without what they point at."""


class DebugMemory(Struct, frozen=True, kw_only=True):
    """What the collector follows, by type."""

    memory: MemoryView
    objects: int
    took_s: float
    types: list[TypeCount]
    """The largest, by bytes."""
    tasks: dict[str, int]
    """Tasks of the event loop, by name."""
