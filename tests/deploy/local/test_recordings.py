"""A recording tells which symbols it is of."""

import gzip

import pytest
import zstandard

from deploy.local.recordings import canonical, symbols_in
from libs.common.runtime.errors import InputError
from services.ingest.recording.entries import Entry, Kind
from services.ingest.recording.volumes import Index, Volumes, index_path


@pytest.mark.parametrize(
    ("native", "venue", "symbol"),
    [
        ("BTCUSDT", "binance-usdm", "BTC-USDT-PERP"),
        ("1000PEPEUSDC", "binance-usdm", "1000PEPE-USDC-PERP"),
        ("BTCUSDT_210625", "binance-usdm", None),
        ("USDT", "binance-usdm", None),
        ("SELL", "binance-usdm", None),
        ("BTC-USDT", "okx", "BTC-USDT"),
        ("BTC-USDT-SWAP", "okx", "BTC-USDT-PERP"),
        ("BTC-USD-220527", "okx", None),
        ("SPOT", "okx", None),
    ],
)
def test_names_of_spot_pairs_and_perpetuals(native, venue, symbol):
    assert canonical(native, venue) == symbol


def test_compressed_and_quoted_frames_are_read(tmp_path):
    frame = b'1723161255 {"stream":"btcusdt@trade","data":{"e":"trade","s":"BTCUSDT","p":"61"}}\n'
    (tmp_path / "a.gz").write_bytes(gzip.compress(frame))
    quoted = b'{"t":"recv","data":"{\\"arg\\":{\\"instId\\":\\"ETH-USDT-SWAP\\"}}"}\n'
    (tmp_path / "b.jsonl.zst").write_bytes(zstandard.compress(quoted))
    assert symbols_in([tmp_path / "a.gz"], "binance-usdm") == ("BTC-USDT-PERP",)
    assert symbols_in([tmp_path / "b.jsonl.zst"], "okx") == ("ETH-USDT-PERP",)


def test_what_cannot_be_read_or_says_nothing_is_refused(tmp_path):
    (tmp_path / "broken.gz").write_bytes(b"no gzip")
    with pytest.raises(InputError, match="cannot be read"):
        symbols_in([tmp_path / "broken.gz"], "okx")
    (tmp_path / "empty").touch()
    with pytest.raises(InputError, match="--symbols: no symbol of okx is named in empty"):
        symbols_in([tmp_path / "empty"], "okx")


@pytest.mark.recordings
def test_real_recordings(recordings):
    raw = recordings / "raw"
    assert symbols_in([raw / "binance_usdm" / "2024-08-08_btcusdt.gz"], "binance-usdm") == ("BTC-USDT-PERP",)
    assert symbols_in([raw / "okx" / "2022-05-13_OKX.ws.1.0"], "okx") == ("BTC-USDT", "UNI-USD-PERP")


def test_a_recording_of_our_own_says_its_symbols(tmp_path):
    """Its frames name more: the venue's whole catalogue is among them."""
    index = Index(software="0", venue="okx", symbols=("BTC-USDT",), options={})
    volumes = Volumes(tmp_path / "r.zst", index, rotate_bytes=1 << 20, wall_ns=1, mono_ns=1)
    catalogue = b'{"data":[{"instId":"BTC-USDT"},{"instId":"ETH-USDT"}]}'
    volumes.write([Entry(kind=Kind.ANSWER, wall_ns=1, mono_ns=1, data=catalogue)], flush=True)
    volumes.close("time")
    assert symbols_in([tmp_path / "r.zst"], "okx") == ("BTC-USDT",)
    assert symbols_in([index_path(tmp_path / "r.zst")], "okx") == ("BTC-USDT",)
    (tmp_path / "broken").write_bytes(b'{"csx_index":1}\n')
    with pytest.raises(InputError, match="no symbol of okx"):
        symbols_in([tmp_path / "broken"], "okx")
