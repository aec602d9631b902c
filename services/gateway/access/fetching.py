"""Documents of an identity provider: an address of our own settings in, a small JSON object out, or nothing.

https alone (but for the loopback of a local environment), no redirects, no proxies of the environment, five seconds in
all and 64 KiB: whoever answers there can neither lead us elsewhere nor keep us busy.
"""

import asyncio
import ipaddress
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import msgspec

WITHIN_S: Final = 5.0
MOST_BYTES: Final = 64 * 1024

_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class FetchError(Exception):
    """There is no such document; the message is for our log, not for who asked."""


class Fetcher:
    """Asks; `loopback`: plain HTTP to this very machine is good enough, for a provider of tests."""

    def __init__(self, *, loopback: bool = False, within_s: float = WITHIN_S) -> None:
        self._loopback = loopback
        self._within_s = within_s
        self._http = httpx.AsyncClient(follow_redirects=False, trust_env=False, timeout=within_s)

    async def stop(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def get(self, url: str) -> dict[str, Any]:
        """Return the object at `url`.

        Raises:
            FetchError: it cannot be had.
        """
        return await self._ask("GET", url, None, None)

    async def post(self, url: str, form: Mapping[str, str], *, auth: tuple[str, str] | None) -> dict[str, Any]:
        """Return what `url` answers to a form.

        Raises:
            FetchError: it cannot be had.
        """
        return await self._ask("POST", url, form, auth)

    def check(self, url: str) -> str:
        """Return `url` if it may be asked.

        Raises:
            FetchError: it is not https, names a user, or is no address.
        """
        try:
            parts = urlsplit(url)
            host, port, plain = parts.hostname or "", parts.port, parts.scheme == "http"
        except ValueError as e:
            raise FetchError("no address") from e
        if not host or parts.username is not None or parts.password is not None or parts.fragment:
            raise FetchError("an address of another form")
        if parts.scheme != "https" and not (plain and self._loopback and port and _is_loopback(host)):
            raise FetchError("https is needed")
        return url

    async def _ask(
        self, method: str, url: str, form: Mapping[str, str] | None, auth: tuple[str, str] | None
    ) -> dict[str, Any]:
        self.check(url)
        body = bytearray()
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        try:
            async with (
                asyncio.timeout(self._within_s),
                self._http.stream(method, url, data=form, auth=auth, headers=headers) as answer,
            ):
                if answer.status_code != httpx.codes.OK:
                    raise FetchError(f"status {answer.status_code}")
                if answer.headers.get("content-encoding", "identity") != "identity":
                    raise FetchError("an encoding that was not asked for")
                async for chunk in answer.aiter_raw():
                    body += chunk
                    if len(body) > MOST_BYTES:
                        raise FetchError(f"more than {MOST_BYTES} bytes")
            return _decode(bytes(body))
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as e:
            raise FetchError(type(e).__name__) from e
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
            raise FetchError("no JSON object") from e


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
