"""What we think of markets: readings of layers, signals, verdicts on them, and what became of them."""

from enum import StrEnum, unique
from typing import Final, TypeAlias

from msgspec import Struct, field

from libs.common.events.words import Barrier, Decision, Direction, Label, Origin, Timeframe

Fact: TypeAlias = float | int | str | bool | None
"""A named piece of evidence. None means: could not be computed."""


class _Opinion(Struct, frozen=True, kw_only=True, tag_field="type"):
    venue: str
    symbol: str
    origin: Origin = Origin.LIVE


class Mark(Struct, frozen=True, kw_only=True):
    """A price or zone that a layer holds to matter: a structure, a level, a wall."""

    kind: str
    """`order_block`, `fair_value_gap`, `swing_high`, `previous_day_low`, `fib_618`, `poc`, `bid_wall`."""
    low: float
    high: float
    """The zone in quote currency; equal to `low` for a line."""
    side: int
    """+1 supports a price above it, -1 resists a price below it, 0 neither."""
    strength: float
    """In [0, 1], by its layer's own measure."""
    formed_ns: int
    """Event time of what it consists of."""
    known_ns: int
    """When it could be known; never before `formed_ns`."""
    state: str = ""
    """Where it stands in its life: `fresh`, `touched`, `mitigated`, `invalidated`, `MODEL`."""
    mark_id: str = ""
    """The same for one structure in every reading; empty where it has no life of its own."""


class LayerReading(_Opinion, frozen=True, kw_only=True, tag="layer_reading"):
    """What one layer of the engine reads in the market at one moment."""

    layer: str
    """`smc`, `cvd`, `order_flow`, `technicals`, `timeframes`, `fibonacci`, `liquidity`; `factors` has no say."""
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
    marks: tuple[Mark, ...] = ()
    """The prices it speaks of, nearest first."""


class Target(Struct, frozen=True, kw_only=True):
    """One take-profit level."""

    price: float
    reward_to_risk: float
    """Net of fees: (reward - cost) / (risk + cost)."""


class Sizing(Struct, frozen=True, kw_only=True):
    """How large a position this plan would carry for each unit of equity, and what limits it."""

    risk_fraction: float
    """Equity lost at the stop before volatility and caps, as a fraction."""
    volatility_factor: float
    """By how much the ATR scales it, as bounded."""
    notional_fraction: float
    """Position value over equity, after every cap that does not depend on equity."""
    binding: str
    """What set it: `risk`, `leverage`, `notional`."""
    depth_notional: float | None = None
    """Most quote currency that the book should carry, as a share of its depth; absent without a book."""


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
    sizing: Sizing | None = None


class Contribution(Struct, frozen=True, kw_only=True):
    """One layer's share in a signal's score."""

    layer: str
    score: float
    confidence: float
    weight: float
    """After renormalisation over the layers that spoke; the weights sum to 1."""
    contribution: float
    """weight x score; the contributions sum to the signal's score."""
    group: str = ""
    """Layers of one group look at the same thing and are capped together."""
    log_odds: float = 0.0
    """Its share in the signal's log-odds; with `intercept` they sum to them."""


class Challenger(Struct, frozen=True, kw_only=True):
    """What a trained model says beside the one that decides; it changes nothing."""

    model: str
    """Name and hash of the artefact."""
    status: str
    """`unproven`, or the gate that it passed."""
    probability_up: float
    log_odds: float
    intercept: float = 0.0
    contributions: dict[str, float]
    """By layer, in log-odds; with `intercept` they sum to `log_odds`."""


class Absence(Struct, frozen=True, kw_only=True):
    """A layer that did not speak, and why."""

    layer: str
    cause: str


class Calibration(Struct, frozen=True, kw_only=True):
    """How often signals of about the same probability were right, on data that their model's training never saw."""

    n: int
    """Outcomes."""
    observed: float
    """Share of them that the direction was right in."""
    low: float
    """Of the 95 % band around it."""
    high: float


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
    log_odds: float = 0.0
    """Of an upward move against a downward one: intercept plus the contributions' log-odds."""
    intercept: float = 0.0
    probability: float | None = None
    """1 / (1 + exp(-log_odds)) in the signal's direction; absent when it has none. It is worth what its status says."""
    probability_status: str = "unproven"
    """`unproven` until outcomes have proven a probability: then it is what fixed weights imply, not a hit rate."""
    calibration: Calibration | None = None
    """What proved the probability; absent while nothing has."""
    model: str = "scorecard"
    """What decided: `scorecard`, or the name and hash of a trained artefact."""
    challenger: Challenger | None = None
    effective_layers: float | None = None
    """How many independent voices spoke: correlated layers count once; in [1, layers]."""
    conflict: float | None = None
    """Share of the evidence that speaks against the direction, in [0, 0.5]; absent when nothing spoke."""
    regime: str | None = None
    """`trend`, `range`, `volatile` or `quiet`; absent while its measures warm up."""
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


MOST_ROWS: Final = 400
"""Of a `Profile`."""


@unique
class ProfileKind(StrEnum):
    """What a `Profile` counts by price, and so what `a` and `b` of its rows are."""

    BOOK = "book"
    """Resting orders as last sampled: a of bids, b of asks. Bins that are not listed are not known."""
    VOLUME = "volume"
    """Traded since `from_ns`, of this UTC day: a bought by takers, b sold by takers."""
    LIQUIDATIONS = "liquidations"
    """Liquidations that the venue told, halved every four hours: a of longs, b of shorts. A lower bound."""


class ProfileRow(Struct, frozen=True, array_like=True):
    """One price bin, [low, low + width) of its profile; amounts in base units."""

    low: float
    """Quote currency."""
    a: float
    b: float


class Profile(_Opinion, frozen=True, kw_only=True, tag="profile"):
    """What one market holds by price at one moment, for a heatmap or a profile; nothing is concluded from it."""

    kind: ProfileKind
    as_of_ns: int
    """Event time up to which the market was used; of `book`, when it was sampled."""
    from_ns: int | None = None
    """Since when it was gathered; absent where it is a state or forgets."""
    width: float | None = None
    """Of every bin, quote currency; absent with `cause`."""
    rows: tuple[ProfileRow, ...] = ()
    """Ascending, at most `MOST_ROWS`: of more, those nearest the price."""
    left_out: int = 0
    """Rows farther away than those."""
    cause: str | None = None
    """Why there is nothing: a word of the layer `liquidity`, `no_trades`, `none_heard`; absent where there is."""


SignalEvent: TypeAlias = LayerReading | Signal | Verdict | Outcome | Profile
