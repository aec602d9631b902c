"""What the layer `order_flow` is told."""

from msgspec import Struct

from libs.common.events import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS


class OrderFlowParameters(Struct, frozen=True, kw_only=True):
    """Choices, not findings."""

    levels: int = 5
    horizon_ns: int = 30 * SECOND_NS
    stale_ns: int = 10 * SECOND_NS
    event_window_ns: int = 10 * MINUTE_NS
    """Events are counted over it."""
    events_kept: int = 256
    """Times of each kind."""

    buckets: int = 120
    """Seconds of the tape for Kyle, Amihud and Roll."""
    least_buckets: int = 30
    costs_every_ns: int = 5 * SECOND_NS

    balance_halves: int = 5
    """Buckets of the queue imbalance on either side of balance, for the micro-price."""
    spread_ticks: int = 3
    """Spreads told apart, in ticks; the last one is `or wider`."""
    micro_every_ns: int = MINUTE_NS
    """How often its table is made anew; counts are kept as long as sizes."""
    least_moves: int = 200
    """Changes of the mid."""
    least_visits: int = 30
    """Visits to a state."""

    components_ns: int = HOUR_NS
    """Memory of how flows of the levels move together."""
    components_every_ns: int = MINUTE_NS
    least_components: int = 120
    """Seconds."""

    vpin_buckets: int = 50
    vpin_learn_ns: int = MINUTE_NS
    vpin_learn_buckets: int = 10
    """Volume of the learning time over it is one bucket."""

    sizes_ns: int = DAY_NS // 2
    """Half of the longest memory of sizes."""
    least_sizes: int = 200
    """Fewer runs or windows than that have no 95th percentile to speak of."""
    sizes_every_ns: int = 10 * SECOND_NS
    """How often thresholds are read anew."""
    run_ns: int = 100_000_000
    """Trades of one side within it are one run."""
    sweep_levels: int = 3
    sweep_share: float = 0.95
    large_share: float = 0.999
    least_large: int = 2_000
    replenish_ns: int = SECOND_NS

    absorb_ns: int = 5 * SECOND_NS
    absorb_share: float = 0.9
    least_windows: int = 20
    absorb_one_sided: float = 0.5
    """|bought - sold| over their sum, at least."""
    absorb_ticks: float = 1.0
    absorb_refilled: float = 0.7

    iceberg_factor: float = 3.0
    iceberg_refills: int = 3

    footprint_ns: int = MINUTE_NS
    footprint_rows: int = 4_096
    stack_ratio: float = 3.0
    stack_rows: int = 3
    stack_least: float = 1.0
    """Least volume of a row, in average rows of its side."""
    marks: int = 8
    mark_ns: int = 30 * MINUTE_NS
    """A zone is forgotten after it."""

    cluster_sigmas: float = 4.0
    cluster_least_minutes: int = 60
    cluster_trailing_minutes: int = 7 * 1_440
    cluster_rows: int = 1_024
    cascade_clusters: int = 3
    cascade_ns: int = 10 * MINUTE_NS
    cascade_interest: float = 0.005
    """Fall of open interest over it that confirms one."""
    sampled_venues: tuple[str, ...] = ("binance-usdm", "binance-coinm", "okx")
    """Venues that tell a part of their liquidations: sums are lower bounds."""
    most_marks: int = 8
