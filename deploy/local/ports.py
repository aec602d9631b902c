"""Ports of one machine: names in, free loopback ports out, and a clear word about one that is taken."""

import socket
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Final

from libs.common.runtime.errors import ConfigurationError

_HOST: Final = "127.0.0.1"


def free_ports(names: Iterable[str]) -> dict[str, int]:
    """Return a different free port for each name."""
    with ExitStack() as held:  # all held at once, so that none is given out twice
        found: dict[str, int] = {}
        for name in names:
            probe = held.enter_context(socket.socket())
            probe.bind((_HOST, 0))
            found[name] = int(probe.getsockname()[1])
        return found


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
