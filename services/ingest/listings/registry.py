"""A venue's catalogue, again and again, in; what it lists now, and every change of it as a `Listing`, out."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

import msgspec

from libs.common.events import Listing, ListingStatus, Origin
from libs.common.events.symbols import SymbolError, parse
from libs.common.runtime.backoff import Backoff
from libs.common.runtime.clock import now_ns
from libs.common.runtime.errors import DependencyDown
from services.ingest import metrics
from services.ingest.calls.rest import Rest, RestError
from services.ingest.delivery.publisher import Sink
from services.ingest.listings.catalogue import asked
from services.ingest.venues.terms import AnswerError, Instrument
from services.ingest.venues.venue import Venue

log = logging.getLogger(__name__)

CONFIRMATIONS: Final = 3
"""So often in a row must a catalogue that lost more than half of its instruments be said to be believed."""

_BATCH: Final = 500
_SHOWN: Final = 10


class Registry:
    """What one venue lists; names that an instrument had before stay its aliases."""

    def __init__(
        self,
        venue: Venue,
        rest: Rest,
        sink: Sink,
        *,
        origin: Origin = Origin.LIVE,
        clock: Callable[[], int] = now_ns,
    ) -> None:
        self.catalogue: dict[str, Instrument] = {}
        """Instruments by canonical symbol, delisted ones only where the venue still names them."""
        self._venue = venue
        self._rest = rest
        self._sink = sink
        self._origin = origin
        self._clock = clock
        self._said: dict[str, Listing] = {}
        self._doubts = 0
        self._odd: set[str] = set()

    @property
    def doubtful(self) -> bool:
        """Whether the last answer was not believed: it is worth to ask again soon."""
        return self._doubts > 0

    async def begin(self, backoff: Backoff | None = None) -> None:
        """Take the first catalogue; asks until it comes and holds something."""
        backoff = backoff or Backoff(initial_s=0.5, cap_s=15.0)
        while not await self.refresh():  # noqa: ASYNC110  (the venue is asked, no event tells)
            await asyncio.sleep(backoff.next_s())

    async def refresh(self) -> bool:
        """Ask for the catalogue; return whether it was taken. Whatever the venue says, nothing is raised for it."""
        try:
            unnamed: list[str] = []
            found = await asked(self._venue, self._rest, unnamed.append)
            fresh = self._by_symbol(found.values(), unnamed)
        except (RestError, AnswerError) as e:
            self._failed("unanswered", str(e))
            return False
        except Exception as e:  # a reader must not raise: whatever an odd row did to it, the feeds go on
            log.exception("the catalogue broke its reader", extra={"venue": self._venue.name})
            self._failed("unanswered", repr(e))
            return False
        if doubt := self._doubt(fresh):
            self._failed("doubtful", doubt)
            return False
        self._doubts = 0
        self.catalogue = {symbol: self._renamed(self.catalogue.get(symbol), one) for symbol, one in fresh.items()}
        metrics.CATALOGUE_AT.labels(self._venue.name).set(self._clock() / 1e9)
        counts = Counter(one.status for one in self.catalogue.values())
        for status in ListingStatus:
            metrics.INSTRUMENTS.labels(self._venue.name, status).set(counts[status])
        return True

    def remember(self, said: Iterable[Listing]) -> None:
        """Take what the topic says already: it is not said again, and earlier names stay aliases."""
        for one in said:
            self._said[one.symbol] = one
            if (now := self.catalogue.get(one.symbol)) is not None:
                earlier = (*one.aliases, *([one.native] if one.native != now.native else []))
                self.catalogue[one.symbol] = _aliased(now, earlier)

    async def publish(self, followed: Collection[str], turnover: Mapping[str, float]) -> None:
        """Publish what changed since it was last said; what the broker does not take is said the next time.

        Args:
            followed: canonical symbols that are listened to.
            turnover: quote currency in 24 hours by symbol, as far as it was asked for; it alone is no change.
        """
        fresh = [self._listing(one, one.symbol in followed, turnover) for one in self.catalogue.values()]
        fresh += [self._gone(one) for symbol, one in self._said.items() if symbol not in self.catalogue]
        changed = [one for one in fresh if self._differs(one)]
        for start in range(0, len(changed), _BATCH):
            batch = changed[start : start + _BATCH]
            try:
                await self._sink.publish(batch)
            except DependencyDown as e:
                self._failed("broker", str(e))
                return
            self._said |= {one.symbol: one for one in batch}

    def _differs(self, listing: Listing) -> bool:
        said = self._said.get(listing.symbol)
        return said is None or msgspec.structs.replace(said, event_ns=0, turnover=None) != msgspec.structs.replace(
            listing, event_ns=0, turnover=None
        )

    def _listing(self, one: Instrument, followed: bool, turnover: Mapping[str, float]) -> Listing:
        return Listing(
            venue=self._venue.name,
            symbol=one.symbol,
            event_ns=self._clock(),
            origin=self._origin,
            native=one.native,
            kind=one.kind.kind,
            status=one.status,
            tick=_known(one.tick),
            lot=_known(one.lot),
            contract_size=one.contract_size,
            inverse=one.inverse,
            listed_ns=one.listed_ns,
            delisting_ns=one.delisting_ns,
            aliases=one.aliases,
            turnover=turnover.get(one.symbol),
            followed=followed,
        )

    def _gone(self, said: Listing) -> Listing:
        if said.status is ListingStatus.DELISTED:
            return said
        return msgspec.structs.replace(
            said,
            event_ns=self._clock(),
            origin=self._origin,
            status=ListingStatus.DELISTED,
            turnover=None,
            followed=False,
        )

    def _by_symbol(self, found: Iterable[Instrument], unnamed: Iterable[str]) -> dict[str, Instrument]:
        """Return the instruments by symbol; who has none, or one that a livelier has too, is counted and left out."""
        fresh: dict[str, Instrument] = {}
        odd = dict.fromkeys(unnamed, "name")
        for one in found:
            if not _writable(one):
                odd[one.native] = "name"
            elif (other := fresh.get(one.symbol)) is None:
                fresh[one.symbol] = one
            else:
                better, worse = (one, other) if one.live and not other.live else (other, one)
                fresh[one.symbol] = better
                odd[worse.native] = "double"
        for reason in ("name", "double"):
            metrics.LEFT_OUT.labels(self._venue.name, reason).set(sum(why == reason for why in odd.values()))
        if new := sorted(odd.keys() - self._odd):
            log.warning(
                "instruments are left out: they have no canonical symbol of their own",
                extra={"venue": self._venue.name, "count": len(new), "first": new[:_SHOWN]},
            )
        self._odd = set(odd)
        return fresh

    def _doubt(self, fresh: Mapping[str, Instrument]) -> str | None:
        """Return why `fresh` is not to be believed; None where it is, or was said often enough."""
        if not fresh:
            self._doubts = max(self._doubts, 1)
            return "it lists nothing"
        had = {symbol for symbol, one in self.catalogue.items() if one.status is not ListingStatus.DELISTED}
        lost = sum(symbol not in fresh or fresh[symbol].status is ListingStatus.DELISTED for symbol in had)
        if 2 * lost <= len(had):
            return None
        self._doubts += 1
        return None if self._doubts >= CONFIRMATIONS else f"{lost} of {len(had)} instruments are gone"

    def _renamed(self, before: Instrument | None, now: Instrument) -> Instrument:
        if before is None:
            return now
        return _aliased(now, (*before.aliases, *([before.native] if before.native != now.native else [])))

    def _failed(self, reason: str, detail: str) -> None:
        metrics.CATALOGUE_FAILURES.labels(self._venue.name, reason).inc()
        log.warning(
            "the catalogue stays as it is", extra={"venue": self._venue.name, "reason": reason, "detail": detail}
        )


def _aliased(one: Instrument, earlier: Iterable[str]) -> Instrument:
    names = tuple(name for name in dict.fromkeys((*one.aliases, *earlier)) if name != one.native)
    return one if names == one.aliases else msgspec.structs.replace(one, aliases=names)


def _writable(one: Instrument) -> bool:
    """Return whether the symbol reads back to what is meant, and the venue's name can be sent."""
    try:
        return parse(one.symbol) == one.kind and bool(one.native) and one.native.isprintable()
    except SymbolError:
        return False


def _known(step: float) -> float | None:
    return step if step > 0 else None  # what is not a number is not said
