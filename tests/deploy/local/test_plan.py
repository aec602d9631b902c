"""The plan of `csx up`: which processes, with which environment, in which order."""

import importlib
import os
import re
from pathlib import Path

import pytest

from deploy.local.banner import banner
from deploy.local.options import Feed, Request
from deploy.local.plan import Wiring, names, plan, services
from libs.common.runtime.settings import SERVICES, load

MARKETS = {"binance-usdm": ("BTC-USDT-PERP",), "okx": ("BTC-USDT", "BTC-USDT-PERP")}


def wiring(request: Request, *, key: str | None = None) -> Wiring:
    """Ports counted from 20000."""
    every = [*names(request), *(f"{name}.health" for name in names(request))]
    return Wiring(
        bootstrap="127.0.0.1:19092",
        postgres_dsn="postgresql://csx:p@127.0.0.1:5/csx",
        redis_url="redis://:v@127.0.0.1:6/0",
        spill_dir="/data/spill",
        ports={name: 20000 + number for number, name in enumerate(every)},
        telegram_token="1:abc",
        telegram_url="http://127.0.0.1:7",
        chats="1000",
        owners="1001",
        owners_token="2:def",
        gateway_key=key,
    )


def test_the_sandbox_feed_starts_everything_and_asks_for_no_key():
    request = Request(feed=Feed.SANDBOX, markets=MARKETS, port=8123)
    specs = {spec.name: spec for spec in plan(request, wiring(request))}
    assert list(specs) == [
        *("telegram", "exchange", "deadman"),
        *("ingest-binance-usdm", "ingest-okx", "signals", "alerts", "gateway"),
    ]
    assert specs["ingest-okx"].env["CSX_INGEST_SYMBOLS"] == "BTC-USDT,BTC-USDT-PERP"
    assert specs["ingest-okx"].env["CSX_INGEST_ORIGIN"] == "simulated"
    assert specs["ingest-okx"].env["CSX_INGEST_SPILL_DIR"] == "/data/spill"
    assert specs["ingest-okx"].env["CSX_INGEST_WS_URL"].endswith("/okx")
    assert "CSX_INGEST_TRADE_CHANNEL" not in specs["ingest-binance-usdm"].env
    assert specs["gateway"].env["CSX_GATEWAY_ANONYMOUS"] == "true"
    assert specs["gateway"].ready.ports[1] == 8123
    assert set(specs["signals"].after) == {"broker", "postgres", "valkey", "exchange", "telegram", "topics"}


def test_the_sandbox_lists_many_markets_only_where_the_few_do_not_suffice():
    few = Request(feed=Feed.SANDBOX, markets=MARKETS)
    assert "--markets" not in plan(few, wiring(few))[1].command
    others: tuple[dict[str, tuple[str, ...]], ...] = (
        {"bybit": ("BTC-USDT-PERP",), "okx": ("BTC-USDT",)},
        {"okx": ("top:20",)},
    )
    for markets in others:
        many = Request(feed=Feed.SANDBOX, markets=markets)
        specs = {spec.name: spec for spec in plan(many, wiring(many))}
        assert " ".join(specs["exchange"].command).endswith(f"--markets 65 --symbols {' '.join(markets)}")
        for venue, symbols in markets.items():
            assert specs[f"ingest-{venue}"].env["CSX_INGEST_SYMBOLS"] == ",".join(symbols)


def test_only_the_sandbox_feed_is_open():
    for feed in (Feed.LIVE, Feed.FILES):
        request = Request(feed=feed, markets=MARKETS, files=(Path("/r/day.gz"),))
        env = plan(request, wiring(request, key="secret"))[-1].env
        assert "CSX_GATEWAY_ANONYMOUS" not in env
        assert env["CSX_GATEWAY_BOOTSTRAP_KEY"] == "secret"


def test_a_recording_is_played_by_the_exchange():
    request = Request(
        feed=Feed.FILES,
        files=(Path("/r/a.gz"), Path("/r/b.gz")),
        markets={"binance-usdm": ("BTC-USDT-PERP",)},
        speed=10,
    )
    specs = {spec.name: spec for spec in plan(request, wiring(request, key="k"))}
    words = " ".join(specs["exchange"].command)
    assert "--recording /r/a.gz /r/b.gz --venue binance-usdm --speed 10" in words
    env = specs["ingest-binance-usdm"].env
    assert env["CSX_INGEST_ORIGIN"] == "recorded"
    assert env["CSX_INGEST_TRADE_CHANNEL"] == "trade"


@pytest.mark.parametrize(
    ("feed", "speed", "grace_s"),
    [(Feed.FILES, 10, "20"), (Feed.FILES, 1, None), (Feed.FILES, 0.5, None), (Feed.SANDBOX, 1, None)],
)
def test_bars_of_a_recording_wait_as_long_by_the_clock_of_this_machine_at_any_speed(feed, speed, grace_s):
    request = Request(feed=feed, files=(Path("/r/a.gz"),), markets=MARKETS, speed=speed)
    specs = {spec.name: spec for spec in plan(request, wiring(request, key="k"))}
    assert specs["signals"].env.get("CSX_SIGNALS_CLOSE_GRACE_S") == grace_s


def test_the_live_feed_has_no_exchange_and_alerts_reach_people_only_through_their_own_bot():
    request = Request(feed=Feed.LIVE, markets=MARKETS)
    assert "exchange" not in names(request)
    assert "telegram" in names(request)
    assert "CSX_INGEST_WS_URL" not in plan(request, wiring(request))[1].env
    own = Request(feed=Feed.LIVE, markets=MARKETS, own_bot=True)
    assert "telegram" not in names(own)
    assert "fake Telegram" not in banner(own, wiring(own, key="k"), Path("/d"))
    assert "CSX_ALERTS_TELEGRAM_TOKEN is not set" in banner(request, wiring(request, key="k"), Path("/d"))


def test_vendors_are_asked_by_a_process_of_their_own_about_every_market_that_has_a_name():
    markets: dict[str, tuple[str, ...]] = {
        "binance-usdm": ("BTC-USDT-PERP", "top:5"),
        "okx": ("BTC-USDT-PERP", "ETH-USDT"),
    }
    request = Request(feed=Feed.LIVE, markets=markets, vendors=("coinglass", "alternative"))
    assert "ingest-vendors" in names(request)
    (spec,) = (spec for spec in plan(request, wiring(request)) if spec.name == "ingest-vendors")
    assert {key: value for key, value in spec.env.items() if key.startswith("CSX_INGEST_")} == {
        "CSX_INGEST_VENUE": "vendors",
        "CSX_INGEST_VENDORS": "coinglass,alternative",
        "CSX_INGEST_ORIGIN": "live",
        "CSX_INGEST_SYMBOLS": "BTC-USDT-PERP,ETH-USDT",
    }


def test_the_alerts_beat_for_a_watch_that_needs_nothing_but_telegram():
    request = Request(feed=Feed.SANDBOX, markets=MARKETS)
    specs = {spec.name: spec for spec in plan(request, wiring(request))}
    watch = specs["deadman"]
    port = wiring(request).ports["deadman"]
    assert watch.command[1:] == ("-m", "services.alerts.deadman")
    assert watch.env["CSX_DEADMAN_PORT"] == str(port)
    assert (watch.env["CSX_DEADMAN_OWNERS"], watch.env["CSX_DEADMAN_TELEGRAM_TOKEN"]) == ("1001", "2:def")
    assert not {"CSX_KAFKA_BOOTSTRAP", "CSX_POSTGRES_DSN", "CSX_REDIS_URL"} & set(watch.env)
    assert watch.after == ("telegram",)
    assert specs["alerts"].env["CSX_ALERTS_HEARTBEAT_URL"] == f"http://127.0.0.1:{port}/beat"


def test_where_nobody_could_be_told_nothing_watches():
    request = Request(feed=Feed.LIVE, markets=MARKETS, own_bot=True, watched=False)
    specs = {spec.name: spec for spec in plan(request, wiring(request))}
    assert "deadman" not in specs
    assert "CSX_ALERTS_HEARTBEAT_URL" not in specs["alerts"].env


def test_messages_link_to_the_page_where_the_fake_shows_them_and_not_on_somebody_s_phone():
    own, phone = Request(feed=Feed.SANDBOX, markets=MARKETS), Request(feed=Feed.LIVE, markets=MARKETS, own_bot=True)
    alerts = [{spec.name: spec for spec in plan(one, wiring(one))}["alerts"].env for one in (own, phone)]
    assert [env.get("CSX_ALERTS_PUBLIC_URL") for env in alerts] == [f"http://127.0.0.1:{own.port}", None]


def test_a_broker_of_ones_own_is_not_started():
    request = Request(feed=Feed.SANDBOX, markets=MARKETS, broker="10.0.0.1:9092")
    assert "broker" not in names(request)


@pytest.mark.parametrize("feed", list(Feed))
def test_every_service_accepts_its_environment(feed, monkeypatch):
    from services.gateway.access.keys import mint

    for variable in [name for name in os.environ if name.startswith("CSX_")]:
        monkeypatch.delenv(variable)
    vendors = ("coinglass", "alternative") if feed is Feed.LIVE else ()
    request = Request(feed=feed, markets=MARKETS, files=(Path("/r/day.gz"),), vendors=vendors)
    key = None if feed is Feed.SANDBOX else mint("test").text
    for spec in plan(request, wiring(request, key=key)):
        if not spec.service:
            continue
        name = spec.name.partition("-")[0]
        folder = "alerts.deadman" if name == "deadman" else name
        assert name in SERVICES or name == "deadman"
        kind = importlib.import_module(f"services.{folder}.settings").Settings
        with monkeypatch.context() as env:
            for variable, value in spec.env.items():
                env.setenv(variable, value)
            settings = load(kind)
        assert settings.kafka_bootstrap == "127.0.0.1:19092" or name == "deadman"
        assert settings.health_port == int(spec.env["CSX_HEALTH_PORT"])


def test_the_banner_says_what_a_person_needs():
    request = Request(feed=Feed.SANDBOX, markets=MARKETS, port=8123)
    text = banner(request, wiring(request), Path("/d/.csx"))
    assert re.search(r"page +http://127\.0\.0\.1:8123/\n", text)
    assert "SIMULATED" in text
    assert "Ctrl-C" in text
    recorded = Request(feed=Feed.FILES, markets=MARKETS, files=(Path("/r/day.gz"),), seconds=60)
    text = banner(recorded, wiring(recorded, key="KEY"), Path("/d/.csx"))
    assert "/#key=KEY\n" in text
    assert "RECORDED" in text
    assert "after 60 s" in text


def test_the_alerts_watch_all_other_processes_and_a_simulated_market_has_waves():
    own, live = Request(feed=Feed.SANDBOX, markets=MARKETS), Request(feed=Feed.LIVE, markets=MARKETS, own_bot=True)
    mine, others = ({spec.name: spec for spec in plan(one, wiring(one))} for one in (own, live))
    processes = dict(one.split("=") for one in mine["alerts"].env["CSX_ALERTS_WATCHED"].split(","))
    assert processes.keys() == {name for name in services(own) if name != "alerts"}
    for name, url in processes.items():
        assert url == f"http://127.0.0.1:{mine[name].env['CSX_HEALTH_PORT']}/metrics"
    assert "liquidation_wave" in mine["alerts"].env["CSX_ALERTS_TEMPLATES"].split(",")
    assert "CSX_ALERTS_TEMPLATES" not in others["alerts"].env
