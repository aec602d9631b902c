"""Messages in, signed HTTPS requests to the recipient's URL out; each answer becomes one of the channel's words.

At least once: the receiver knows a delivery by its id, so what may have arrived is simply sent again.
"""

import asyncio
import hashlib
import logging
import ssl
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

import httpx
import msgspec

from libs.common.runtime.addresses import (
    Forbidden,
    Resolver,
    Rules,
    Target,
    addresses,
    read,
    resolve_by_system,
)
from libs.common.runtime.clock import now_ns
from services.alerts.channels import signing
from services.alerts.channels.channel import Channel, Gone, Message, Outcome, Refused, RetryAfter, Sent
from services.alerts.policy.markup import Piece
from services.alerts.policy.wording import mark_repeat

log = logging.getLogger(__name__)

ANSWER_BYTES: Final = 65_536
_LONGEST_WAIT_S: Final = 86_400.0
_AGAIN: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY})
"""The two 4xx that ask for the same request again."""
_MARK: Final = mark_repeat(Piece("", "")).text
"""What the dispatcher puts before a repeat."""


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON that a receiver gets."""

    delivery_id: str
    """The same at each attempt: whoever has seen it has the message."""
    alert_id: str
    """Of the alert, as `alerts.deliveries.v1` tells of it."""
    kind: str
    """What it is about: `signal`, `outcome`, `liquidation`, ..., `digest`."""
    action: str
    """`send`, or `edit` of what was delivered under `replaces`."""
    replaces: str | None
    possible_repeat: bool
    silent: bool
    timestamp: int
    """Seconds, of this attempt."""
    text: str
    """In plain words."""


class WebhookChannel(Channel):
    """Sends to URLs; the recipient of a message is its URL. Follows no redirect, uses no proxy, keeps no connection.

    Raises:
        ValueError: no secret, more than two, or one below 16 bytes.
    """

    one_limit = False
    """Each receiver has its own."""

    def __init__(
        self,
        secrets: Sequence[str],
        *,
        rules: Rules | None = None,
        total_s: float = 5.0,
        resolve: Resolver = resolve_by_system,
        tls: ssl.SSLContext | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._secrets = tuple(secret.encode() for secret in secrets)
        if not 1 <= len(self._secrets) <= signing.SECRETS_MOST:
            raise ValueError("a webhook is signed with one secret, or two while they rotate")
        if any(len(secret) < signing.SECRET_BYTES for secret in self._secrets):
            raise ValueError(f"a secret has at least {signing.SECRET_BYTES} bytes")
        self._rules = rules or Rules()
        self._total_s = total_s
        self._resolve = resolve
        self._tls = tls
        self._transport = transport
        self._client: httpx.AsyncClient | None = None

    async def start(self) -> None:
        """Make the client; asks nobody anything."""
        logging.getLogger("httpx").setLevel(logging.WARNING)  # it would log URLs, and those may hold secrets
        self._client = httpx.AsyncClient(
            verify=True if self._tls is None else self._tls,
            trust_env=False,
            follow_redirects=False,
            timeout=self._total_s,
            limits=httpx.Limits(max_connections=32, max_keepalive_connections=0),
            transport=self._transport,
        )
        # a kept connection would be chosen by address alone: its certificate may be that of another name

    async def stop(self) -> None:
        """Close it."""
        if self._client is not None:
            await self._client.aclose()

    async def fault(self) -> str | None:
        """Return None: what a receiver does is no fault of the channel."""
        return None

    async def send(self, message: Message) -> Outcome:
        """Make one attempt within the time limit, resolving included; a photo goes as its words."""
        if not message.alert_id:
            return Refused("an alert without an id: its attempts could not be told from another's", permanent=True)
        try:
            target = read(message.recipient, self._rules)
            async with asyncio.timeout(self._total_s) as limit:
                checked = await addresses(target, self._rules, self._resolve)
                return await self._post(target, checked, _body(message), limit)
        except Forbidden as e:
            return Refused(f"address not allowed: {e}", permanent=True)
        except TimeoutError:
            return Refused(f"no answer within {self._total_s:g} s", permanent=False)
        except (OSError, UnicodeError, httpx.HTTPError, httpx.InvalidURL) as e:
            return Refused(f"no answer: {type(e).__name__}", permanent=False)  # its text would hold the URL

    async def _post(self, target: Target, checked: list[str], body: Body, limit: asyncio.Timeout) -> Outcome:
        """Post to the first of the addresses that takes a connection."""
        last = len(checked) - 1
        for number, address in enumerate(checked):
            try:
                return await self._attempt(target, address, body, limit)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if number == last:
                    raise
        raise OSError("the name has no address")

    async def _attempt(self, target: Target, address: str, body: Body, limit: asyncio.Timeout) -> Outcome:
        if self._client is None:
            raise RuntimeError("send before start")
        data = msgspec.json.encode(body)
        timestamp = str(body.timestamp)
        headers = {
            "Host": target.authority,
            "User-Agent": "cryptosatx",
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
            "X-Csx-Timestamp": timestamp,
            "X-Csx-Id": body.delivery_id,
            "X-Csx-Signature": signing.header(self._secrets, timestamp, body.delivery_id, data),
        }
        async with self._client.stream(
            "POST", target.at(address), content=data, headers=headers, extensions={"sni_hostname": target.host}
        ) as response:
            outcome = _outcome(response, body.delivery_id)
            limit.reschedule(None)  # the status has decided; the rest has a second of its own
            await _drain(response)
        return outcome


def delivery_id(message: Message) -> str:
    """Return the id of a delivery, the same at each attempt: a hash of the recipient and the alert's id."""
    parts = (one.encode(errors="replace") for one in (message.recipient, message.alert_id))
    return hashlib.sha256(b"".join(b"%d:%b" % (len(part), part) for part in parts)).hexdigest()[:32]


def _body(message: Message) -> Body:
    return Body(
        delivery_id=delivery_id(message),
        alert_id=message.alert_id,
        kind=message.kind,
        action="edit" if message.action == "edit" else "send",
        replaces=message.message_id,
        possible_repeat=message.text.startswith(_MARK),
        silent=message.silent,
        timestamp=now_ns() // 1_000_000_000,
        text=message.text,
    )


def _outcome(response: httpx.Response, known_as: str) -> Outcome:  # noqa: PLR0911  (one word for each answer)
    status = response.status_code
    if 200 <= status < 300:
        return Sent(known_as)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return RetryAfter(_wait_s(response))
    if status == HTTPStatus.SERVICE_UNAVAILABLE and (wait_s := _wait_s(response)) is not None:
        return RetryAfter(wait_s)
    if status == HTTPStatus.GONE:
        return Gone("the receiver answered 410")
    if 300 <= status < 400:
        return Refused(f"the receiver answered {status}: redirects are not followed", permanent=True)
    if status in _AGAIN or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Refused(f"the receiver answered {status}", permanent=False)
    return Refused(f"the receiver answered {status}", permanent=True)


async def _drain(response: httpx.Response) -> None:
    """Read the answer's body, undecoded, up to 64 KiB: its status has said all; what breaks here changes nothing."""
    room = ANSWER_BYTES
    try:
        async with asyncio.timeout(1.0):
            async for chunk in response.aiter_raw(8192):
                room -= len(chunk)
                if room <= 0:
                    return
    except (TimeoutError, httpx.HTTPError) as e:
        log.debug("the rest of an answer is not read: %s", type(e).__name__)


def _wait_s(response: httpx.Response) -> float | None:
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdecimal():
        return min(_LONGEST_WAIT_S, float(text[:12]))
    try:
        until = parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(_LONGEST_WAIT_S, max(0.0, until - now_ns() / 1e9))
