"""Finding 15: logs said secrets, and texts from outside could forge lines of them."""

import json
import logging
import random
import secrets
import string
import sys
import unicodedata
import urllib.parse
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from libs.common.runtime.process import Process
from libs.common.runtime.redaction import HIDDEN, Redaction
from libs.common.runtime.settings import secrets_of
from libs.common.runtime.telemetry import ConsoleFormatter, JsonFormatter
from services.gateway.access.keys import mint
from services.gateway.settings import Settings

_WORD = string.ascii_letters + string.digits
_ODD = _WORD + "!$%&*+-_=~^|;?\"'\\"


def _key(chance):
    text = mint("x").text
    return text, text[20:], ()


def _jwt(chance):
    parts = [chance.choices(_WORD + "-_", k=n) for n in (40, chance.randint(60, 300), 86)]
    text = ".".join(["eyJhbGciOi" + "".join(parts[0]), "eyJ" + "".join(parts[1]), "".join(parts[2])])
    return text, text[60:], ()


def _telegram(chance):
    secret = "".join(chance.choices(_WORD + "-_", k=35))
    return f"https://api.telegram.org/bot{chance.randint(10**8, 10**10)}:{secret}/sendMessage", secret, ()


def _dsn(chance):
    password = "".join(chance.choices(_WORD + "!$%&*+-_=~^", k=chance.randint(8, 40)))
    url = f"postgresql://csx:{urllib.parse.quote(password, safe='')}@db.internal:5432/csx"
    return url, urllib.parse.quote(password, safe=""), ()


def _given(chance):
    secret = "".join(chance.choices(_ODD, k=chance.randint(16, 64)))
    shown = chance.choice([secret, urllib.parse.quote(secret, safe=""), repr(secret), json.dumps(secret)])
    return shown, secret, (secret,)


def _borne(chance):
    secret = secrets.token_urlsafe(32)
    head = chance.choice(["Authorization: Bearer ", "cookie: __Host-csx_refresh=", "/v1/stream?ticket=", "api_key="])
    return head + secret, secret, ()


KINDS = (_key, _jwt, _telegram, _dsn, _given, _borne)


def _break(text):
    raise ConnectionError(text)


def _record(place, text):
    message, error = "it happened", None
    args: tuple[Any, ...] = ()
    extra: dict[str, Any] = {}
    match place:
        case "message":
            message = f"it happened: {text}"
        case "argument":
            message, args = "it happened: %s", (text,)
        case "extra":
            extra = {"error": f"cannot reach {text} now"}
        case "deep":
            extra = {"request": {"headers": [("x", {"y": f"<{text}>"})]}}
        case "bytes":
            extra = {"raw": text.encode()}
        case "object":
            extra = {"cause": ConnectionError(text)}
        case "exception":
            try:
                _break(f"cannot reach {text}")
            except ConnectionError:
                error = sys.exc_info()
    return logging.getLogger("t").makeRecord("t", logging.ERROR, "f", 1, message, args, error, extra=extra)


PLACES = ("message", "argument", "extra", "deep", "bytes", "object", "exception")


@pytest.mark.parametrize("form", [JsonFormatter, ConsoleFormatter])
def test_f15_ten_thousand_secrets_never_reach_a_log(form):
    chance = random.Random(15)  # a fixed row of them, and keys that are new each time
    for number in range(5_000):  # in each of two forms
        text, secret, known = KINDS[number % len(KINDS)](chance)
        place = PLACES[number // len(KINDS) % len(PLACES)]
        line = form("gateway", Redaction(known)).format(_record(place, text))
        for spelt in {secret, urllib.parse.quote(secret, safe=""), json.dumps(secret)[1:-1], repr(secret)[1:-1]}:
            assert spelt not in line, (place, text, line)
        assert HIDDEN in line
        assert "it happened" in line


def test_f15_everything_a_process_is_given_as_a_secret_is_hidden(capsys):
    from libs.common.runtime.telemetry import configure_logging

    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    given_ = Settings(
        secret=SecretStr("a" * 31 + "1," + "b" * 31 + "2"),
        postgres_dsn=SecretStr("postgresql://csx:hunter2hunter2@db/csx"),
        redis_url=SecretStr("redis://:redispass99@cache/0"),
    )
    Process("gateway", given_)
    try:
        configure_logging("gateway", "INFO", "json", secrets_of(given_))
        logging.getLogger("x").error("old %s new %s", "a" * 31 + "1", "b" * 31 + "2", extra={"at": "hunter2hunter2"})
        logging.getLogger("x").error("redispass99 at %s", given_.postgres_dsn.get_secret_value())
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.captureWarnings(capture=False)
    lines = capsys.readouterr().err
    for secret in ("aaaa1", "bbbb2", "hunter2", "redispass"):
        assert secret not in lines
    assert lines.count("\n") == 2
    assert "@db/csx" in lines


@pytest.mark.parametrize("name", ["password", "token", "x-api-key", "refresh_token", "Set-Cookie", "client_secret"])
def test_f15_a_field_that_is_called_a_secret_is_one(name):
    line = JsonFormatter("x").format(_record("message", ""))
    assert HIDDEN not in line
    record = logging.getLogger("t").makeRecord("t", 40, "f", 1, "m", (), None, extra={"sent": {name: "short"}})
    assert json.loads(JsonFormatter("x").format(record))["sent"][name] == HIDDEN


def one_line(text):
    """Tell whether no line break that Unicode knows stands in it, nor any other control character."""
    return text.splitlines() == [text] and not any(unicodedata.category(one) == "Cc" for one in text)


FORGED = "x\n12:00:00 gateway  INFO    somebody signed in\r\n\x1b[2J\x00\x85\u2028\u2029\u202egnp.exe\u2066\ufeff\x7f"


@pytest.mark.parametrize("place", ["message", "argument", "extra", "deep", "bytes", "object"])
def test_f15_a_line_break_in_any_field_is_one_log_line(place):
    for form in (JsonFormatter, ConsoleFormatter):
        text = form("gateway").format(_record(place, FORGED))
        assert one_line(text), form
        assert text.isprintable(), form
        assert "somebody signed in" in text


def test_f15_an_exception_s_text_begins_no_line_of_its_own():
    record = _record("exception", FORGED)
    assert JsonFormatter("gateway").format(record).isprintable()
    first, *more = ConsoleFormatter("gateway").format(record).splitlines()
    assert first.endswith("gateway  ERROR   it happened")
    assert len(more) > 3
    assert all(line.startswith("    | ") and line.isprintable() for line in more)


@settings(max_examples=300)
@given(st.text(), st.text(min_size=1), st.recursive(st.text() | st.binary() | st.integers() | st.none(), st.lists))
def test_f15_any_text_is_one_line_and_json_stays_json(message, name, value):
    record = logging.getLogger("t").makeRecord("t", 40, "f", 1, message.replace("%", ""), (), None)
    vars(record)[f"x_{name}"] = value
    line = JsonFormatter("x").format(record)
    assert one_line(line)
    assert json.loads(line)["level"] == "error"
    assert one_line(ConsoleFormatter("x").format(record))


def test_f15_half_a_pair_of_a_character_breaks_no_log():
    for form in (JsonFormatter, ConsoleFormatter):
        assert "\\ud800" in form("x").format(_record("extra", "\ud800"))
