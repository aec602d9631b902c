"""A strict fake of Telegram's Bot API on loopback: calls in, Telegram's answers and the scripted faults out.

    python -m deploy.local.sandbox.telegram --port 8081 --token 7000000001:sandbox

It refuses what Telegram refuses (token, chat, markup, keyboards, files, length, pace, two pollers), keeps what it
accepted and tells the bot what users do. Beside the API: POST /control/faults (a list, see telegram_faults),
POST /control/acts (a list, see telegram_people), GET /control/messages, early, answers, updates, commands, files/ID,
POST /control/reset.
"""

import argparse
import asyncio
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from deploy.local.sandbox.telegram_bot import FakeBot
from deploy.local.sandbox.telegram_call import ApiError, Call, read
from deploy.local.sandbox.telegram_clock import Clock, WallClock
from deploy.local.sandbox.telegram_control import control
from deploy.local.sandbox.telegram_faults import Action, Fault, Script
from deploy.local.sandbox.telegram_http import Answer, Reaction, Request, Reset, Server, Silence
from deploy.local.sandbox.telegram_messages import Accepted

_PATH: Final = re.compile(r"/bot(?P<token>[^/]+)/(?P<method>\w+)")
_TOKEN: Final = re.compile(r"\d+:[\w-]+")
_PREVIEW: Final = 110

Log = Callable[[str], None]


class FakeTelegram:
    """The server, its bot and its script of faults."""

    def __init__(
        self, token: str, log: Log, *, chats: frozenset[int] = frozenset(), clock: Clock | None = None
    ) -> None:
        self.token = token
        self.script = Script()
        self.calls = 0
        self._log = log
        self._clock = clock or WallClock()
        self.bot = self._new_bot(chats)
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
        await self.bot.stop()
        await self._server.stop()

    def _new_bot(self, chats: frozenset[int]) -> FakeBot:
        bot = FakeBot(chats, self._clock)
        bot.on_accepted = lambda message: self._log(line(message))
        return bot

    async def _handle(self, request: Request) -> Reaction:
        parts = urlsplit(request.target)
        if parts.path.startswith("/control/"):
            return await self._control(request, parts.path.removeprefix("/control/"))
        match = _PATH.fullmatch(parts.path)
        if match is None or not _TOKEN.fullmatch(match["token"]):
            return _error(ApiError(404, "Not Found"))
        if match["token"] != self.token:
            return _error(ApiError(401, "Unauthorized"))
        if request.method not in {"GET", "POST"}:
            return _error(ApiError(405, "Method Not Allowed"))
        try:
            arguments, files = read(parts.query, request)
        except ValueError:
            return _error(ApiError(400, "Bad Request: can't parse the request"))
        now_s, date = self._clock.monotonic_s(), self._clock.now_ns() // 1_000_000_000
        return await self._call(Call(method=match["method"], arguments=arguments, files=files, now_s=now_s, date=date))

    async def _call(self, call: Call) -> Reaction:
        self.calls += 1
        if wait_s := self.bot.floods.method_wait_s(call.method, call.now_s):
            return _error(_too_many(wait_s))
        fault = self.script.take(call.method, call.text("chat_id"), call.text("text") or call.text("caption"))
        if fault and (reaction := self._before(fault, call)):
            return reaction
        try:
            result = await self.bot.call(call)
        except ApiError as e:
            return _error(e)
        return _after(fault, Answer(200, msgspec.json.encode({"ok": True, "result": result})))

    def _before(  # noqa: PLR0911  (one answer for each kind of fault)
        self, fault: Fault, call: Call
    ) -> Reaction | None:
        """Return the reaction of a fault that keeps the call from having an effect."""
        match fault.action:
            case Action.FLOOD:
                return _error(self._flood(fault, call))
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

    def _flood(self, fault: Fault, call: Call) -> ApiError:
        seconds, chat = fault.retry_after, call.text("chat_id")
        if seconds is None:
            return ApiError(429, "Too Many Requests")
        if chat.lstrip("-").isdecimal():
            self.bot.floods.ban(int(chat), seconds, call.now_s)
        elif not chat:
            self.bot.floods.ban_method(call.method, seconds, call.now_s)
        return _too_many(seconds)

    async def _control(self, request: Request, name: str) -> Answer:
        if (request.method, name) != ("POST", "reset"):
            return control(request.method, name, request.body, self.bot, self.script)
        await self.bot.stop()
        self.bot = self._new_bot(self.bot.chats)
        self.script.clear()
        return Answer(200, b"{}")


def line(message: Accepted) -> str:
    """Return the log line of an accepted message."""
    text = " ".join(message.text.split())
    preview = text if len(text) <= _PREVIEW else f"{text[:_PREVIEW]}..."
    kind = "photo " if message.photo else "document " if message.document else ""
    return f'telegram: chat {message.chat_id} <- {kind}"{preview}"'


def _after(fault: Fault | None, answer: Answer) -> Reaction:
    """Return the reaction to a call that had its effect."""
    match fault.action if fault else None:
        case Action.RESET_AFTER:
            return Reset()
        case Action.TORN:
            return Reset(answer)
        case Action.HANG_AFTER:
            return Silence()
        case _:
            return answer


def _too_many(seconds: int) -> ApiError:
    return ApiError(429, f"Too Many Requests: retry after {seconds}", {"retry_after": seconds})


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


async def serve(port: int, token: str, log: Log, speed: float = 1.0) -> None:
    """Serve until SIGTERM or SIGINT."""
    fake = FakeTelegram(token, log, clock=WallClock(speed))
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
    parser.add_argument("--speed", type=float, default=1.0, help="how fast its time runs: at 20 it takes 600 a second")
    parser.add_argument("--log-file", type=Path, help="accepted messages, one a line, also go here")
    given = parser.parse_args()
    if not _TOKEN.fullmatch(given.token):
        parser.error("a token is digits, a colon, letters")
    if given.speed <= 0:
        parser.error("time runs forward")
    asyncio.run(serve(given.port, given.token, _writer(given.log_file), given.speed))


if __name__ == "__main__":
    main()
