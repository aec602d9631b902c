"""The settings in; a bot that hears, answers and ends with the process, out."""

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from typing import Final

import asyncpg

from libs.common.events import Candle, Signal
from libs.common.runtime.process import Process
from services.alerts.bot import COMMANDS
from services.alerts.bot.api import Api
from services.alerts.bot.candles import candles_of
from services.alerts.bot.command import Keyboard
from services.alerts.bot.drawing import Charts, LatePen
from services.alerts.bot.keyboard import keyboards
from services.alerts.bot.leases import Lease
from services.alerts.bot.polling import LEASE, Holder
from services.alerts.bot.robot import Robot
from services.alerts.bot.updates import Updates
from services.alerts.bot.webhook import Webhook
from services.alerts.policy.access import lists_of
from services.alerts.policy.callbacks import derived_key
from services.alerts.settings import Settings
from services.alerts.store.outbox import Outbox
from services.alerts.store.rows import Claim

log = logging.getLogger(__name__)

_HOLDER_BYTES: Final = 4


def wanted(settings: Settings) -> bool:
    """Return whether there is a bot at all."""
    return settings.updates != "off" and bool(settings.telegram_token.get_secret_value())


def keys_of(settings: Settings) -> tuple[bytes, ...]:
    """Return the keys of buttons, the newest first: those of the settings, or one that the token implies."""
    given = tuple(key.get_secret_value().encode() for key in settings.callback_keys)
    return given or (derived_key(settings.telegram_token.get_secret_value()),)


def buttons(settings: Settings) -> Callable[[Claim], Keyboard]:
    """Return what gives alerts their buttons; none where nobody would hear them pressed."""
    if not wanted(settings):
        return lambda _claim: ()
    return keyboards(keys_of(settings)[0], pictures=settings.pictures)


async def begin(
    process: Process,
    settings: Settings,
    pool: "asyncpg.Pool[asyncpg.Record]",
    outbox: Outbox,
    nudge: Callable[[], None],
) -> None:
    """Start what hears people, and hang its end on the process."""
    api = Api(settings.telegram_token.get_secret_value(), settings.telegram_url)
    await api.start()
    process.on_stop(api.stop)
    updates = Updates(
        pool,
        outbox,
        commands=COMMANDS,
        lists=lists_of(settings.allowed_users, settings.owners),
        keys=keys_of(settings),
        zone=settings.zone,
        fixed=settings.default_rules(),
    )
    robot = Robot(api, updates, _charts(settings, outbox, nudge), nudge, COMMANDS)
    process.on_stop(robot.stop)
    holder = Holder(Lease(pool, LEASE, _myself()), robot)
    tasks = [process.spawn(holder.keep(), name="lease of updates"), process.spawn(robot.keep(), name="bot upkeep")]
    if settings.updates == "webhook":
        secret = settings.webhook_secret.get_secret_value()
        webhook = Webhook(robot, settings.webhook_url, secret)
        await webhook.start(settings.health_host, settings.webhook_port)
        process.on_stop(webhook.stop)
        tasks.append(process.spawn(holder.post(settings.webhook_url, secret), name="webhook"))
    else:
        tasks.append(process.spawn(holder.poll(), name="polling"))

    async def end() -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await holder.stop()

    process.on_stop(end)
    if not settings.allowed_users and not settings.owners:
        log.warning("the bot obeys nobody: CSX_ALERTS_ALLOWED_USERS and CSX_ALERTS_OWNERS are empty")


def _charts(settings: Settings, outbox: Outbox, nudge: Callable[[], None]) -> Charts | None:
    if not settings.pictures:
        return None

    async def candles(signal: Signal) -> tuple[Candle, ...]:
        return await candles_of(signal, settings.kafka_bootstrap)

    return Charts(LatePen(), candles, outbox, nudge)


def _myself() -> str:
    """Return a name that no other process has, ever."""
    return f"{socket.gethostname()}.{os.getpid()}.{os.urandom(_HOLDER_BYTES).hex()}"
