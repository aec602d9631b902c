"""What the windows leave aside is counted once, by reason."""

from prometheus_client import REGISTRY

from services.alerts.metrics_watching import Watched
from services.alerts.policy.watching import Watching
from tests.services.alerts.policy.windows.market_events import liquidation, trade


def sample(name, **labels):
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_each_reason_is_counted_by_what_came_since():
    watching = Watching(most=1)
    watching.take(liquidation(0, -1.0))  # before anybody counted
    watched = Watched(watching)
    repeated, damaged, refused = (
        sample("csx_alerts_left_aside_total", reason=reason) for reason in ("repeated", "damaged", "refused")
    )
    told = sample("csx_alerts_subjects_total", kind="liquidation")
    for _ in range(2):
        watched.count([subject for at_s in (0, 0, 1) for subject in watching.take(liquidation(at_s, 500.0))])
    watching.take(trade(0, 1.0, symbol="ETH-USDT"))
    watched.count([])
    watched.count([])
    assert sample("csx_alerts_left_aside_total", reason="repeated") == repeated + 4
    assert sample("csx_alerts_left_aside_total", reason="damaged") == damaged
    assert sample("csx_alerts_left_aside_total", reason="refused") == refused + 1
    assert sample("csx_alerts_subjects_total", kind="liquidation") == told + 2
    assert sample("csx_alerts_watched_markets") == 1.0
