"""Operations on the system's own health."""

from typing import Final

from msgspec import structs

from services.gateway.access.scopes import Scope
from services.gateway.operations.desk import Caller, Desk
from services.gateway.operations.operation import EVERYWHERE, Example, Freshness, Nothing, Operation, Surface
from services.gateway.problems import Problem
from services.gateway.schemas.times import age_s
from services.gateway.schemas.vitals import DebugMemory, HealthDetail, MemoryView, VenueHealth
from services.gateway.vitals import Vitals

_CAUSES: Final = 3


async def _health(desk: Desk, _caller: Caller, _wanted: Nothing) -> HealthDetail:
    view, faults, now = await desk.board.health(), await desk.faults(), desk.clock()
    venues = [
        VenueHealth(
            venue=venue,
            grade=kept.report.grade,
            causes=kept.report.causes[:_CAUSES],
            as_of_ns=kept.report.event_ns,
            age_s=age_s(kept.seen_ns, now),
        )
        for venue, kept in (await desk.latest.qualities()).items()
    ]
    vitals = desk.vitals or Vitals()
    return HealthDetail(
        **structs.asdict(view),
        ready=not faults,
        faults=faults,
        venues=venues,
        lag_s=await vitals.lag_s(),
        limits=vitals.limits,
    )


async def _memory(desk: Desk, _caller: Caller, _wanted: Nothing) -> MemoryView:
    return _vitals(desk).memory()


async def _objects(desk: Desk, _caller: Caller, _wanted: Nothing) -> DebugMemory:
    return await _vitals(desk).objects()


def _vitals(desk: Desk) -> Vitals:
    if desk.vitals is None:
        raise Problem("dependency_down", "this process does not look at itself")
    return desk.vitals


HEALTH: Final = (
    Operation(
        name="health.get",
        method="GET",
        path="/v1/health",
        params=Nothing,
        answer=HealthDetail,
        read=_health,
        scope=Scope.MARKET,
        summary="How the feeds are",
        detail=(
            "Age, number of events and gaps of every stream of every market; grades of venues; alerts by state; and "
            "whether this replica is ready, how late its projections are, and how limits are counted."
        ),
        tag="health",
        example=Example({}),
        freshness=Freshness(1.0, 2.0),
        surfaces=EVERYWHERE,
    ),
    Operation(
        name="health.memory",
        method="GET",
        path="/v1/health/memory",
        params=Nothing,
        answer=MemoryView,
        read=_memory,
        scope=Scope.ADMIN_SYSTEM,
        summary="Where memory is",
        detail="Resident memory of this replica against its limit, and the size of what it keeps.",
        tag="health",
        example=Example({}),
        surfaces=Surface.REST | Surface.RPC,
    ),
    Operation(
        name="debug.memory",
        method="GET",
        path="/v1/debug/memory",
        params=Nothing,
        answer=DebugMemory,
        read=_objects,
        scope=Scope.ADMIN_SYSTEM,
        summary="Which objects memory holds",
        detail="Objects of this replica by type, the largest types first, and its tasks by name; takes up to a second.",
        tag="health",
        example=Example({}),
        cost=50,
        surfaces=Surface.REST,
    ),
)
