"""Ports of one machine: names in, free loopback ports out, and a clear word about one that is taken."""

import random
import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self

from libs.common.runtime.errors import ConfigurationError

_HOST: Final = "127.0.0.1"
_LOWEST: Final = 20_000
_EPHEMERAL: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_ENOUGH: Final = 1_000


def free_ports(names: Iterable[str]) -> dict[str, int]:
    """Return a different free port for each name.

    They lie below the range that the kernel draws the near ends of connections from: a port of that range may be
    somebody's before the process it was chosen for listens on it.
    """
    with ExitStack() as held:  # all held at once, so that none is given out twice
        return {name: held.enter_context(_Held()).port for name in names}


class _Held:
    """A port of which nobody else can have the use, until the end."""

    def __enter__(self) -> Self:
        """Take the first free one of a random order."""
        for port in _candidates():
            self._socket = socket.socket()
            try:
                self._socket.bind((_HOST, port))
            except OSError:
                self._socket.close()
                continue
            self.port = int(self._socket.getsockname()[1])
            return self
        raise AssertionError("port 0 is always there")

    def __exit__(self, *_: object) -> None:
        """Let it go."""
        self._socket.close()


def _candidates() -> Iterator[int]:
    try:
        highest = int(_EPHEMERAL.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        highest = 0
    if highest - _LOWEST > _ENOUGH:
        yield from random.sample(range(_LOWEST, highest), _ENOUGH)
    yield 0  # any


def claim(port: int, option: str) -> None:
    """Check that nobody listens on `port`.

    Raises:
        ConfigurationError: somebody does, or the port needs privileges; the message says what to do.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except PermissionError:
            raise ConfigurationError(f"port {port} needs privileges: choose another with {option} 8080") from None
        except OSError:
            other = free_ports(["x"])["x"]
            raise ConfigurationError(
                f"port {port} is taken: stop what listens there, or choose another with {option} {other}"
            ) from None
