"""A strict fake of Telegram's Bot API on loopback: calls in, Telegram's answers and the scripted faults out.

    python -m deploy.local.sandbox.telegram --port 8081 --token 7000000001:sandbox

It refuses what Telegram refuses (token, chat, markup, length, pace) and keeps what it accepted. Beside the API:
POST /control/faults (a list, see telegram_faults), GET /control/messages, GET /control/early, POST /control/reset.
"""

import argparse
import asyncio
import json
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import msgspec

from deploy.local.sandbox.telegram_bot import Accepted, ApiError, FakeBot
from deploy.local.sandbox.telegram_faults import Action, Fault, Script
from deploy.local.sandbox.telegram_http import Answer, Reaction, Request, Reset, Server, Silence

_PATH: Final = re.compile(r"/bot(?P<token>[^/]+)/(?P<method>\w+)")
_TOKEN: Final = re.compile(r"\d+:[\w-]+")
_PREVIEW: Final = 110

Log = Callable[[str], None]


class FakeTelegram:
    """The server, its bot and its script of faults."""

    def __init__(self, token: str, log: Log, *, chats: frozenset[int] = frozenset()) -> None:
        self.token = token
        self.bot = FakeBot(chats)
        self.script = Script()
        self.calls = 0
        self._log = log
        self._server = Server(self._handle)

    @property
    def url(self) -> str:
        """Root of the API: what stands before `/bot<token>`."""
        return f"http://127.0.0.1:{self._server.port}"

    async def start(self, port: int = 0) -> None:
        """Listen."""
        await self._server.start(port)

    async def stop(self) -> None:
        """Close the port and all connections."""
        await self._server.stop()

    async def _handle(self, request: Request) -> Reaction:
        parts = urlsplit(request.target)
        if parts.path.startswith("/control/"):
            return self._control(request.method, parts.path, request.body)
        match = _PATH.fullmatch(parts.path)
        if match is None or not _TOKEN.fullmatch(match["token"]):
            return _error(ApiError(404, "Not Found"))
        if match["token"] != self.token:
            return _error(ApiError(401, "Unauthorized"))
        if request.method not in {"GET", "POST"}:
            return _error(ApiError(405, "Method Not Allowed"))
        try:
            arguments = {**dict(parse_qsl(parts.query)), **_arguments(request)}
        except ValueError:
            return _error(ApiError(400, "Bad Request: can't parse the request"))
        return self._call(match["method"], arguments)

    def _call(self, method: str, arguments: dict[str, str]) -> Reaction:
        self.calls += 1
        fault = self.script.take(method, arguments.get("chat_id", ""), arguments.get("text", ""))
        if fault and (reaction := self._before(fault, arguments)):
            return reaction
        known = len(self.bot.accepted)
        try:
            result = self.bot.call(method, arguments, time.monotonic(), int(time.time()))
        except ApiError as e:
            return _error(e)
        for message in self.bot.accepted[known:]:
            self._log(line(message))
        if fault:
            return Reset() if fault.action is Action.RESET_AFTER else Silence()
        return Answer(200, msgspec.json.encode({"ok": True, "result": result}))

    def _before(  # noqa: PLR0911  (one answer for each kind of fault)
        self, fault: Fault, arguments: dict[str, str]
    ) -> Reaction | None:
        """Return the reaction of a fault that keeps the call from having an effect."""
        match fault.action:
            case Action.FLOOD:
                return _error(self._flood(fault, arguments.get("chat_id", "")))
            case Action.ERROR:
                return _error(ApiError(500, "Internal Server Error"))
            case Action.BAD_GATEWAY:
                return Answer(502, b"<html><body><h1>502 Bad Gateway</h1></body></html>", "text/html")
            case Action.BLOCKED:
                return _error(ApiError(403, "Forbidden: bot was blocked by the user"))
            case Action.REFUSED:
                return _error(ApiError(400, fault.description))
            case Action.MIGRATED:
                text = "Bad Request: group chat was upgraded to a supergroup chat"
                return _error(ApiError(400, text, {"migrate_to_chat_id": fault.migrate_to}))
            case Action.RESET_BEFORE:
                return Reset()
            case Action.HANG:
                return Silence()
            case _:
                return None

    def _flood(self, fault: Fault, chat_id: str) -> ApiError:
        seconds = fault.retry_after
        if seconds is None:
            return ApiError(429, "Too Many Requests")
        if chat_id.lstrip("-").isdecimal():
            self.bot.floods.ban(int(chat_id), seconds, time.monotonic())
        return ApiError(429, f"Too Many Requests: retry after {seconds}", {"retry_after": seconds})

    def _control(self, method: str, path: str, body: bytes) -> Answer:
        match method, path:
            case "POST", "/control/faults":
                try:
                    self.script.add(msgspec.json.decode(body, type=list[Fault]))
                except msgspec.DecodeError as e:
                    return Answer(400, str(e).encode(), "text/plain")
                return Answer(200, b"{}")
            case "GET", "/control/messages":
                return Answer(200, msgspec.json.encode(self.bot.accepted))
            case "GET", "/control/early":
                return Answer(200, msgspec.json.encode(self.bot.floods.early))
            case "POST", "/control/reset":
                self.bot = FakeBot(self.bot.chats)
                self.script.clear()
                return Answer(200, b"{}")
            case _:
                return Answer(404, b"there are faults, messages, early and reset\n", "text/plain")


def line(message: Accepted) -> str:
    """Return the log line of an accepted message."""
    text = " ".join(message.text.split())
    preview = text if len(text) <= _PREVIEW else f"{text[:_PREVIEW]}..."
    return f'telegram: chat {message.chat_id} <- "{preview}"'


def _arguments(request: Request) -> dict[str, str]:
    kind = request.kind.partition(";")[0].strip().lower()
    if not request.body:
        return {}
    if kind == "application/x-www-form-urlencoded":
        return dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    if kind == "application/json":
        given: Any = json.loads(request.body)
        if isinstance(given, dict):
            return {key: value if isinstance(value, str) else json.dumps(value) for key, value in given.items()}
    raise ValueError(kind)


def _error(error: ApiError) -> Answer:
    body: dict[str, Any] = {"ok": False, "error_code": error.code, "description": error.description}
    if error.parameters:
        body["parameters"] = error.parameters
    return Answer(error.code, msgspec.json.encode(body))


def _writer(file: Path | None) -> Log:
    def write(text: str) -> None:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
        if file:
            with file.open("a", encoding="utf-8") as out:
                out.write(f"{text}\n")

    return write


async def serve(port: int, token: str, log: Log) -> None:
    """Serve until SIGTERM or SIGINT."""
    fake = FakeTelegram(token, log)
    try:
        await fake.start(port)
    except OSError as e:
        log(f"telegram: port {port} cannot be used: {e.strerror}")
        sys.exit(5)
    log(f"telegram: fake Bot API at {fake.url}")
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()
    await fake.stop()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="telegram", description="A strict fake of Telegram's Bot API on loopback.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--token", required=True, help="the only token that is let in, as 123:abc")
    parser.add_argument("--log-file", type=Path, help="accepted messages, one a line, also go here")
    given = parser.parse_args()
    if not _TOKEN.fullmatch(given.token):
        parser.error("a token is digits, a colon, letters")
    asyncio.run(serve(given.port, given.token, _writer(given.log_file)))


if __name__ == "__main__":
    main()
