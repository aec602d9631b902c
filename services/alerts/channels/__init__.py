"""The registry of channels: a way to reach people is one file and one row here."""

import logging
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from libs.common.runtime.addresses import Rules
from services.alerts.channels.channel import Channel
from services.alerts.channels.telegram import TelegramChannel
from services.alerts.channels.webhook import WebhookChannel
from services.alerts.policy.budget import Limits
from services.alerts.policy.pace import Pace
from services.alerts.settings import Settings

log = logging.getLogger(__name__)

_MACHINES: Final = Pace(chat_interval_s=0.05, group_per_minute=0, overall_per_s=100.0)
"""A receiver reads faster than people and says 429 where it cannot; the sum keeps a burst from filling our store."""
_ANSWER_S: Final = 5.0


class Way(Struct, frozen=True):
    """One row."""

    make: Callable[[Settings], Channel | None]
    """None where the settings hold no secret for it: it stays closed."""
    pace: Callable[[Settings], Pace]
    limits: Callable[[Settings], Limits]
    """Of its recipients who did not say."""


def _telegram(settings: Settings) -> Channel | None:
    token = settings.telegram_token.get_secret_value()
    if not token:
        log.warning("no CSX_ALERTS_TELEGRAM_TOKEN: alerts for Telegram wait in the outbox until they expire")
        return None
    return TelegramChannel(token, settings.telegram_url)


def _webhook(settings: Settings) -> Channel | None:
    secrets = [secret.get_secret_value() for secret in settings.hook_secrets]
    if not secrets:
        log.info("no CSX_ALERTS_HOOK_SECRETS: nothing is posted to webhooks")
        return None
    rules = Rules(ports=frozenset(settings.hook_ports), private=settings.hook_private)
    # over, with the second that its answer may take, before the sender is taken for dead: never an unknown fate
    return WebhookChannel(secrets, rules=rules, total_s=min(_ANSWER_S, settings.lease_s / 4))


CHANNELS: Final[dict[str, Way]] = {
    "telegram": Way(_telegram, lambda settings: Pace(overall_per_s=settings.overall_per_s), Settings.limits),
    "webhook": Way(_webhook, lambda _: _MACHINES, lambda _: Limits(per_h=0)),
}


def paces(settings: Settings) -> dict[str, Pace]:
    """Return how fast each channel may be used."""
    return {name: way.pace(settings) for name, way in CHANNELS.items()}


def limits(settings: Settings) -> dict[str, Limits]:
    """Return what recipients of each channel hear at most: machines all."""
    return {name: way.limits(settings) for name, way in CHANNELS.items()}


def opened(settings: Settings) -> dict[str, Channel]:
    """Return the channels that the settings allow."""
    made = {name: way.make(settings) for name, way in CHANNELS.items()}
    return {name: channel for name, channel in made.items() if channel is not None}
