"""The kill switch: what waits is ended, and nothing begins until it is released. Within the caller's transaction."""

from typing import Any, Final

from services.alerts.store.enqueuing import announce
from services.alerts.store.statements import STOP

_THROW: Final = "UPDATE alerts.switch SET stopped = $1, by_user = $2, at_ns = $3"


async def panic(connection: Any, user_id: int, now_ns: int) -> int:
    """Throw the switch and end all that waits but answers; return how many.

    What a sender holds already is asked again right before it leaves, and does not. A request on its way arrives.
    """
    await connection.execute(_THROW, True, user_id, now_ns)
    ended = await connection.fetch(STOP, now_ns)
    await announce(connection, ended)
    return len(ended)


async def release(connection: Any, user_id: int, now_ns: int) -> None:
    """Let alerts be told again, from now on."""
    await connection.execute(_THROW, False, user_id, now_ns)
