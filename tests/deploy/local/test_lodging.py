"""A server gets a place it can reach, its program too, and nothing that is not ours is opened or removed."""

import os
import shutil
import stat
import sys

import pytest

from deploy.local.children import ChildError
from deploy.local.lodging import evict, lodge, outside, passable, password, program, unprivileged

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root drops privileges")


@pytest.fixture
def data_dir(tmp_path):
    """A data directory behind a closed door; what it got outside is removed at the end."""
    (tmp_path / "home").mkdir(mode=0o700)
    yield tmp_path / "home" / "data"
    evict(tmp_path / "home" / "data")


@as_root
def test_behind_a_closed_door_the_place_is_outside(data_dir):
    lodging = lodge(data_dir, "server")
    assert lodging.place.parent == outside(data_dir)
    assert (data_dir / "server").resolve() == lodging.place
    facts = lodging.place.stat()
    assert (facts.st_uid, stat.S_IMODE(facts.st_mode)) == (lodging.uid, 0o700)
    assert stat.S_IMODE(data_dir.parent.stat().st_mode) == 0o700
    assert lodge(data_dir, "server") == lodging


@as_root
def test_where_the_way_is_open_the_place_is_inside(store_dir):
    lodging = lodge(store_dir / "open", "server")
    assert lodging.place == store_dir / "open" / "server"


@as_root
def test_a_file_that_is_kept_can_be_read_by_the_server_alone(data_dir):
    path = lodge(data_dir, "server").keep("secret", "word")
    assert path.read_text() == "word"
    user = unprivileged()
    assert user is not None
    assert (path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)) == (user.uid, 0o600)


@as_root
def test_a_place_of_somebody_else_is_refused(data_dir):
    place = outside(data_dir)
    os.chown(place, 12345, 12345)
    try:
        with pytest.raises(ChildError, match="belongs to somebody else"):
            lodge(data_dir, "server")
    finally:
        os.chown(place, 0, 0)


@as_root
def test_a_program_behind_a_closed_door_is_copied(data_dir, tmp_path, monkeypatch):
    wheel = tmp_path / "home" / "made_up_wheel"
    (wheel / "part" / "bin").mkdir(parents=True)
    (wheel / "__init__.py").write_text("raise RuntimeError('imported')")
    (wheel / "part" / "bin" / "serve").write_text("#!/bin/sh\n")
    (tmp_path / "home" / "made_up_wheel.libs").mkdir()
    monkeypatch.syspath_prepend(tmp_path / "home")
    path = program("made_up_wheel", "part/bin/serve", data_dir, unprivileged())
    assert path.is_relative_to(outside(data_dir))
    assert passable(path.parent)
    assert (path.parents[3] / "made_up_wheel.libs").is_dir()
    assert program("made_up_wheel", "part/bin/serve", data_dir, unprivileged()) == path
    assert program("made_up_wheel", "part/bin/serve", data_dir, None) == wheel / "part" / "bin" / "serve"
    assert "made_up_wheel" not in sys.modules
    with pytest.raises(ChildError, match="has no part/bin/nothing"):
        program("made_up_wheel", "part/bin/nothing", data_dir, None)


def test_a_missing_wheel_is_told_with_the_way_out(tmp_path):
    with pytest.raises(ChildError, match="not_there_at_all is not installed: run `make setup`"):
        program("not_there_at_all", "x", tmp_path, None)


def test_a_password_is_made_once(tmp_path):
    first = password(tmp_path, "p")
    assert len(first) >= 32
    assert password(tmp_path, "p") == first
    assert stat.S_IMODE((tmp_path / "p").stat().st_mode) == 0o600


@as_root
def test_eviction_leaves_nothing(data_dir):
    lodge(data_dir, "server").keep("file", "x")
    away = outside(data_dir)
    evict(data_dir)
    assert not data_dir.exists()
    assert not away.exists()
    shutil.rmtree(away, ignore_errors=True)
