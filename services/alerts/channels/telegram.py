"""Messages in, Bot API calls out; each answer, error and silence of Telegram becomes one of the channel's words."""

import logging
from http import HTTPStatus
from typing import Any, Final

import httpx
import msgspec
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions
from telegram import Message as TelegramMessage
from telegram.constants import ParseMode
from telegram.error import BadRequest, ChatMigrated, Forbidden, InvalidToken, NetworkError, TelegramError
from telegram.request import HTTPXRequest

from services.alerts import metrics
from services.alerts.channels.channel import (
    Ambiguous,
    Button,
    Channel,
    Gone,
    Message,
    Moved,
    Outcome,
    Refused,
    RetryAfter,
    Sent,
)

log = logging.getLogger(__name__)

_UNSENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
"""Failures before the first byte of the request has left."""

_HERE: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_NO_PREVIEW: Final = LinkPreviewOptions(is_disabled=True)
_NOT_MODIFIED: Final = "message is not modified"


class Flooded(TelegramError):
    """429, with the seconds to wait where Telegram named them."""

    def __init__(self, seconds: float | None) -> None:
        super().__init__("Telegram answered 429")
        self.seconds = seconds


class _ServerFault(TelegramError):
    """A 5xx: whoever answered did not say whether Telegram took the message."""


class Transport(HTTPXRequest):
    """The library's own transport; only keeps apart the statuses that it would fold into one NetworkError."""

    async def do_request(self, *args: Any, **kwargs: Any) -> tuple[int, bytes]:
        """Make the request; raises what the statuses say."""
        status, body = await super().do_request(*args, **kwargs)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise _ServerFault(f"Telegram answered {status}")
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            raise Flooded(_retry_after(body))
        if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            raise BadRequest("Request Entity Too Large")  # the library's NetworkError would leave its fate open
        return status, body


def transport(url: str, *, connections: int, connect_s: float, answer_s: float) -> Transport:
    """Return what calls go through to the Bot API at `url`."""
    return Transport(
        connection_pool_size=connections,
        connect_timeout=connect_s,
        read_timeout=answer_s,
        write_timeout=connect_s,
        pool_timeout=connect_s,
        httpx_kwargs={"trust_env": httpx.URL(url).host not in _HERE},  # no proxy leads back to this machine
    )


class TelegramChannel(Channel):
    """Sends through `telegram.Bot`; no polling, no updater, no retries of the library's own."""

    def __init__(self, token: str, url: str, *, connect_s: float = 5.0, answer_s: float = 10.0) -> None:
        silence_urls()
        self._token = token
        request = transport(url, connections=32, connect_s=connect_s, answer_s=answer_s)
        self._bot = Bot(token, base_url=f"{url.rstrip('/')}/bot", request=request, get_updates_request=request)
        self._request = request
        self._fault: str | None = None

    async def start(self) -> None:
        """Open the pool of connections; asks Telegram nothing, so that an outage there keeps nobody from starting."""
        await self._request.initialize()

    async def stop(self) -> None:
        """Close the pool."""
        await self._request.shutdown()

    async def fault(self) -> str | None:
        """Return that the token is refused, once Telegram has said so."""
        return self._fault

    async def send(self, message: Message) -> Outcome:
        """Send once; a message whose entities Telegram cannot parse goes once more as plain text."""
        if message.message_id is not None and not message.message_id.isdecimal():
            return Refused("the message to edit has no id of Telegram's", permanent=True)
        outcome = await self._attempt(message, plain=False)
        if isinstance(outcome, Refused) and "can't parse entities" in outcome.reason.lower():
            metrics.PLAIN_TEXT.inc()
            log.warning("Telegram cannot parse our markup: sending plain text", extra={"reason": outcome.reason})
            return await self._attempt(message, plain=True)
        return outcome

    async def _attempt(self, message: Message, *, plain: bool) -> Outcome:
        try:
            message_id = await self._call(message, plain=plain)
        except TelegramError as e:
            outcome = self._read(e)
            if message.message_id is None or _NOT_MODIFIED not in (e.message or "").lower():
                return outcome
            message_id = message.message_id  # it stands there already as we want it
        self._fault = None
        return Sent(message_id)

    async def _call(self, message: Message, *, plain: bool) -> str:
        """Make one call; return the id of the message that it was about."""
        chat, words = _chat_id(message.recipient), message.text if plain else message.html
        mode, keyboard = None if plain else ParseMode.HTML, _keyboard(message.keyboard)
        if message.message_id is not None:
            edited = await self._bot.edit_message_text(
                words,
                chat_id=chat,
                message_id=int(message.message_id),
                parse_mode=mode,
                reply_markup=keyboard,
                link_preview_options=_NO_PREVIEW,
            )
            return str(edited.message_id) if isinstance(edited, TelegramMessage) else message.message_id
        if message.picture is not None:
            sent = await self._bot.send_photo(
                chat,
                message.picture,
                caption=words,
                parse_mode=mode,
                disable_notification=message.silent,
                reply_markup=keyboard,
                filename="chart.png",
            )
            return str(sent.message_id)
        if message.document is not None:
            sent = await self._bot.send_document(
                chat,
                message.document,
                caption=words,
                parse_mode=mode,
                disable_notification=message.silent,
                reply_markup=keyboard,
                filename=message.filename,
                disable_content_type_detection=True,
            )
            return str(sent.message_id)
        sent = await self._bot.send_message(
            chat_id=chat,
            text=words,
            parse_mode=mode,
            disable_notification=message.silent,
            reply_markup=keyboard,
            link_preview_options=_NO_PREVIEW,
        )
        return str(sent.message_id)

    def _read(self, error: TelegramError) -> Outcome:  # noqa: PLR0911  (one word for each answer)
        reason = self._redact(error.message or type(error).__name__)
        match error:
            case ChatMigrated():
                return Moved(str(error.new_chat_id))
            case Flooded():
                return RetryAfter(error.seconds)
            case InvalidToken():
                self._fault = "Telegram refuses the token: check CSX_ALERTS_TELEGRAM_TOKEN"
                return Refused(reason, permanent=False)
            case Forbidden():
                return Gone(reason)
            case BadRequest():
                return Refused(reason, permanent=True)
            case NetworkError() if isinstance(error.__cause__, _UNSENT):
                return Refused(f"not sent: {type(error.__cause__).__name__}", permanent=False)
            case _:
                return Ambiguous(reason)

    def _redact(self, text: str) -> str:
        return text.replace(self._token, "***")


def silence_urls() -> None:
    """Keep request URLs out of the logs: their path is the token."""
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _keyboard(rows: tuple[tuple[Button, ...], ...]) -> InlineKeyboardMarkup | None:
    if not rows:
        return None
    return InlineKeyboardMarkup(
        [[InlineKeyboardButton(one.text, callback_data=one.data) for one in row] for row in rows]
    )


def _chat_id(recipient: str) -> int | str:
    try:
        return int(recipient)
    except ValueError:
        return recipient  # the @name of a public channel


def _retry_after(body: bytes) -> float | None:
    try:
        seconds = msgspec.json.decode(body)["parameters"]["retry_after"]
    except (msgspec.DecodeError, KeyError, TypeError):
        return None
    return float(seconds) if isinstance(seconds, int | float) and seconds >= 0 else None
