"""What the alerts tests share: an outbox in an empty database, and entries to put in it."""

from typing import Any

import asyncpg
import pytest

from deploy.local.sandbox.telegram import FakeTelegram
from libs.common.events import Alert, Origin, Severity
from libs.common.runtime.migrations import migrate
from services.alerts.channels.telegram import TelegramChannel
from services.alerts.policy.budget import Limits
from services.alerts.store.outbox import Outbox
from services.alerts.store.rows import Entry

TOKEN = "7000000001:sandbox"
UNBOUND = {"telegram": Limits(per_h=0)}
"""Of tests that are about something else than budgets."""
FAR_NS = 4_000_000_000 * 1_000_000_000


@pytest.fixture
async def pool(fresh_dsn):
    await migrate(fresh_dsn, "services.alerts.migrations", "alerts")
    async with asyncpg.create_pool(fresh_dsn, min_size=1, max_size=8) as made:
        yield made


@pytest.fixture
def outbox(pool):
    return Outbox(pool, limits=UNBOUND)


@pytest.fixture
def make_entry():
    return _entry


@pytest.fixture
def punctual():
    """Entries that no wait makes late: `created_ns` counts from a day far ahead."""

    def make(*names: str, created_ns: int = 0, **changes: Any) -> Entry:
        return _entry(*names, created_ns=FAR_NS + created_ns if created_ns < FAR_NS // 4 else created_ns, **changes)

    return make


def _entry(alert_id: str, recipient: str = "1001", **changes: Any) -> Entry:
    fields: dict[str, Any] = {
        "alert_id": alert_id,
        "rule_id": "r1",
        "signal_id": f"signal of {alert_id}",
        "channel": "telegram",
        "recipient": recipient,
        "severity": Severity.WARNING,
        "html": f"<b>{alert_id}</b>",
        "text": alert_id,
        "created_ns": 0,
        "valid_until_ns": FAR_NS,
        "origin": Origin.SIMULATED,
    }
    market = {"venue": "okx", "symbol": "BTC-USDT", "timeframe": "1m", "cooldown_s": 0}
    return Entry(
        alert=Alert(**{key: changes.get(key, value) for key, value in fields.items()}),
        **{key: changes.get(key, value) for key, value in market.items()},
    )


@pytest.fixture
async def fake():
    """The strict fake Telegram."""
    server = FakeTelegram(TOKEN, lambda _line: None)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def telegram(fake):
    """Our channel, through python-telegram-bot, to the fake."""
    channel = TelegramChannel(TOKEN, fake.url, connect_s=1.0, answer_s=0.5)
    await channel.start()
    yield channel
    await channel.stop()
