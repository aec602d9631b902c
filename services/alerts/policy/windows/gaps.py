"""Holes in the data in; what is missing, since when and whether it was filled, out."""

from typing import Final

from libs.common.conditions.subjects import Kind, Subject
from libs.common.events import SECOND_NS, Gap
from services.alerts.policy.windows.telling import subject

_VALID_S: Final = 900


def take(event: Gap) -> list[Subject]:
    """Return the hole: while it is open its length is up to when it was noticed; when it is closed, all of it."""
    is_open = event.to_ns <= event.from_ns and not event.recovered
    end_ns = event.event_ns if event.to_ns <= event.from_ns else event.to_ns
    return [
        subject(
            Kind.GAP,
            (event.venue, event.symbol),
            event.event_ns,
            f"{event.venue}|{event.symbol}|{event.stream}|{event.from_ns}",
            {
                "gap_s": max(0, end_ns - event.from_ns) / SECOND_NS,
                "gap_stream": event.stream,
                "gap_cause": event.cause,
                "gap_open": is_open,
                "gap_recovered": event.recovered,
            },
            origin=event.origin,
            valid_s=_VALID_S,
        )
    ]
