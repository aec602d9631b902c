"""Calls about the menu of commands in; what the menu of each scope and language is, out."""

import re
from typing import Any, Final

import msgspec

from deploy.local.sandbox.telegram_call import ApiError, Call

MOST_COMMANDS: Final = 100
MOST_DESCRIPTION: Final = 256
_NAME: Final = re.compile(r"[a-z0-9_]{1,32}")
_SCOPES: Final = {
    "default": (),
    "all_private_chats": (),
    "all_group_chats": (),
    "all_chat_administrators": (),
    "chat": ("chat_id",),
    "chat_administrators": ("chat_id",),
    "chat_member": ("chat_id", "user_id"),
}


class Menu:
    """The commands shown to users, by scope and language."""

    def __init__(self) -> None:
        self.commands: dict[tuple[str, str], list[dict[str, str]]] = {}

    def set(self, call: Call) -> bool:
        """Replace the commands of a scope and language.

        Raises:
            ApiError: a name that is not 1 to 32 of a-z, 0-9 and _, a description that is not 1 to 256 characters
                long, or more than 100 commands.
        """
        given = call.json("commands", "commands")
        if not isinstance(given, list):
            raise ApiError(400, "Bad Request: expected an Array of BotCommand")
        if len(given) > MOST_COMMANDS:
            raise ApiError(400, "Bad Request: BOT_COMMANDS_TOO_MUCH")
        self.commands[_place(call)] = [_command(one) for one in given]
        return True

    def get(self, call: Call) -> list[dict[str, str]]:
        """Return the commands of exactly this scope and language."""
        return self.commands.get(_place(call), [])

    def delete(self, call: Call) -> bool:
        """Forget the commands of a scope and language."""
        self.commands.pop(_place(call), None)
        return True


def _command(given: Any) -> dict[str, str]:
    if not isinstance(given, dict) or not {"command", "description"} <= given.keys():
        raise ApiError(400, "Bad Request: can't parse BotCommand: it must have command and description")
    command, description = str(given["command"]), str(given["description"]).strip()
    if not _NAME.fullmatch(command):
        raise ApiError(400, "Bad Request: BOT_COMMAND_INVALID")
    if not 1 <= len(description) <= MOST_DESCRIPTION:
        raise ApiError(400, "Bad Request: BOT_COMMAND_DESCRIPTION_INVALID")
    return {"command": command, "description": description}


def _place(call: Call) -> tuple[str, str]:
    scope = call.json("scope", "BotCommandScope") or {"type": "default"}
    if not isinstance(scope, dict) or scope.get("type") not in _SCOPES:
        raise ApiError(400, "Bad Request: can't parse BotCommandScope: Unsupported type specified")
    if any(name not in scope for name in _SCOPES[scope["type"]]):
        raise ApiError(400, "Bad Request: can't parse BotCommandScope: chat or user is missing")
    language = call.text("language_code")
    if language and not re.fullmatch(r"[a-z]{2}", language):
        raise ApiError(400, "Bad Request: invalid language code specified")
    return msgspec.json.encode(scope, order="sorted").decode(), language
