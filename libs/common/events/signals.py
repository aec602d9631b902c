"""What we think of markets: readings of layers, signals, verdicts on them, and what became of them."""

from typing import TypeAlias

from msgspec import Struct, field

from libs.common.events.words import Barrier, Decision, Direction, Label, Origin, Timeframe

Fact: TypeAlias = float | int | str | bool | None
"""A named piece of evidence. None means: could not be computed."""


class _Opinion(Struct, frozen=True, kw_only=True, tag_field="type"):
    venue: str
    symbol: str
    origin: Origin = Origin.LIVE


class LayerReading(_Opinion, frozen=True, kw_only=True, tag="layer_reading"):
    """What one layer of the engine reads in the market at one moment."""

    layer: str
    """Name of the layer: `cvd`, `order_flow`, `technicals`."""
    timeframe: Timeframe | None = None
    """The bars it was read from; absent for a layer that reads ticks."""
    as_of_ns: int
    """Event time up to which the market was used."""
    score: float
    """In [-1, 1]; the sign is the direction."""
    confidence: float
    """In [0, 1]; 0 abstains, and `facts["cause"]` says why."""
    facts: dict[str, Fact] = field(default_factory=dict)
    """The evidence: named numbers, units in the names."""


class Target(Struct, frozen=True, kw_only=True):
    """One take-profit level."""

    price: float
    reward_to_risk: float
    """Net of fees: (reward - cost) / (risk + cost)."""


class Plan(Struct, frozen=True, kw_only=True):
    """How a signal would be traded; prices in quote currency."""

    entry_low: float
    entry_high: float
    """The entry zone, low < high."""
    stop: float
    targets: tuple[Target, ...]
    """Three, nearest first."""
    expires_ns: int
    """After this the plan is void."""
    invalidation: str
    """One sentence: what would prove it wrong before the stop does."""
    stop_basis: str
    """What the stop rests on: `structure`, `atr`."""
    atr: float
    """Average true range it was scaled by, in quote currency."""
    fee_rate: float
    """Taker fee a side, as a fraction, that the ratios include."""
    break_even_hit_rate: float
    """Hit rate at the first target at which the expectation after fees is zero."""


class Contribution(Struct, frozen=True, kw_only=True):
    """One layer's share in a signal's score."""

    layer: str
    score: float
    confidence: float
    weight: float
    """After renormalisation over the layers that spoke; the weights sum to 1."""
    contribution: float
    """weight x score; the contributions sum to the signal's score."""


class Absence(Struct, frozen=True, kw_only=True):
    """A layer that did not speak, and why."""

    layer: str
    cause: str


class Signal(_Opinion, frozen=True, kw_only=True, tag="signal"):
    """What the deterministic engine believes at the close of one bar, and from which inputs."""

    signal_id: str
    """Deterministic: from venue, symbol, timeframe, as_of_ns and engine version."""
    timeframe: Timeframe
    as_of_ns: int
    """Close of the bar: no input after it was used."""
    known_at_ns: int
    """Event time of the message that let us know that the bar had closed."""
    direction: Direction
    label: Label
    score: float
    """In [-1, 1]."""
    confidence: float
    """In [0, 1]: coverage by layers times their own confidence; not a probability."""
    price: float
    """Last trade price at `as_of_ns`, in quote currency."""
    contributions: tuple[Contribution, ...]
    absent: tuple[Absence, ...] = ()
    readings: tuple[LayerReading, ...] = ()
    plan: Plan | None = None
    """Absent on a neutral signal or an abstention."""
    probability: float | None = None
    """Of the first target before the stop. Absent until a calibrated model has passed its gate."""
    probability_status: str = "unproven"
    """`unproven` until outcomes have proven a probability."""
    abstained: str | None = None
    """Why the engine refuses to judge; then direction is neutral and the score 0."""
    inputs: dict[str, str] = field(default_factory=dict)
    """What reproduces it: engine version, configuration hash, last trade id, bar source."""


class Verdict(_Opinion, frozen=True, kw_only=True, tag="verdict"):
    """The judged signal; the judge may withhold, never invent."""

    signal: Signal
    decision: Decision
    rationale: str
    judge: str
    """A model's name, or `rules`."""
    decided_ns: int


class Outcome(_Opinion, frozen=True, kw_only=True, tag="outcome"):
    """What became of a signal, after costs."""

    signal_id: str
    timeframe: Timeframe
    resolved_ns: int
    barrier: Barrier
    r_multiple: float | None
    """Profit in units of the risk, after fees; absent when unresolved."""
    mfe: float | None
    """Maximum favourable excursion, in units of the risk."""
    mae: float | None
    """Maximum adverse excursion, in units of the risk."""


SignalEvent: TypeAlias = LayerReading | Signal | Verdict | Outcome
