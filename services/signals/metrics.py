"""What the signals service counts."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

EVENTS: Final = Counter("csx_signals_events_total", "Market events folded.", ["type"])
OUTPUTS: Final = Counter("csx_signals_outputs_total", "Readings, signals and candles made.", ["type"])
PROFILES: Final = Counter("csx_signals_profiles_total", "Profiles by price published, three a market and time.")
ABSTAINED: Final = Counter("csx_signals_abstentions_total", "Signals that abstained.", ["timeframe"])
VERDICTS: Final = Counter("csx_signals_verdicts_total", "Verdicts by decision.", ["decision"])
FAULTS: Final = Counter("csx_signals_symbol_faults_total", "Markets reset because an event broke them.", ["venue"])
FOLD_SECONDS: Final = Histogram(
    "csx_signals_fold_seconds",
    "Time in the engine for one released batch of a partition.",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2),
)
HELD_BACK: Final = Gauge("csx_signals_held_back_records", "Records waiting for another topic.", ["partition"])
SNAPSHOTS: Final = Counter("csx_signals_snapshots_total", "Snapshots written.", ["partition"])
SNAPSHOT_BYTES: Final = Gauge("csx_signals_snapshot_bytes", "Size of the newest snapshot.", ["partition"])
REPLAYED: Final = Counter("csx_signals_replayed_total", "Events folded again at recovery.")
RECOVERIES: Final = Counter("csx_signals_recoveries_total", "Partitions taken over, by what was found.", ["found"])
SIGNAL_DELAY: Final = Histogram(
    "csx_signals_delay_seconds",
    "From the frame that closed the bar to the acknowledged signal.",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
