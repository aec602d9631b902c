"""All simulated markets on one time line: the wanted time in, the happenings of each slice in order out."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from deploy.local.sandbox.latent import SLICE_NS, Latent
from deploy.local.sandbox.listings import Listing
from deploy.local.sandbox.market import Market
from deploy.local.sandbox.shown import Standing
from deploy.local.sandbox.tape import Liquidated, Print

_MINUTE_NS = 60_000_000_000


class Happening(Struct):
    """What one market did in one slice."""

    market: Market
    prints: list[Print]
    liquidations: list[Liquidated]


class Simulation:
    """The markets of one seed. Equal (seed, start, listings, rate) give equal histories and equal flow."""

    def __init__(self, listings: Sequence[Listing], *, seed: int, start_ns: int, rate: float = 1.0) -> None:
        self.start_ns = start_ns // _MINUTE_NS * _MINUTE_NS
        self.now_ns = self.start_ns
        self.markets = [Market(row, seed, self.start_ns // 1_000_000, rate) for row in listings]
        self._latents = {row.base: Latent(seed, row.base, row.price) for row in listings}
        self._seed = seed
        self._rate = rate

    def open(self, row: Listing) -> Market:
        """Return a market that begins now, without a past."""
        market = Market(row, self._seed, self.now_ns // 1_000_000, self._rate, past=False)
        self._latents.setdefault(row.base, Latent(self._seed, row.base, row.price))
        self.markets.append(market)
        return market

    def advance(self, to_ns: int, *, quiet: bool = False) -> Iterator[list[Happening]]:
        """Yield slice after slice up to `to_ns`; quiet slices let time pass without any order.

        Every market is lived through, heard or not: what it does may depend on nothing but seed and time.
        """
        while self.now_ns + SLICE_NS <= to_ns:
            if not quiet:
                for latent in self._latents.values():
                    latent.step()
            happenings = []
            for market in self.markets:
                latent = self._latents[market.listing.base]
                still = quiet or market.standing is not Standing.LIVE
                happenings.append(Happening(market, *market.step(latent.price, latent.phase, quiet=still)))
            self.now_ns += SLICE_NS
            yield happenings
