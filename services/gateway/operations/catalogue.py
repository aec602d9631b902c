"""Every operation of the gateway. A new one is a row in its file; a new file is a line here."""

from typing import Any, Final

from services.gateway.operations.alerts import ALERTS
from services.gateway.operations.audit import AUDIT
from services.gateway.operations.auth import AUTH
from services.gateway.operations.elsewhere import ELSEWHERE
from services.gateway.operations.exports import EXPORTS
from services.gateway.operations.flows import FLOWS
from services.gateway.operations.health import HEALTH
from services.gateway.operations.instruments import INSTRUMENTS
from services.gateway.operations.keys import KEYS
from services.gateway.operations.layers import LAYERS
from services.gateway.operations.levels import LEVELS
from services.gateway.operations.markets import MARKETS
from services.gateway.operations.me import ME
from services.gateway.operations.metrics import OF_VENDORS
from services.gateway.operations.moments import MOMENTS
from services.gateway.operations.operation import Operation
from services.gateway.operations.people import USERS
from services.gateway.operations.quality import QUALITY
from services.gateway.operations.record import RECORD
from services.gateway.operations.screener import SCREENER
from services.gateway.operations.signals import SIGNALS
from services.gateway.operations.stream import STREAM

OPERATIONS: Final[tuple[Operation[Any, Any], ...]] = (
    *MARKETS,
    *MOMENTS,
    *FLOWS,
    *OF_VENDORS,
    *LAYERS,
    *LEVELS,
    *INSTRUMENTS,
    *QUALITY,
    *SIGNALS,
    *RECORD,
    *SCREENER,
    *HEALTH,
    *STREAM,
    *ALERTS,
    *EXPORTS,
    *AUTH,
    *ELSEWHERE,
    *ME,
    *KEYS,
    *USERS,
    *AUDIT,
)

BY_NAME: Final[dict[str, Operation[Any, Any]]] = {operation.name: operation for operation in OPERATIONS}
