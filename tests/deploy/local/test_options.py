"""What was asked for on the command line is understood, or refused with the name of the option."""

from pathlib import Path
from typing import Any

import pytest

from deploy.local.options import Feed, Request, duration, request, venue_of
from libs.common.runtime.errors import InputError


def asked(**words) -> Request:
    """A request with everything at its default but `words`."""
    defaults: dict[str, Any] = {
        "feeds": [],
        "venue": None,
        "symbols": None,
        "speed": 1.0,
        "port": 8080,
        "broker": "embedded",
        "lasting": None,
        "fresh": False,
        "data_dir": Path(".csx"),
        "seed": 1,
        "own_bot": False,
    }
    return request(**(defaults | words))


def test_nothing_said_is_the_sandbox_on_both_venues():
    found = asked()
    assert found.feed is Feed.SANDBOX
    assert found.feed.origin == "simulated"
    assert found.markets == {
        "binance-usdm": ("BTC-USDT-PERP", "ETH-USDT-PERP", "SOL-USDT-PERP"),
        "okx": ("BTC-USDT-PERP", "BTC-USDT"),
    }


def test_vendors_speak_of_the_live_market_only():
    assert asked(feeds=["live"], vendors="coinglass, alternative,coinglass").vendors == ("coinglass", "alternative")
    with pytest.raises(InputError, match="--vendors: 'bloomberg' is unknown, there are alternative, coingecko"):
        asked(feeds=["live"], vendors="bloomberg")
    with pytest.raises(InputError, match="--vendors: they speak of the live market"):
        asked(vendors="coinglass")


@pytest.mark.parametrize(("text", "seconds"), [("60", 60), ("60s", 60), ("1.5m", 90), ("2h", 7200)])
def test_durations(text, seconds):
    assert duration(text) == seconds


@pytest.mark.parametrize(
    ("path", "venue"),
    [
        ("data/raw/binance_usdm/day.gz", "binance-usdm"),
        ("/x/okx/deeper/day.ws", "okx"),
        ("/x/binance_spot/day.gz", "binance-spot"),
        ("/x/bybit/day.gz", None),
        ("okx.gz", None),
    ],
)
def test_the_folder_tells_the_venue(path, venue, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert venue_of(Path(path)) == venue


def test_recordings_are_of_one_venue(tmp_path):
    folder = tmp_path / "binance_usdm"
    folder.mkdir()
    for name in ("a.gz", "b.gz"):
        (folder / name).touch()
    found = asked(feeds=[str(folder / "a.gz"), str(folder / "b.gz")], speed=10.0)
    assert found.feed.origin == "recorded"
    assert found.files == (folder / "a.gz", folder / "b.gz")
    assert found.markets == {"binance-usdm": ()}
    assert asked(feeds=[str(folder / "a.gz")], venue="okx", symbols="BTC-USDT").markets == {"okx": ("BTC-USDT",)}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"feeds": ["sandbox", "live"]}, "--feed: choose one"),
        ({"feeds": ["nowhere.gz"]}, "--feed: nowhere.gz is neither sandbox, nor live, nor a file"),
        ({"venue": "mtgox"}, "--venue: 'mtgox' is unknown"),
        ({"symbols": "BTCUSDT"}, "--symbols: 'BTCUSDT' is no symbol"),
        ({"speed": 0.0}, "--speed"),
        ({"port": 70000}, "--port: 70000 is no port"),
        ({"broker": "rabbit"}, "--broker: 'rabbit'"),
        ({"lasting": "soon"}, "--for: 'soon' is no duration"),
    ],
)
def test_wrong_words_are_refused_by_the_name_of_their_option(words, message):
    with pytest.raises(InputError, match=message):
        asked(**words)


def test_a_recording_needs_a_venue(tmp_path):
    (tmp_path / "day.gz").touch()
    with pytest.raises(InputError, match=r"--venue: say whose recording day\.gz is"):
        asked(feeds=[str(tmp_path / "day.gz")])


def test_symbols_go_to_the_venues_that_can_have_them():
    assert asked(symbols="BTC-USDT").markets == {"okx": ("BTC-USDT",)}
    assert asked(symbols="BTC-USDT,ETH-USDT-PERP").markets == {
        "binance-usdm": ("ETH-USDT-PERP",),
        "okx": ("BTC-USDT", "ETH-USDT-PERP"),
    }
    with pytest.raises(InputError, match="--symbols: BTC-USDT cannot be on binance-usdm"):
        asked(symbols="BTC-USDT", venue="binance-usdm")


def test_the_busiest_are_chosen_where_there_is_such_a_kind():
    found = asked(symbols="top:65,top:5:PERP,top:5:USDT-SPOT", venue="binance-usdm,binance-spot")
    assert found.markets == {
        "binance-usdm": ("top:65", "top:5:PERP"),
        "binance-spot": ("top:65", "top:5:USDT-SPOT"),
    }
    with pytest.raises(InputError, match="--symbols: 'top:5:coins' is no choice"):
        asked(symbols="top:5:coins")


@pytest.mark.parametrize(
    ("venue", "symbols", "markets"),
    [
        ("bybit", None, {"bybit": ("BTC-USDT-PERP", "ETH-USDT-PERP", "BTC-USDT")}),
        ("bybit,binance-spot", "BTC-USDT", {"bybit": ("BTC-USDT",), "binance-spot": ("BTC-USDT",)}),
        ("binance-spot, okx", "BTC-USDT-PERP", {"okx": ("BTC-USDT-PERP",)}),
        (None, "top:65", {"binance-usdm": ("top:65",), "okx": ("top:65",)}),
        ("bybit", "top:10,BTC-USD-PERP", {"bybit": ("top:10", "BTC-USD-PERP")}),
        ("bybit,binance-spot", "top:10:USDT-PERP", {"bybit": ("top:10:USDT-PERP",)}),
    ],
)
def test_several_venues_and_the_busiest_of_them(venue, symbols, markets):
    assert asked(venue=venue, symbols=symbols).markets == markets


def test_a_feed_knows_its_own_venues(tmp_path):
    assert asked(feeds=["live"], venue="binance-coinm").markets == {"binance-coinm": ("BTC-USD-PERP",)}
    with pytest.raises(InputError, match="--venue: 'binance-coinm' is unknown"):
        asked(venue="binance-coinm")
    with pytest.raises(InputError, match="--symbols: say what to watch on coinapi"):
        asked(feeds=["live"], venue="coinapi")
    for word in ("top:0", "top:x", "top:", "top:5:perp"):
        with pytest.raises(InputError, match="--symbols"):
            asked(symbols=word)
    (tmp_path / "day.gz").touch()
    with pytest.raises(InputError, match="--venue"):
        asked(feeds=[str(tmp_path / "day.gz")], venue="okx,binance-usdm")


def test_people_hear_of_live_markets_only():
    assert asked(feeds=["live"], own_bot=True).own_bot
    assert not asked(feeds=["sandbox"], own_bot=True).own_bot


def test_the_alerts_are_watched_wherever_somebody_can_be_told():
    assert asked(feeds=["sandbox"], own_bot=True).watched
    assert asked(feeds=["live"]).watched
    assert not asked(feeds=["live"], own_bot=True).watched
    assert asked(feeds=["live"], own_bot=True, owners=True).watched
