"""`csx` from outside: exit codes, one line an error, nothing imported that is not called for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CSX = (sys.executable, "-m", "deploy.cli")


def csx(*words: str, **env: str) -> "subprocess.CompletedProcess[str]":
    """Run one command to its end."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("CSX_")}
    return subprocess.run(
        [*CSX, *words], capture_output=True, text=True, cwd=ROOT, env=clean | env, timeout=60, check=False
    )


def test_help_lists_everything_without_importing_a_service():
    code = (
        "import sys; sys.argv=['csx','--help']\n"
        "try:\n from deploy.cli import main; main()\nexcept SystemExit: pass\n"
        "print([m for m in sys.modules if m.startswith('services.') or m in ('litestar','aiokafka','asyncpg','numpy')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    for word in ("up", "doctor", "version", "ingest", "signals", "alerts", "gateway"):
        assert f" {word} " in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_version():
    done = csx("version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == "0.1.0"


def test_an_unknown_command_is_wrong_usage():
    assert csx("frobnicate").returncode == 2


def test_wrong_input_is_one_line_and_exit_2():
    done = csx("up", "--symbols", "BTCUSDT")
    assert done.returncode == 2
    assert done.stderr.startswith("csx: --symbols: 'BTCUSDT' is no symbol")
    assert done.stderr.count("\n") == 1


def test_a_missing_setting_is_one_line_and_exit_3():
    done = csx("alerts", "outbox")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "csx: CSX_POSTGRES_DSN is missing: the outbox is in PostgreSQL\n"


def test_a_dependency_that_is_down_is_one_line_and_exit_5():
    done = csx("alerts", "outbox", CSX_POSTGRES_DSN="postgresql://u:p@127.0.0.1:1/x")
    assert done.returncode == 5
    assert done.stderr.startswith("csx: PostgreSQL does not answer")
    assert "Traceback" not in done.stderr


def test_a_reader_that_has_gone_is_silence():
    code = f"set -o pipefail; {sys.executable} -m deploy.cli doctor --json | true"
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, cwd=ROOT, check=False, timeout=60)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


@pytest.mark.parametrize("old", ["python3.10", "python3.9", "python3.8", "python3.7", "python3.6"])
def test_an_old_python_is_one_line_and_exit_3(old):
    versions = Path.home() / ".pyenv" / "versions"
    found = [*versions.glob(f"{old.removeprefix('python')}.*/bin/{old}")]
    if not found:
        pytest.skip(f"no {old} here")
    done = subprocess.run([found[0], "-m", "deploy.cli"], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 3
    assert done.stderr.startswith("csx needs Python 3.11 or newer, this is 3.")
    assert done.stderr.count("\n") == 1


def test_a_services_command_asks_the_broker_of_what_runs_here(tmp_path):
    (tmp_path / ".csx").mkdir()
    (tmp_path / ".csx" / "state.json").write_text('{"kafka_bootstrap":"127.0.0.1:1"}')
    clean = {key: value for key, value in os.environ.items() if not key.startswith("CSX_")} | {"PYTHONPATH": str(ROOT)}

    def said(**env: str) -> str:
        done = subprocess.run(
            [*CSX, "ingest", "status"], capture_output=True, text=True, cwd=tmp_path, env=clean | env, check=False
        )
        assert (done.returncode, done.stderr.count("\n")) == (5, 1)
        return done.stderr

    assert said().startswith("csx ingest status: no Kafka broker answers at 127.0.0.1:1:")
    assert " at 127.0.0.1:2:" in said(CSX_KAFKA_BOOTSTRAP="127.0.0.1:2")
