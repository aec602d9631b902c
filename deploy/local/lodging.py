"""Where a server lives that must not run as root: a data directory in, a place it can reach and its user out.

A server started by root runs as `nobody`. It cannot reach files below a home of mode 0700, and no directory that is
not ours is ever opened for it: if the data directory lies behind such a door, the server's files (and a copy of its
program) live in /var/tmp/csx-<uid>-<hash of the data directory> instead, and a link in the data directory says so.
"""

import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
from pathlib import Path
from typing import Final

from msgspec import Struct

from deploy.local.children import ChildError

_OUTSIDE: Final = Path("/var/tmp")  # noqa: S108  (survives reboots; the directory in it is checked to be ours)
_PASS: Final = 0o001
"""Others may walk through a directory."""


class User(Struct, frozen=True):
    """Numeric ids to drop to."""

    uid: int
    gid: int


class Lodging(Struct, frozen=True):
    """Where one server keeps its files, and as whom it runs; `user` None is the user of this process."""

    place: Path
    user: User | None

    @property
    def uid(self) -> int | None:
        """The user to drop to."""
        return None if self.user is None else self.user.uid

    @property
    def gid(self) -> int | None:
        """The group to drop to."""
        return None if self.user is None else self.user.gid

    def own(self, path: Path) -> None:
        """Give `path` to the server's user."""
        if self.user is not None:
            os.chown(path, self.user.uid, self.user.gid)

    def keep(self, name: str, text: str) -> Path:
        """Write a file that only the server's user can read; return its path."""
        path = self.place / name
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        self.own(path)
        return path


def lodge(data_dir: Path, name: str) -> Lodging:
    """Make and return the directory of server `name` below `data_dir`, mode 0700, owned by the user it runs as.

    Raises:
        ChildError: the place outside belongs to somebody else.
    """
    data_dir = data_dir.absolute()
    data_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
    user = unprivileged()
    if user is None or passable(data_dir):
        place = data_dir / name
    else:
        place = outside(data_dir) / name
        link = data_dir / name
        if not link.is_symlink():
            link.symlink_to(place)
    place.mkdir(mode=0o700, exist_ok=True)
    lodging = Lodging(place, user)
    lodging.own(place)
    return lodging


def evict(data_dir: Path) -> None:
    """Remove a data directory and what lies outside of it on its behalf."""
    shutil.rmtree(data_dir, ignore_errors=True)
    evict_outside(data_dir)


def evict_outside(data_dir: Path) -> None:
    """Remove what lies outside of a data directory on its behalf."""
    away = _outside_path(data_dir.absolute())
    if away.is_dir() and not away.is_symlink() and away.stat().st_uid == os.geteuid():
        shutil.rmtree(away, ignore_errors=True)


def unprivileged() -> User | None:
    """Return whom a server runs as when this process is root; None where it is not."""
    if os.geteuid() != 0:
        return None
    row = pwd.getpwnam("nobody")
    return User(row.pw_uid, row.pw_gid)


def passable(path: Path) -> bool:
    """Whether everybody may walk to `path` and through it."""
    path = path.resolve()
    return all(step.stat().st_mode & _PASS for step in (path, *path.parents))


def outside(data_dir: Path) -> Path:
    """Make and return the directory outside of `data_dir` that everybody can walk through.

    Raises:
        ChildError: the name is taken by another user.
    """
    away = _outside_path(data_dir)
    away.mkdir(mode=0o711, exist_ok=True)
    facts = away.lstat()
    if away.is_symlink() or facts.st_uid != os.geteuid() or facts.st_mode & 0o022:
        raise ChildError(f"{away} belongs to somebody else: remove it, or choose another --data-dir")
    away.chmod(0o711)  # whatever the umask was
    return away


def program(package: str, inside: str, data_dir: Path, user: User | None) -> Path:
    """Return the path `inside` an installed wheel, from a copy that `user` can reach where the installed one is not.

    The package is found without importing it: these packages act on import.

    Raises:
        ChildError: the wheel is not installed, or has no such file.
    """
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise ChildError(f"the wheel {package} is not installed: run `make setup`")
    home = Path(found.submodule_search_locations[0])
    path = home / inside
    if not path.exists():
        raise ChildError(f"the wheel {package} has no {inside}: this platform is not supported by it")
    if user is None or passable(path.parent):
        return path
    version = hashlib.sha256(str(home.stat().st_mtime_ns).encode()).hexdigest()[:8]
    copy = outside(data_dir.absolute()) / f"{package}-{version}"
    if not copy.exists():
        fresh = copy.with_name(f"{copy.name}.{os.getpid()}")
        part = Path(inside).parts[0]
        shutil.copytree(home / part, fresh / package / part, symlinks=True)
        libraries = home.with_name(f"{package}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, fresh / libraries.name)
        fresh.chmod(0o755)
        fresh.rename(copy)
    return copy / package / inside


def password(data_dir: Path, name: str) -> str:
    """Return the password kept in `data_dir/<name>`, mode 0600; made the first time."""
    path = data_dir / name
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(24))
    return path.read_text(encoding="ascii")


def _outside_path(data_dir: Path) -> Path:
    digest = hashlib.sha256(str(data_dir).encode()).hexdigest()[:12]
    return _OUTSIDE / f"csx-{os.geteuid()}-{digest}"
