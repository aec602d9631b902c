"""What probes answer. Pure."""

from msgspec import Struct


class Liveness(Struct, frozen=True):
    """The process answers."""

    alive: bool = True


class Readiness(Struct, frozen=True):
    """Whether requests can be served, and why not."""

    ready: bool
    faults: dict[str, str]
