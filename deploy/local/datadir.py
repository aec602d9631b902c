"""The directory a running system keeps its data in: claimed by one `csx up` at a time, described in state.json."""

import fcntl
import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from deploy.local.lodging import evict_outside
from libs.common.runtime.errors import ConfigurationError

MARK: Final = ".csx-data"
_LOCK: Final = "lock"
STATE: Final = "state.json"


class DataDir:
    """Claims `path` on entry, gives it back on exit; the claim ends with the process, however it ends."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: int | None = None

    def __enter__(self) -> Self:
        """Claim the directory.

        Raises:
            ConfigurationError: another `csx up` has it, or it cannot be written.
        """
        if self.path.exists() and not (self.path / MARK).exists() and any(self.path.iterdir()):
            raise ConfigurationError(f"{self.path} is not empty and not ours: choose another --data-dir")
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o755)
            (self.path / MARK).touch(mode=0o600)
            self._lock = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.__exit__(None, None, None)
            pid = read_state(self.path).get("pid", "unknown")
            raise ConfigurationError(
                f"another csx up (pid {pid}) uses {self.path}: stop it, or choose another --data-dir"
            ) from None
        except OSError as e:
            raise ConfigurationError(f"{self.path} cannot be used: {e.strerror}: choose another --data-dir") from e
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the directory back."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def discard(self) -> None:
        """Remove what earlier runs left; the claim stays."""
        for path in self.path.iterdir():
            if path.name not in {MARK, _LOCK}:
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
        evict_outside(self.path)

    def folder(self, name: str) -> Path:
        """Make and return a directory in it."""
        path = self.path / name
        path.mkdir(exist_ok=True)
        return path

    def write_state(self, state: dict[str, Any]) -> None:
        """Say what runs and where, for tools and tests; it holds secrets, so its owner alone may read it."""
        fresh = self.path / f"{STATE}.new"
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(state)) + b"\n")
        fresh.replace(self.path / STATE)

    def forget_state(self) -> None:
        """Nothing runs any more."""
        (self.path / STATE).unlink(missing_ok=True)


def read_state(path: Path) -> dict[str, Any]:
    """Return what the running system said of itself; empty where none runs."""
    try:
        return msgspec.json.decode((path / STATE).read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError):
        return {}


def claimed(path: Path) -> bool:
    """Whether a `csx up` uses the directory now."""
    try:
        descriptor = os.open(path / _LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
