"""What the rules of people are counted by."""

from typing import Final

from prometheus_client import Counter

ANNOUNCED: Final = Counter("csx_gateway_rules_announced_total", "Words on rules that were put on their topic.")
ANNOUNCING_FAILED: Final = Counter(
    "csx_gateway_rules_announce_failures_total", "Times that the topic or the store did not take or give them."
)
FOLDED: Final = Counter("csx_gateway_rules_folded_total", "Rules and their rejections read, by what was done.", ["how"])
