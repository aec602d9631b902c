"""What the layer `liquidity` is told."""

from msgspec import Struct

from libs.common.events import HOUR_NS, MINUTE_NS, SECOND_NS


class LiquidityParameters(Struct, frozen=True, kw_only=True):
    """Choices, not findings. Distances in basis points are of the price at which the market's grid was laid."""

    bin_bp: float = 4.0
    """Widest price bin; the grid takes 1, 2 or 5 times a power of ten, so bins are between 1.6 and 4 bp wide."""
    reach_bp: float = 100.0
    """How far from the mid resting depth is looked at."""
    near_bp: float = 30.0
    """Bins nearer than this are sampled every time, farther ones every `far_sample_ns`."""
    far_sample_ns: int = 5 * SECOND_NS
    inner_bins: int = 2
    """Bins beyond the mid that are still watched on each side: where a wall stood that the price has just taken."""
    sample_ns: int = SECOND_NS
    fast_half_life_ns: int = 30 * SECOND_NS
    slow_half_life_ns: int = 5 * MINUTE_NS
    presence_share: float = 0.5
    """A bin is there while it shows at least this share of its own recent peak."""
    earn_ns: int = MINUTE_NS
    """Time that a bin must have been watched for its persistence to count in full."""
    class_bins: int = 5
    """Bins that count as equally far, on each side."""
    wall_quantile: float = 0.8
    wall_ratio: float = 2.0
    """A wall shows at least this many times the quantile of the others that are equally far."""
    stale_ns: int = 10 * SECOND_NS
    horizon_ns: int = 5 * MINUTE_NS
    """Time in sync after which confidence is full."""
    partial_venues: tuple[str, ...] = ("binance-spot", "binance-usdm", "binance-coinm")
    """Venues whose changes go beyond their snapshot of 1,000 levels: what rests there unchanged is not known."""
    partial_levels: int = 900
    """Levels of such a snapshot that are known, as it is joined with changes that came while it was fetched."""

    value_area_share: float = 0.7
    node_prominence: float = 0.1
    """Least prominence of a node of the smoothed profile, as a share of its largest row."""
    profile_every_ns: int = 10 * SECOND_NS
    profile_full_ns: int = HOUR_NS
    """Time heard of a session after which its nodes count in full."""
    most_rows: int = 4096
    sessions_kept: int = 5

    liquidation_half_life_ns: int = 4 * HOUR_NS
    most_liquidation_bins: int = 512
    liquidation_ids: int = 1000

    leverages: tuple[float, ...] = (5.0, 10.0, 25.0, 50.0, 100.0)
    leverage_weights: tuple[float, ...] = (0.2, 0.2, 0.2, 0.2, 0.2)
    """Assumed, for nobody publishes them: equal, which claims least."""
    maintenance_margin: float = 0.004
    """As a fraction of the position; below 1 / leverage for each of them."""
    model_bin_bp: float = 20.0
    most_model_bins: int = 1024

    node_weight: float = 0.5
    liquidation_weight: float = 0.5
    """Most strength of a level of the profile, and of observed liquidations; a wall's is 1."""
    fade_bp: float = 20.0
    """At this distance a level or a bin counts 1/e."""
    level_floor: float = 0.25
    """Strength that is always thought on both sides, so that one weak level alone decides nothing."""
    least_bins: int = 3
    """Bins that both sides must be known for, to compare them."""
    least_strength: float = 0.05
    """Weaker levels count in the score, but are neither marks nor named as support or resistance."""
    gain: float = 0.5
    """Most absolute score: what rests in a book may be gone in a moment."""
    cost_bp: tuple[int, ...] = (5, 10, 25, 50, 100)
    depth_bp: int = 50
    most_marks: int = 12
