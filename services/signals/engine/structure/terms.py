"""The word for anything that is found in bars, and its life."""

from msgspec import Struct, field

from libs.common.events import Mark


class Moment(Struct, array_like=True):
    """A state and the close at which it was reached."""

    state: str
    at_ns: int


def structure_id(kind: str, side: int, formed_ns: int, known_ns: int) -> str:
    """Return the name of a structure, the same in every run over the same bars."""
    return f"{kind}|{'up' if side > 0 else 'down'}|{formed_ns}|{known_ns}"


class Structure(Struct):
    """One structure: what it is never changes, its state does, and each change is appended to its history."""

    kind: str
    side: int
    """+1 speaks for higher prices or lies below the market as support, -1 the mirror."""
    low: float
    high: float
    formed_ns: int
    """Open of the bar it is drawn at."""
    known_ns: int
    """Close of the bar that completed it: nothing may use it before."""
    size_atr: float | None = None
    """Height in ATR as of `known_ns`; absent while the ATR warms up, and for lines."""
    volume: float | None = None
    """Base units of the bars it consists of; absent where it consists of none."""
    delta: float | None = None
    """Base units bought less sold by takers in them; absent where the source does not tell."""
    history: list[Moment] = field(default_factory=list)
    bar: int = 0
    """Number of the bar it is drawn at."""

    @property
    def structure_id(self) -> str:
        """The same in every run over the same bars."""
        return structure_id(self.kind, self.side, self.formed_ns, self.known_ns)

    @property
    def state(self) -> str:
        """The newest state."""
        return self.history[-1].state

    def become(self, state: str, at_ns: int) -> None:
        """Reach `state`."""
        self.history.append(Moment(state, at_ns))

    def mark(self, side: int, strength: float) -> Mark:
        """Return it as a reading shows it."""
        return Mark(
            kind=self.kind,
            low=self.low,
            high=self.high,
            side=side,
            strength=strength,
            formed_ns=self.formed_ns,
            known_ns=self.known_ns,
            state=self.state,
            mark_id=self.structure_id,
        )
