"""What became of a signal in; the barrier it met and what it brought, in units of its risk, out."""

from typing import Final

from libs.common.conditions.subjects import Fact, Kind, Subject
from libs.common.events import Outcome
from services.alerts.policy.windows.telling import subject

_VALID_S: Final = 3_600


def take(event: Outcome) -> list[Subject]:
    """Return the outcome; what an unresolved one does not have is absent."""
    facts: dict[str, Fact] = {"barrier": event.barrier.value, "timeframe": event.timeframe.value}
    risks = {"r_multiple": event.r_multiple, "mfe": event.mfe, "mae": event.mae}
    facts |= {name: value for name, value in risks.items() if value is not None}
    return [
        subject(
            Kind.OUTCOME,
            (event.venue, event.symbol),
            event.resolved_ns,
            event.signal_id,
            facts,
            origin=event.origin,
            valid_s=_VALID_S,
        )
    ]
