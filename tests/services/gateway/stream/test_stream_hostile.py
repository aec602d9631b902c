"""What no well-meaning client says: it is answered or the stream ends, and nothing fails unseen."""

import asyncio
import json
import logging

import pytest

from tests.services.gateway.stream.talking import Line

ODD = [
    *("\0", "a\0b", "\n", "\x1f", "\x7f", "x" * 81, "\u202e", "🦀" * 80, "*", "\\", "NaN"),
    "'; DROP TABLE gateway.feed; --",
    "%s%n{}",
]
PAYLOADS = [
    *(json.dumps({"op": "subscribe", "channel": "price", "symbol": odd}).encode() for odd in ODD),
    *(
        json.dumps({"op": "subscribe", "channel": "price", "venue": odd, "symbol": "BTC-USDT-PERP"}).encode()
        for odd in ODD
    ),
    *(json.dumps({"op": odd, "channel": odd, "id": odd}).encode() for odd in ODD),
    *(json.dumps({"op": "subscribe", "channel": "signals", "from": odd}).encode() for odd in ODD),
    *(json.dumps({"op": "auth", "key": odd, "ticket": odd}).encode() for odd in ODD),
    b"\xff\xfe",
    b'{"op":"subscribe","channel":"price","symbol":"\\ud800"}',
    b"[" * 50_000,
    b'{"a":' * 10_000,
    b"1e999",
    b'{"op":"subscribe","channel":"price","symbols":' + json.dumps(["A"] * 101).encode() + b"}",
    b'{"op":"subscribe","channel":"price","symbol":"A","symbols":["B"]}',
    b'{"op":"ping","id":9223372036854775808}',
    b'{"op":"ping","id":{"a":1}}',
]


@pytest.mark.parametrize("signed", [True, False])
async def test_whatever_is_said_is_answered_or_ends_the_stream(gateway, make, caplog, signed):
    await gateway.fold(make.trade(), make.signal())
    sessions = gateway.desk.sessions
    await sessions.follower.catch_up()
    principal = await gateway.guard.sign_in(gateway.key) if signed else None
    with caplog.at_level(logging.ERROR):
        for payload in PAYLOADS:
            line = Line()
            session = sessions.open(line, principal, "")
            before = len(line.wrote)
            session.hear(payload)
            async with asyncio.timeout(5):
                while session._task is not None:  # noqa: ASYNC110 - a session has no event for it
                    await asyncio.sleep(0)
            answered = line.heard[before:]
            assert line.ended or answered, payload[:80]
            if not signed:
                assert line.ended, payload[:80]
            assert all(one["type"] in {"error", "pong", "subscribed", "snapshot"} for one in answered), answered
            session.gone()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_client_that_asks_ahead_of_what_can_be_answered_is_cut(gateway, make):
    session = gateway.desk.sessions.open(line := Line(), await gateway.guard.sign_in(gateway.key), "")
    for _ in range(60):
        session.hear(b'{"op":"ping"}')
    assert line.ended == (4429, "rate")
    session.gone()
