"""Connections that are and the symbols wanted in; connections that are to be out, moving as few as possible. Pure.

Only the venue knows its limits, and says them by how it splits instruments over plans: a connection has room for one
more while the venue would still make one plan of it.
"""

from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct

from services.ingest.venues.terms import Instrument, Plan, Stream
from services.ingest.venues.venue import Venue


class Replanned(Struct, frozen=True, kw_only=True):
    """What is to become of the connections."""

    plans: list[Plan | None]
    """In the order of those that are: the same object where nothing changes, None where nothing is left to hear."""
    more: list[Plan]
    """New connections."""
    refused: dict[str, str]
    """Symbols for which the venue can make no plan, and why; they are in none."""


class _Share:
    """The instruments of one connection, as they are collected."""

    def __init__(self, plan: Plan | None, streams: Sequence[Stream], members: list[Instrument]) -> None:
        self.plan = plan
        self.streams = streams
        self.members = members
        self.moved = plan is None


def replanned(
    venue: Venue,
    plans: Sequence[Plan],
    wanted: Mapping[str, Instrument],
    streams: Sequence[Stream],
    renewed: Collection[str] = (),
) -> Replanned:
    """Return the plans after a change.

    Args:
        venue: whose limits hold.
        plans: of the connections that are.
        wanted: what is to be heard, by canonical symbol.
        streams: what is to be heard of each.
        renewed: symbols whose connections are to be made anew, for they read differently now.
    """
    shares = [_left(plan, wanted, renewed) for plan in plans]
    heard = {symbol for plan in plans for symbol in plan.symbols}
    refused: dict[str, str] = {}
    for symbol, one in wanted.items():
        if symbol in heard:
            continue
        try:
            alone = venue.plan([one], streams)
        except ValueError as e:  # a name that cannot be sent: the others go on
            refused[symbol] = str(e)
            continue
        for plan in alone:
            _place(venue, shares, plan, one)
    made = [_made(venue, share) for share in shares]
    return Replanned(
        plans=[ready[0] if ready else None for ready in made[: len(plans)]],
        more=[plan for ready in made[: len(plans)] for plan in ready[1:]]
        + [plan for ready in made[len(plans) :] for plan in ready],
        refused=refused,
    )


def _left(plan: Plan, wanted: Mapping[str, Instrument], renewed: Collection[str]) -> _Share:
    share = _Share(plan, plan.streams, [wanted[symbol] for symbol in plan.symbols if symbol in wanted])
    share.moved = len(share.members) < len(plan.symbols) or not set(renewed).isdisjoint(plan.symbols)
    return share


def _place(venue: Venue, shares: list[_Share], alone: Plan, one: Instrument) -> None:
    """Add `one` to the first connection of its kind with room, or to a new one."""
    for share in shares:
        if (
            share.streams == alone.streams
            and share.members
            and len(venue.plan([*share.members, one], share.streams)) == 1
        ):
            share.members.append(one)
            share.moved = True
            return
    shares.append(_Share(None, alone.streams, [one]))


def _made(venue: Venue, share: _Share) -> list[Plan]:
    if not share.moved and share.plan is not None:
        return [share.plan]
    return venue.plan(share.members, share.streams) if share.members else []
