"""The test's own requests in (`/control/...`: faults, acts of users); what the fake has seen and keeps out."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from deploy.local.sandbox.telegram_bot import FakeBot
from deploy.local.sandbox.telegram_faults import Fault, Script
from deploy.local.sandbox.telegram_http import Answer
from deploy.local.sandbox.telegram_people import Act

_SHOWN: Final[dict[str, Callable[[FakeBot], Any]]] = {
    "messages": lambda bot: bot.accepted,
    "early": lambda bot: bot.floods.early,
    "answers": lambda bot: bot.answered,
    "updates": lambda bot: bot.updates.pending(),
    "commands": lambda bot: [
        {"scope": msgspec.Raw(scope.encode()), "language_code": language, "commands": commands}
        for (scope, language), commands in bot.menu.commands.items()
    ],
}
_HELP: Final = f"there are faults, acts, reset (POST); {', '.join(_SHOWN)}, files/ID (GET)\n".encode()


def control(method: str, name: str, body: bytes, bot: FakeBot, script: Script) -> Answer:
    """Return the answer to everything but a reset."""
    try:
        if (method, name) == ("POST", "faults"):
            script.add(msgspec.json.decode(body, type=list[Fault]))
            return Answer(200, b"{}")
        if (method, name) == ("POST", "acts"):
            acts = msgspec.json.decode(body, type=list[Act])
            return Answer(200, msgspec.json.encode([bot.act(act) for act in acts]))
    except ValueError as e:
        return Answer(400, str(e).encode(), "text/plain")
    if method == "GET" and name in _SHOWN:
        return Answer(200, msgspec.json.encode(_SHOWN[name](bot)))
    if method == "GET" and (content := bot.files.get(name.removeprefix("files/"))) is not None:
        return Answer(200, content, "application/octet-stream")
    return Answer(404, _HELP, "text/plain")
