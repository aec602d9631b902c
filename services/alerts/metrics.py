"""What the alerts service counts."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

VERDICTS: Final = Counter("csx_alerts_verdicts_total", "Verdicts read.", ["decision"])
MATCHES: Final = Counter("csx_alerts_matches_total", "Rules held against verdicts, by result.", ["reason"])
QUEUED: Final = Counter("csx_alerts_queued_total", "Alerts newly in the outbox.", ["channel", "severity"])
PASSED_OVER: Final = Counter("csx_alerts_passed_over_total", "Records whose messages were already taken.", ["topic"])
OFFSET_RESETS: Final = Counter("csx_alerts_offset_resets_total", "Partitions read anew: their log ended.", ["topic"])
REJECTED: Final = Counter("csx_alerts_rejected_total", "Verdicts that no alert could be made of.", ["reason"])
TRANSITIONS: Final = Counter("csx_alerts_transitions_total", "Changes of state.", ["channel", "severity", "state"])
FENCED: Final = Counter("csx_alerts_fenced_total", "Results of a sender that had lost its lease.", ["step"])
FLOOD_WAITS: Final = Counter("csx_alerts_flood_waits_total", "429 answers.", ["channel"])
PLAIN_TEXT: Final = Counter("csx_alerts_plain_text_total", "Messages sent as plain text after a markup error.")
ANNOUNCED: Final = Counter("csx_alerts_announced_total", "Deliveries published.", ["state"])
STORE_FAULTS: Final = Counter("csx_alerts_store_faults_total", "Failed calls of PostgreSQL.", ["step"])
SEND_SECONDS: Final = Histogram(
    "csx_alerts_send_seconds",
    "One attempt, until the channel's answer.",
    ["channel"],
    buckets=(0.02, 0.1, 0.5, 1, 5, 15),
)
DELIVERY_SECONDS: Final = Histogram(
    "csx_alerts_delivery_seconds",
    "From queued to delivered.",
    ["channel", "severity"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300),
)
WAITING: Final = Gauge("csx_alerts_waiting", "Alerts with an attempt ahead.", ["channel", "severity"])
OLDEST_SECONDS: Final = Gauge(
    "csx_alerts_oldest_waiting_seconds", "Age of the oldest of them.", ["channel", "severity"]
)
