"""A request's query and body in; the call's arguments and files, or why Telegram could not read them, out."""

import json
import re
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct

from deploy.local.sandbox.telegram_http import Request

_BOUNDARY: Final = re.compile(r'boundary="?([^";]{1,70})"?')
_PARAMETER: Final = re.compile(r';\s*(name|filename)="([^"]*)"')


class ApiError(Exception):
    """An answer with `ok: false`."""

    def __init__(self, code: int, description: str, parameters: dict[str, Any] | None = None) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters


class Upload(Struct, frozen=True):
    """One file of a multipart body."""

    filename: str
    kind: str
    content: bytes


class Call(Struct, frozen=True, kw_only=True):
    """One call of a method."""

    method: str
    arguments: dict[str, str]
    files: dict[str, Upload]
    now_s: float
    """Of the server's monotonic clock."""
    date: int
    """Unix seconds."""

    def text(self, name: str) -> str:
        """Return an argument; an absent one is empty."""
        return self.arguments.get(name, "")

    def flag(self, name: str) -> bool:
        """Return a yes or no; an absent one is no."""
        return self.text(name).strip().lower() in {"true", "1", "yes"}

    def integer(self, name: str, default: int, least: int, most: int) -> int:
        """Return a number, brought within its bounds without a word, as Telegram's server does."""
        try:
            return min(max(int(self.text(name)), least), most)
        except ValueError:
            return default

    def json(self, name: str, what: str) -> Any:
        """Return a JSON argument, None when it is absent.

        Raises:
            ApiError: it is no JSON.
        """
        if not self.text(name).strip():
            return None
        try:
            return msgspec.json.decode(self.text(name))
        except msgspec.DecodeError as e:
            raise ApiError(400, f"Bad Request: can't parse {what} JSON object") from e


def read(query: str, request: Request) -> tuple[dict[str, str], dict[str, Upload]]:
    """Return arguments and files.

    Raises:
        ValueError: a body that is no form, no multipart and no JSON object.
    """
    arguments = dict(parse_qsl(query))
    if not request.body:
        return arguments, {}
    kind = request.kind.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return {**arguments, **dict(parse_qsl(request.body.decode(), keep_blank_values=True))}, {}
    if kind == "multipart/form-data":
        fields, files = _multipart(request)
        return {**arguments, **fields}, files
    if kind == "application/json":
        given: Any = json.loads(request.body)
        if isinstance(given, dict):
            return {**arguments, **{key: _flat(value) for key, value in given.items()}}, {}
    raise ValueError(kind)


def _flat(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _multipart(request: Request) -> tuple[dict[str, str], dict[str, Upload]]:
    boundary = _BOUNDARY.search(request.kind)
    if boundary is None:
        raise ValueError("no boundary")
    mark = b"\r\n--" + boundary[1].encode()
    first, *parts, last = (b"\r\n" + request.body).split(mark)
    if first or last.strip(b"\r\n") != b"--":
        raise ValueError("the multipart body has no beginning or no end")
    fields: dict[str, str] = {}
    files: dict[str, Upload] = {}
    for part in parts:
        head, blank, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        headers = {key.lower(): value for key, _, value in (row.partition(": ") for row in head.decode().split("\r\n"))}
        disposition = headers.get("content-disposition", "")
        named = dict(_PARAMETER.findall(disposition))
        if not blank or not disposition.startswith("form-data") or "name" not in named:
            raise ValueError("a part without a name")
        if "filename" in named:
            files[named["name"]] = Upload(named["filename"], headers.get("content-type", ""), content)
        else:
            fields[named["name"]] = content.decode()
    return fields, files
