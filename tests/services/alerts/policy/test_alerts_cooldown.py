"""How long a rule stays silent."""

import pytest

from services.alerts.policy.cooldown import cooling

S = 1_000_000_000


@pytest.mark.parametrize(
    ("delivered_ns", "now_ns", "cooldown_s", "silent"),
    [
        (None, 100 * S, 60, False),  # nothing was ever delivered
        (40 * S, 100 * S, 60, False),  # exactly sixty seconds have passed
        (40 * S + 1, 100 * S, 60, True),
        (100 * S, 100 * S, 1, True),
        (99 * S, 100 * S, 0, False),  # no cooldown wanted
        (500 * S, 100 * S, 60, True),  # the clock was set back: as if delivered now
    ],
)
def test_the_wait_begins_with_a_delivery(delivered_ns, now_ns, cooldown_s, silent):
    assert cooling(delivered_ns, now_ns, cooldown_s) is silent
