"""The whole service as a process on a broker: events in, answers out, SIGTERM ends it; and its command line."""

import asyncio
import json
import os
import signal as signals
import subprocess
import sys

import httpx
import pytest
from typer.testing import CliRunner

from deploy.local.children import free_port
from libs.common.bus.admin import ensure_topics
from libs.common.bus.publisher import Publisher
from libs.common.bus.topics import TOPICS
from libs.common.runtime.errors import ConfigurationError, InputError
from services.gateway.access.keys import mint, well_formed
from services.gateway.cli import app
from tests.services.gateway.stream.talking import desk

WITHIN_S = 40


def environment(**changes: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CSX_")}
    return kept | {f"CSX_{name}": value for name, value in changes.items()}


async def until(ask, fits):
    """Return the first answer that fits."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                answer = await ask()
                if fits(answer):
                    return answer
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)


async def test_from_the_topics_to_an_answer_and_a_clean_end(
    fresh_dsn, fresh_redis_url, embedded_broker, make, tmp_path
):
    await ensure_topics(embedded_broker, TOPICS)
    port, key = free_port(), mint("csx up").text
    log = tmp_path / "gateway.log"
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services.gateway",
            env=environment(
                KAFKA_BOOTSTRAP=embedded_broker,
                POSTGRES_DSN=fresh_dsn,
                REDIS_URL=fresh_redis_url,
                GATEWAY_PORT=str(port),
                GATEWAY_BOOTSTRAP_KEY=key,
            ),
            stdout=out,
            stderr=out,
        )
    publisher = Publisher(embedded_broker, "test")
    await publisher.start()
    signal = make.signal()
    try:
        await publisher.publish(
            [make.trade(60_123.0), make.snapshot(), make.reading(), make.candle(), signal, make.verdict(signal)]
        )
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers) as http:
            await until(lambda: http.get("/readyz"), lambda a: a.status_code == 200)
            await until(
                lambda: http.get("/v1/signals/sig-0001"), lambda a: a.status_code == 200 and a.json()["decision"]
            )
            market = await until(
                lambda: http.get("/v1/markets"), lambda a: a.json()["data"] and a.json()["data"][0]["last"]
            )
            assert market.json()["data"][0]["last"]["price"] == 60_123.0
            book = await until(lambda: http.get("/v1/markets/BTC-USDT-PERP/book"), lambda a: a.status_code == 200)
            assert book.json()["book"]["bids"][0] == [99.0, 1.0]
            bars = await http.get("/v1/markets/BTC-USDT-PERP/candles?timeframe=1m")
            assert [bar["close"] for bar in bars.json()["data"]] == [101.0]
        await _check_stream(port, key, publisher, make)
    finally:
        await publisher.stop()
        process.send_signal(signals.SIGTERM)
        try:
            async with asyncio.timeout(10):
                code = await process.wait()
        except TimeoutError:
            process.kill()
            raise
    text = log.read_text()
    assert code == 0, text
    assert key not in text
    assert "Traceback" not in text, text
    assert "broke off" not in text, text


async def _check_stream(port, key, publisher, make):
    async with desk(f"127.0.0.1:{port}", key) as client:
        await client.say(op="subscribe", channel="signals", since="live")
        await client.hear(type="subscribed")
        await publisher.publish([make.signal(2)])
        assert (await client.hear(type="update"))["data"]["signal_id"] == "sig-0002"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"GATEWAY_ANONYMOUS": "true"}, "reading without a key is refused"),
        ({"GATEWAY_ANONYMOUS": "true", "GATEWAY_FEED": "sandbox", "GATEWAY_HOST": "0.0.0.0"}, "must be loopback"),
        ({"GATEWAY_ANONIMOUS": "true"}, "CSX_GATEWAY_ANONIMOUS"),
        ({}, "CSX_POSTGRES_DSN is missing"),
    ],
)
def test_settings_that_cannot_work_end_with_three_and_one_line(changes, words):
    done = subprocess.run(
        [sys.executable, "-m", "services.gateway"],
        env=environment(**changes),
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert words in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_keys_are_made_listed_and_revoked(postgres_dsn, monkeypatch):
    monkeypatch.setenv("CSX_POSTGRES_DSN", postgres_dsn)
    run = CliRunner()
    made = json.loads(run.invoke(app, ["keys", "create", "--name", "desk"]).stdout)
    assert well_formed(made["key"])
    listed = [json.loads(line) for line in run.invoke(app, ["keys", "list"]).stdout.splitlines()]
    (mine,) = [row for row in listed if row["key_id"] == made["key_id"]]
    assert (mine["name"], mine["revoked"], mine["last_used"]) == ("desk", None, None)
    assert mine["scopes"] == ["export", "read:market", "read:signals", "stream"]
    assert made["key"] not in json.dumps(listed)
    assert run.invoke(app, ["keys", "revoke", made["key_id"]]).exit_code == 0
    listed = [json.loads(line) for line in run.invoke(app, ["keys", "list"]).stdout.splitlines()]
    assert [row["revoked"] is not None for row in listed if row["key_id"] == made["key_id"]] == [True]
    assert isinstance(run.invoke(app, ["keys", "revoke", "nobody"]).exception, InputError)
    assert isinstance(run.invoke(app, ["keys", "create", "--name", "x", "--scopes", "all"]).exception, InputError)


def test_keys_need_a_database(monkeypatch):
    monkeypatch.delenv("CSX_POSTGRES_DSN", raising=False)
    assert isinstance(CliRunner().invoke(app, ["keys", "list"]).exception, ConfigurationError)


def test_the_document_is_printed():
    assert json.loads(CliRunner().invoke(app, ["openapi"]).stdout)["info"]["title"] == "CryptoSatX gateway"
