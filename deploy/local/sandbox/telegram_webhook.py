"""setWebhook and its kin in; updates posted to that address, in order, each until the answer is 2xx, out."""

import asyncio
import re
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from deploy.local.sandbox.telegram_call import ApiError, Call
from deploy.local.sandbox.telegram_clock import Clock
from deploy.local.sandbox.telegram_updates import Updates

PORTS: Final = frozenset({80, 88, 443, 8443})
_HERE: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]*")
_LONGEST_SECRET: Final = 256
_STATUSES: Final = frozenset(HTTPStatus)
_ANSWER_S: Final = 10.0
_LONGEST_PAUSE_S: Final = 60.0


class Webhook:
    """Where one bot's updates go, if anywhere. Reaches this machine only."""

    def __init__(self, updates: Updates, clock: Clock) -> None:
        self._updates = updates
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._url = ""
        self._secret = ""
        self._most = 40
        self._error: tuple[int, str] | None = None

    async def set(self, call: Call) -> bool:
        """Send updates to `url` from now on, or to nowhere when it is empty.

        Raises:
            ApiError: not HTTPS on port 80, 88, 443 or 8443, a secret with other characters than A-Z, a-z, 0-9, _, -
                or over 256 of them. As the official server's local mode, plain HTTP and any port will do on loopback.
        """
        url, secret = call.text("url").strip(), call.text("secret_token")
        if not url:
            return await self.delete(call)
        _check(url)
        if len(secret) > _LONGEST_SECRET:
            raise ApiError(400, "Bad Request: secret token is too long")
        if not _SECRET.fullmatch(secret):
            raise ApiError(400, "Bad Request: secret token contains unallowed characters")
        await self.stop()
        self._updates.allow(call)
        if call.flag("drop_pending_updates"):
            self._updates.drop()
        self._url, self._secret, self._error = url, secret, None
        self._most = call.integer("max_connections", 40, 1, 100)
        self._updates.webhook = True
        self._updates.take_over()
        self._task = asyncio.create_task(self._deliver())
        return True

    async def delete(self, call: Call) -> bool:
        """Let the bot poll again."""
        await self.stop()
        if call.flag("drop_pending_updates"):
            self._updates.drop()
        self._url, self._secret, self._updates.webhook = "", "", False
        return True

    def info(self, _call: Call) -> dict[str, Any]:
        """Return the `WebhookInfo`."""
        found: dict[str, Any] = {
            "url": self._url,
            "has_custom_certificate": False,
            "pending_update_count": len(self._updates.pending()),
        }
        if self._url:
            found["max_connections"] = self._most
        if self._updates.allowed:
            found["allowed_updates"] = sorted(self._updates.allowed)
        if self._error:
            found["last_error_date"], found["last_error_message"] = self._error
        return found

    async def stop(self) -> None:
        """Post nothing more."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _deliver(self) -> None:
        headers = {"X-Telegram-Bot-Api-Secret-Token": self._secret} if self._secret else {}
        failed = 0
        async with httpx.AsyncClient(trust_env=False, timeout=_ANSWER_S, headers=headers) as client:
            while True:
                self._updates.arrived.clear()
                if not (pending := self._updates.pending()):
                    await self._updates.arrived.wait()
                elif error := await self._post(client, pending[0]):
                    self._error = (self._clock.now_ns() // 1_000_000_000, error)
                    await self._clock.sleep(min(_LONGEST_PAUSE_S, 2.0**failed))
                    failed += 1
                else:
                    failed = 0
                    self._updates.confirm(pending[0]["update_id"] + 1)

    async def _post(self, client: httpx.AsyncClient, update: dict[str, Any]) -> str | None:
        """Post one update; return what went wrong."""
        try:
            answer = await client.post(self._url, json=update)
        except httpx.TimeoutException:
            return "Read timeout expired"
        except httpx.HTTPError:
            return "Connection refused"
        if answer.is_success:
            return None
        return f"Wrong response from the webhook: {answer.status_code} {_phrase(answer.status_code)}"


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in _STATUSES else ""


def _check(url: str) -> None:
    parts = urlsplit(url)
    local = parts.hostname in _HERE
    if parts.scheme != "https" and not (local and parts.scheme == "http"):
        raise ApiError(400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook")
    if (parts.port or 443) not in PORTS and not local:
        raise ApiError(400, "Bad Request: bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")
    if not local:
        raise ApiError(400, "Bad Request: bad webhook: Failed to resolve host: Name or service not known")
