"""What the confluence is told: how readings become one score, when it refuses, and how long a word is kept."""

from msgspec import Struct


class ConfluenceParameters(Struct, frozen=True, kw_only=True):
    """Choices, not findings."""

    group_cap: float = 0.5
    """Most that one group of layers may count, as a share of what all groups say; with n groups at least 1/n."""
    min_coverage: float = 0.6
    """Least share of the capped weights that must speak; below it the engine abstains."""
    gain: float = 1.0
    """Log-odds of all layers at +1 and sure: a prior near zero, for no weight has been earned by outcomes yet."""

    signal_score: float = 0.25
    """Least absolute score at which a BUY or SELL is entered."""
    strong_score: float = 0.5
    """Least absolute score at which a STRONG BUY or STRONG SELL is entered."""
    label_margin: float = 0.05
    """How far below its entry a word is kept."""

    conflict_score: float = 0.5
    """Two groups that speak against each other, both at least so loudly, are a conflict."""
    conflict_share: float = 0.2
    """Least share of the weights of a group that takes part in a conflict."""

    voices_half_life: float = 100.0
    """Closes after which a reading counts half in the covariance of the layers."""
    voices_min: int = 30
    """Closes at which a layer must have spoken before its covariance is used."""

    def __post_init__(self) -> None:
        """Refuse numbers that make no scorecard.

        Raises:
            ValueError: a number lies outside its range; the message names it.
        """
        if not 0 < self.group_cap <= 1:
            raise ValueError(f"group_cap must lie in (0, 1], not {self.group_cap}")
        if not 0 <= self.min_coverage <= 1:
            raise ValueError(f"min_coverage must lie in [0, 1], not {self.min_coverage}")
        if not 0 <= self.label_margin < self.signal_score <= self.strong_score - self.label_margin:
            raise ValueError("0 <= label_margin < signal_score <= strong_score - label_margin must hold")
