"""GET /v1/health: how the feeds are."""

from litestar import get
from litestar.di import NamedDependency

from services.gateway.access.guard import READ, problems
from services.gateway.board import Board
from services.gateway.schemas.system import HealthView


@get(
    "/v1/health", opt=READ, operation_id="getHealth", summary="How the feeds are", tags=["health"], responses=problems()
)
async def health(board: NamedDependency[Board]) -> HealthView:
    """Age, number of events and gaps of every stream of every market, and alerts by state."""
    return await board.health()
