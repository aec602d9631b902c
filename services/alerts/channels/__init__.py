"""The registry of channels: a way to reach people is one file and one row here."""

from collections.abc import Callable
from typing import Final

from services.alerts.channels.channel import Channel
from services.alerts.channels.telegram import TelegramChannel
from services.alerts.settings import Settings


def _telegram(settings: Settings) -> Channel:
    return TelegramChannel(settings.telegram_token.get_secret_value(), settings.telegram_url)


CHANNELS: Final[dict[str, Callable[[Settings], Channel]]] = {
    "telegram": _telegram,
}
