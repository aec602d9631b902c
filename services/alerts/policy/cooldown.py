"""When the last alert of a rule's market was delivered in; whether the next must stay silent out. Pure."""

from libs.common.events import SECOND_NS


def cooling(delivered_ns: int | None, now_ns: int, cooldown_s: int) -> bool:
    """Return whether `cooldown_s` seconds have not yet passed since the last delivery.

    Only a delivery starts the wait: an alert that failed or expired silences nothing. A delivery in the future
    (the clock was set back) counts as now.
    """
    if delivered_ns is None or cooldown_s <= 0:
        return False
    return now_ns - min(delivered_ns, now_ns) < cooldown_s * SECOND_NS
