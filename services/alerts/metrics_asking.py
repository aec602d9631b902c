"""What asking the rules about markets and our own processes counts."""

from typing import Final

from prometheus_client import Counter, Histogram

CONDITIONS: Final = Counter("csx_alerts_conditions_total", "Conditions evaluated.", ["result"])
CONDITION_SECONDS: Final = Histogram(
    "csx_alerts_condition_seconds",
    "One condition about one subject.",
    buckets=(0.000005, 0.00001, 0.00002, 0.00005, 0.0001, 0.001, 0.01),
)
FIRED: Final = Counter("csx_alerts_fired_total", "Rules that fired, but for those about signals.", ["kind", "result"])
"""`told`; or `stale`: it was no use any more when it was heard."""
