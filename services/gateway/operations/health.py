"""Operations on the system's own health."""

from typing import Final

from services.gateway.access.scopes import Scope
from services.gateway.operations.desk import Caller, Desk
from services.gateway.operations.operation import EVERYWHERE, Example, Nothing, Operation
from services.gateway.schemas.system import HealthView


async def _health(desk: Desk, _caller: Caller, _wanted: Nothing) -> HealthView:
    return await desk.board.health()


HEALTH: Final = (
    Operation(
        name="health.get",
        method="GET",
        path="/v1/health",
        params=Nothing,
        answer=HealthView,
        read=_health,
        scope=Scope.MARKET,
        summary="How the feeds are",
        detail="Age, number of events and gaps of every stream of every market, and alerts by state.",
        tag="health",
        example=Example({}),
        surfaces=EVERYWHERE,
    ),
)
