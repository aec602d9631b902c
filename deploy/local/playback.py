"""How far a recording has been played: the exchange's status in, a word in the log at its end out."""

import http.client
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from deploy.local.plan import HOST

_EVERY_S: Final = 1.0


class Playback:
    """Asks the sandbox exchange on `port` every `every_s` seconds until the recording is finished."""

    def __init__(self, port: int, say: Callable[[str, str], None], *, every_s: float = _EVERY_S) -> None:
        self.finished = False
        self._port = port
        self._say = say
        self._every_s = every_s
        self._next_s = 0.0

    def look(self) -> None:
        """Ask if it is time to, and say so once at the end."""
        if self.finished or time.monotonic() < self._next_s:
            return
        self._next_s = time.monotonic() + self._every_s
        status = fetch(self._port, "/control/status")
        if status.get("finished") is True:
            self.finished = True
            facts = ", ".join(
                f"{key} {value}"
                for key, value in status.items()
                if isinstance(value, (int, str)) and not isinstance(value, bool) and key != "finished"
            )
            self._say(f"the recording has been played completely ({facts})", "info")


def fetch(port: int, path: str) -> dict[str, Any]:
    """Return a JSON object of a server on this machine; empty where it does not answer with one."""
    connection = http.client.HTTPConnection(HOST, port, timeout=1.0)
    try:
        connection.request("GET", path)
        return msgspec.json.decode(connection.getresponse().read(), type=dict[str, Any])
    except (OSError, http.client.HTTPException, msgspec.MsgspecError):
        return {}
    finally:
        connection.close()
