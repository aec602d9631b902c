"""Best levels in; the price they point at out: the micro-price, learned from how this market moved before.

Source: Stoikov (2018), "The micro-price": P = M + G*(I, S), where I = qb / (qb + qa), S the spread, and G* the sum of
all expected later changes of the mid M, from a Markov chain over (I, S) between changes of the book.

With Q the transitions that leave the mid, T those that change it, and r the expected change in one step, his
G* = sum B^i G1, G1 = (I - Q)^-1 r, B = (I - Q)^-1 T, solves (I - Q - T) G* = r. The data are symmetrised as his are
(I -> 1 - I, dM -> -dM): then G*(1 - I, S) = -G*(I, S), half of the states are enough, and the system has one solution.
"""

from msgspec import Struct, field

from services.signals.engine.flow.equations import solve
from services.signals.engine.parameters.order_flow import OrderFlowParameters

_HALF = 1e-9
"""What lies nearer than this to the middle counts as balanced."""


def state(bid: tuple[float, float], ask: tuple[float, float], tick: float, told: tuple[int, int]) -> tuple[int, int]:
    """Return (row, sign) of a touch: row of the half in which the bid is heavier, sign -1 where the ask is.

    `told`: buckets of half the balance, and buckets of the spread in ticks (the last one open). The sign is 0 in
    perfect balance, where symmetry leaves nothing to say.
    """
    halves, spreads = told
    balance = 2 * bid[1] / (bid[1] + ask[1]) - 1
    if -_HALF < balance < _HALF:
        return 0, 0
    wide = min(max(1, round((ask[0] - bid[0]) / tick)), spreads) - 1
    row = wide * halves + min(halves - 1, int(abs(balance) * halves))
    return row, 1 if balance > 0 else -1


class Counts(Struct):
    """What was seen in one span of time; rows as `state` numbers them."""

    visits: list[int] = field(default_factory=list)
    signed: list[int] = field(default_factory=list)
    """Transitions by `row * rows + next row`: those that kept the heavier side less those that changed it."""
    pulls: list[float] = field(default_factory=list)
    """Sums of the next change of the mid, in ticks, towards the heavier side."""
    moves: int = 0

    @classmethod
    def empty(cls, rows: int) -> "Counts":
        """Return counts of nothing."""
        return cls([0] * rows, [0] * (rows * rows), [0.0] * rows)

    def step(self, before: tuple[int, int], now: tuple[int, int], moved: float) -> None:
        """Count one transition, out of a state that is not in balance."""
        row, sign = before
        self.visits[row] += 1
        self.signed[row * len(self.visits) + now[0]] += sign * now[1]
        if moved:
            self.pulls[row] += sign * moved
            self.moves += 1


class MicroPrice(Struct):
    """Counts of two generations (between one and two spans of the past), and the table last computed from them."""

    halves: int
    spreads: int
    span_ns: int
    every_ns: int
    least: int
    """Changes of the mid below which no table is made."""
    least_row: int
    """Visits below which a state is unknown."""
    tick: float = 0.0
    open_ns: int = -1
    young: Counts = field(default_factory=Counts)
    old: Counts = field(default_factory=Counts)
    solved_ns: int = -1
    table: list[float | None] = field(default_factory=list)
    """G* by row, in ticks, towards the heavier side; empty while unknown, None for a state hardly seen."""
    last: tuple[int, int] | None = None
    middle: float = 0.0

    @classmethod
    def new(cls, told: OrderFlowParameters) -> "MicroPrice":
        """Return one that knows nothing."""
        return cls(
            halves=told.balance_halves,
            spreads=told.spread_ticks,
            span_ns=told.sizes_ns,
            every_ns=told.micro_every_ns,
            least=told.least_moves,
            least_row=told.least_visits,
        )

    def take(self, at_ns: int, bid: tuple[float, float], ask: tuple[float, float], tick: float) -> None:
        """Take the touch after a change of it. Another tick makes other states: everything learned is forgotten."""
        if tick != self.tick:
            self.tick, self.last, self.table, self.open_ns = tick, None, [], -1
            self.young = self.old = Counts()
        self._age(at_ns)
        now = state(bid, ask, tick, (self.halves, self.spreads))
        middle = (bid[0] + ask[0]) / 2
        if self.last is not None and self.last[1]:
            self.young.step(self.last, now, round(2 * (middle - self.middle) / tick) / 2)
        self.last, self.middle = now, middle
        if at_ns - self.solved_ns >= self.every_ns:
            self.solved_ns = at_ns
            self._solve()

    def lose(self) -> None:
        """Break the chain: what led to the next touch is unknown."""
        self.last = None

    def offset(self, bid: tuple[float, float], ask: tuple[float, float]) -> float | None:
        """Return P - M in units of price; None while too little was seen, or nothing in such a state."""
        if not self.table or self.tick <= 0:
            return None
        row, sign = state(bid, ask, self.tick, (self.halves, self.spreads))
        pull = self.table[row] if sign else 0.0
        return None if pull is None else sign * pull * self.tick

    def _age(self, at_ns: int) -> None:
        rows = self.halves * self.spreads
        if self.open_ns < 0:
            self.open_ns = self.solved_ns = at_ns
            self.young, self.old = Counts.empty(rows), Counts.empty(rows)
        elif at_ns - self.open_ns >= self.span_ns:
            self.open_ns = at_ns
            self.young, self.old = Counts.empty(rows), self.young

    def _solve(self) -> None:
        young, old, rows = self.young, self.old, self.halves * self.spreads
        if young.moves + old.moves < self.least:
            return
        known = [row for row in range(rows) if young.visits[row] + old.visits[row] >= self.least_row]
        signed = [a + b for a, b in zip(young.signed, old.signed, strict=True)]
        matrix = [
            [(young.visits[row] + old.visits[row] if row == to else 0) - signed[row * rows + to] for to in known]
            for row in known
        ]
        found = solve(matrix, [young.pulls[row] + old.pulls[row] for row in known])
        if found is not None:
            self.table = [None] * rows
            for row, pull in zip(known, found, strict=True):
                self.table[row] = pull
