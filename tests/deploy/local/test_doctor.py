"""`csx doctor` finds what is wrong, says how to mend it, and never crashes."""

import json

import pytest

from deploy.local import doctor
from deploy.local.children import free_port
from deploy.local.datadir import DataDir
from deploy.local.doctor import Row, examine, report
from deploy.local.probes import Unreachable, clock_skew, clocks, kafka, postgres, valkey


@pytest.fixture
def rows(tmp_path, monkeypatch):
    """The rows of an examination, by name."""

    def run(**environ: str) -> dict[str, Row]:
        monkeypatch.delenv("CSX_TEST_DATA", raising=False)
        for key, value in environ.items():
            monkeypatch.setenv(key, value)
        return {row.check: row for row in examine(tmp_path / "d", free_port())}

    return run


def test_where_nothing_runs_nothing_fails(rows):
    found = rows()
    assert [row for row in found.values() if row.state == "fail"] == []
    assert found["csx up"].state == "skip"
    assert found["broker"].state == "skip"
    assert found["python"].state == "ok"


def test_what_is_down_is_a_failing_row_with_a_way_out(rows):
    port = free_port()
    found = rows(
        CSX_KAFKA_BOOTSTRAP=f"127.0.0.1:{port}",
        CSX_POSTGRES_DSN=f"postgresql://u:secret@127.0.0.1:{port}/x",
        CSX_REDIS_URL=f"redis://:secret@127.0.0.1:{port}/0",
    )
    for name in ("broker", "postgresql", "valkey"):
        assert found[name].state == "fail"
        assert found[name].mend
        assert "secret" not in found[name].found


def test_a_misspelt_setting_is_found(rows):
    found = rows(CSX_KAFKA_BOOTSTRAB="x")
    assert found["settings signals"].state == "fail"
    assert "CSX_KAFKA_BOOTSTRAB" in found["settings signals"].found


def test_vendors_are_told_by_their_keys_which_are_not_shown(rows):
    found = rows(CSX_INGEST_COINGLASS_KEY="very-secret")
    assert (found["vendor coinglass"].state, found["vendor lunarcrush"].state) == ("ok", "skip")
    assert found["vendor lunarcrush"].mend == "set CSX_INGEST_LUNARCRUSH_KEY, if you have one"
    assert {found["vendor alternative"].found, found["vendor coingecko"].found} == {"answers without a key"}
    assert not any("very-secret" in row.found for row in found.values())


def test_every_venue_that_says_its_time_to_anybody_is_asked_for_it(rows):
    assert set(clocks()) >= {"binance-spot", "binance-usdm", "binance-coinm", "bybit", "okx"}
    assert "coinapi" not in clocks()
    assert {name for name in rows() if name.startswith("clock ")} == {f"clock {venue}" for venue in clocks()}


async def test_stores_that_answer_tell_their_version(postgres_dsn, redis_url):
    assert (await postgres(postgres_dsn)).startswith("PostgreSQL 18.")
    assert (await valkey(redis_url)).startswith("valkey 9.")


async def test_addresses_that_are_none_are_told_not_raised():
    for probe, address in ((postgres, "nonsense"), (valkey, "nonsense"), (kafka, "127.0.0.1:1")):
        with pytest.raises(Unreachable):
            await probe(address)


async def test_a_venue_that_cannot_be_reached_is_an_os_error():
    with pytest.raises(OSError, match="ConnectError"):
        await clock_skew("okx", f"http://127.0.0.1:{free_port()}")


def test_a_running_system_is_examined_where_it_is(rows, tmp_path, redis_url):
    with DataDir(tmp_path / "d") as data:
        dead = {"pid": 1, "port": None, "health_port": free_port(), "restarts": 2}
        data.write_state(
            {
                "pid": 42,
                "origin": "simulated",
                "started": "today",
                "url": "http://127.0.0.1:8080",
                "redis_url": redis_url,
                "processes": {"signals": dead, "broker": dead | {"health_port": None}},
            }
        )
        found = rows()
    assert found["csx up"].found == "pid 42, simulated market, since today"
    assert found["valkey"].state == "ok"
    assert found["signals"].state == "fail"


def test_a_clock_is_judged_beyond_the_uncertainty_of_the_question(monkeypatch):
    import asyncio

    for skew, error, state in ((0.3, 0.1, "ok"), (0.5, 0.1, "warn"), (-5.0, 0.1, "fail")):

        async def answer(_venue: str, *, skew: float = skew, error: float = error) -> tuple[float, float]:
            return skew, error

        assert asyncio.run(doctor._skew("okx", answer)).state == state


def test_the_report_is_a_table_or_lines_of_json(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    rows = [Row(check="disk", state="fail", found="full", mend="empty it"), Row(check="jvm", state="ok", found="17")]
    assert report(rows, json=False).splitlines() == [
        "FAIL  disk                   full",
        "                             -> empty it",
        "ok    jvm                    17",
    ]
    assert [json.loads(line)["state"] for line in report(rows, json=True).splitlines()] == ["fail", "ok"]
