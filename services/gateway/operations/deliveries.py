"""Operations on deliveries: what became of alerts to somebody's addresses."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from libs.common.events import DeliveryState
from services.gateway.access.scopes import Scope
from services.gateway.operations.desk import Caller, Desk
from services.gateway.operations.fields import MAX_NS, Cursor, Nanos
from services.gateway.operations.operation import Example, Operation
from services.gateway.operations.owners import owner_of
from services.gateway.problems import field_problem
from services.gateway.schemas.alerts import SentAlerts, sent_alert
from services.gateway.store import alerting

_KIND: Final = "alerts.deliveries.list"


class DeliveriesWanted(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which of them."""

    state: Annotated[DeliveryState | None, Meta(description="How far they got")] = None
    signal_id: Annotated[
        Annotated[str, Meta(max_length=200, pattern="^[ -~]+$")] | None,
        Meta(description="What they were about, as they say it"),
    ] = None
    from_ns: Nanos = None
    to_ns: Nanos = None
    cursor: Cursor = None
    limit: Annotated[int, Meta(ge=1, le=500, description="Deliveries a page")] = 100


async def _list(desk: Desk, caller: Caller, wanted: DeliveriesWanted) -> SentAlerts:
    from_ns, to_ns = wanted.from_ns or 0, MAX_NS if wanted.to_ns is None else wanted.to_ns
    if to_ns < from_ns:
        raise field_problem("invalid_parameter", "to_ns", "is before from_ns; the range is [from_ns, to_ns)")
    place = desk.board.place(_KIND, wanted.cursor, int, str)
    found = await alerting.deliveries(
        desk.store.pool,
        owner_of(caller),
        after=None if place is None else place.two(int, str),
        from_ns=from_ns,
        to_ns=to_ns,
        state=wanted.state,
        signal_id=wanted.signal_id,
        limit=wanted.limit + 1,
    )
    page, more = found[: wanted.limit], len(found) > wanted.limit
    return SentAlerts(
        data=[sent_alert(delivery) for delivery in page],
        has_more=more,
        next_cursor=desk.board.word(_KIND, page[-1].at_ns, page[-1].alert_id) if more else None,
    )


DELIVERIES: Final = (
    Operation(
        name=_KIND,
        method="GET",
        path="/v1/alerts/deliveries",
        params=DeliveriesWanted,
        answer=SentAlerts,
        read=_list,
        scope=Scope.ALERTS_READ,
        summary="What became of your alerts",
        detail="Newest first, of all approved addresses of yours; an alert names the signal or thing it was about, not "
        "the rule that asked for it.",
        tag="alerts",
        example=Example({"limit": 10}, given="rule"),
        cost=2,
    ),
)
