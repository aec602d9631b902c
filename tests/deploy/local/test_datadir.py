"""A data directory belongs to one `csx up` at a time, and only what is ours is ever discarded."""

import pytest

from deploy.local.datadir import DataDir, claimed, read_state
from libs.common.runtime.errors import ConfigurationError


def test_a_second_claim_is_one_clear_line(tmp_path):
    with DataDir(tmp_path / "d") as first:
        first.write_state({"pid": 4711})
        assert claimed(tmp_path / "d")
        with (
            pytest.raises(ConfigurationError, match=r"another csx up \(pid 4711\) uses .*d: stop it"),
            DataDir(first.path),
        ):
            pass
    assert not claimed(tmp_path / "d")
    with DataDir(tmp_path / "d"):
        pass


def test_a_directory_of_somebody_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(ConfigurationError, match="not empty and not ours"), DataDir(tmp_path):
        pass


def test_discarding_leaves_nothing_but_the_claim(tmp_path):
    target = tmp_path / "elsewhere"
    target.mkdir()
    (target / "precious").touch()
    with DataDir(tmp_path / "d") as data:
        (data.folder("broker") / "segment").touch()
        (data.path / "link").symlink_to(target)
        data.discard()
        assert sorted(path.name for path in data.path.iterdir()) == [".csx-data", "lock"]
        assert claimed(data.path)
    assert (target / "precious").exists()


def test_the_state_holds_secrets(tmp_path):
    with DataDir(tmp_path / "d") as data:
        data.write_state({"postgres_dsn": "secret"})
        assert (data.path / "state.json").stat().st_mode & 0o777 == 0o600
        assert read_state(data.path) == {"postgres_dsn": "secret"}
        data.forget_state()
        assert read_state(data.path) == {}
