"""The calls that the bot makes besides sending: updates, the menu, the webhook, answers to presses."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeGuard
from urllib.parse import urlencode

import msgspec
from telegram import Bot, BotCommand, Update
from telegram.error import TelegramError

from services.alerts.bot.command import Command
from services.alerts.bot.reading import ALLOWED
from services.alerts.channels.telegram import silence_urls, transport
from services.alerts.policy.access import Role

log = logging.getLogger(__name__)

POLL_S: Final = 20
"""How long Telegram may hold a request for updates."""
_MARGIN_S: Final = 10.0
_MOST_TOLD: Final = 200
"""Characters of an answer to a press."""


class Api:
    """One bot, as the library speaks to it. Raises `TelegramError`, `Conflict` among them."""

    def __init__(self, token: str, url: str, *, connect_s: float = 5.0, answer_s: float = 10.0) -> None:
        silence_urls()
        self._token = token
        self._calls = transport(url, connections=8, connect_s=connect_s, answer_s=answer_s)
        self._polls = transport(url, connections=2, connect_s=connect_s, answer_s=POLL_S + _MARGIN_S)
        self._base = f"{url.rstrip('/')}/bot{token}"
        self._bot = Bot(token, base_url=f"{url.rstrip('/')}/bot", request=self._calls, get_updates_request=self._polls)
        self._name = ""

    async def start(self) -> None:
        """Open the connections' pools; asks nothing yet."""
        await self._calls.initialize()
        await self._polls.initialize()

    async def stop(self) -> None:
        """Close them."""
        await self._calls.shutdown()
        await self._polls.shutdown()

    async def name(self) -> str:
        """Return the bot's name, without `@`."""
        if not self._name:
            self._name = (await self._bot.get_me()).username or ""
        return self._name

    def read(self, update: Mapping[str, Any]) -> Update:
        """Return an update, from the JSON values that Telegram told.

        Raises:
            ValueError: the library cannot read it.
        """
        try:
            return Update.de_json(dict(update), self._bot)
        except Exception as e:  # whatever the library meets in foreign JSON, it is no update
            raise ValueError(f"no update: {e!r}") from e

    async def updates(self, offset: int | None, *, wait_s: int = POLL_S) -> list[dict[str, Any]]:
        """Return what is new from `offset` on, as JSON values; what is before it is confirmed.

        The library's own call gives up all of an answer when it cannot read one update of it, and would for ever.
        """
        query: dict[str, Any] = {"timeout": wait_s, "allowed_updates": msgspec.json.encode(ALLOWED).decode()}
        if offset is not None:
            query["offset"] = offset
        found = await self._polls.post(f"{self._base}/getUpdates?{urlencode(query)}")
        return [one for one in found if numbered(one)] if isinstance(found, list) else []

    async def poll(self) -> None:
        """Let updates be asked for: no webhook, nothing dropped."""
        await self._bot.delete_webhook(drop_pending_updates=False)

    async def post_to(self, url: str, secret: str) -> None:
        """Let Telegram post updates to `url`, one after the other."""
        await self._bot.set_webhook(url, secret_token=secret, allowed_updates=list(ALLOWED), max_connections=1)

    async def show(self, commands: Sequence[Command]) -> None:
        """Write the menu: what readers may do."""
        menu = [BotCommand(one.name, one.meaning) for one in commands if one.role < Role.OWNER]
        await self._bot.set_my_commands(menu)

    async def answer(self, query_id: str, text: str = "", *, alert: bool = False) -> bool:
        """Answer a press; False where it is too late for that, or Telegram does not take it."""
        try:
            await self._bot.answer_callback_query(query_id, text=text[:_MOST_TOLD] or None, show_alert=alert)
        except TelegramError as e:
            log.warning("a press was not answered: %s", e.message.replace(self._token, "***"))
            return False
        return True

    def redact(self, error: TelegramError) -> str:
        """Return an error's words without the token."""
        return (error.message or type(error).__name__).replace(self._token, "***")


def numbered(update: object) -> TypeGuard[dict[str, Any]]:
    """Return whether it can be an update: it has an id."""
    return isinstance(update, dict) and type(update.get("update_id")) is int
