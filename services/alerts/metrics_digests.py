"""What is counted of digests."""

from typing import Final

from prometheus_client import Counter

DIGESTS: Final = Counter(
    "csx_alerts_digests_total", "Digests written; what they tell is `rolled_up` or `expired`.", ["channel"]
)
