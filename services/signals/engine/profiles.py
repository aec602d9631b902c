"""One market in, what it holds by price out: resting orders, the day's volume, observed liquidations; changes nothing.

The numbers are those that the layer `liquidity` judges by (docs/layers/liquidity.md), before it judges.
"""

from collections.abc import Iterable

from libs.common.events import MOST_ROWS, Profile, ProfileKind, ProfileRow
from services.signals.engine.layers.liquidity import Liquidity
from services.signals.engine.liquidity.grid import Grid
from services.signals.engine.market import Market


def profiles(market: Market) -> list[Profile]:
    """Return one of each kind, with its cause where it could not be computed."""
    layer = next((layer for layer in market.layers if isinstance(layer, Liquidity)), None)
    if layer is None:
        return []
    return [_book(market, layer), _volume(market, layer), _liquidations(market, layer)]


def _book(market: Market, layer: Liquidity) -> Profile:
    as_of_ns, grid = market.watermark_ns, layer.grid
    if not layer.valid or grid is None:
        return _nothing(market, ProfileKind.BOOK, layer.cause)
    if as_of_ns - layer.last_ns > layer.told.stale_ns:
        return _nothing(market, ProfileKind.BOOK, "stale")
    amounts: dict[int, list[float]] = {}
    for at, shelf, reach, sign in ((0, layer.bids, layer.reach_down, -1), (1, layer.asks, layer.reach_up, 1)):
        edge = grid.bin(sign * layer.mid + reach)
        for number, cell in enumerate(shelf.cells, shelf.first):
            if number <= edge:  # what lies beyond is not known; the bin of the edge is known in part
                price_bin = number if sign > 0 else -number - 1
                amounts.setdefault(price_bin, [0.0, 0.0])[at] = cell.depth
    rows = ((number, bids, asks) for number, (bids, asks) in amounts.items())
    return _profile(market, ProfileKind.BOOK, grid, rows, layer.mid, as_of_ns=layer.sampled_ns)


def _volume(market: Market, layer: Liquidity) -> Profile:
    grid, profile = layer.grid, layer.profile
    if grid is None or profile is None or not profile.rows or market.watermark_ns >= layer.session_end_ns:
        return _nothing(market, ProfileKind.VOLUME, "no_trades")
    rows = ((number, row.bought, row.sold) for number, row in profile.rows.items())
    return _profile(market, ProfileKind.VOLUME, grid, rows, layer.price, from_ns=profile.first_ns)


def _liquidations(market: Market, layer: Liquidity) -> Profile:
    grid, observed = layer.grid, layer.observed
    if grid is None or not observed.bins:
        return _nothing(market, ProfileKind.LIQUIDATIONS, "none_heard")
    rows = ((number, *observed.at(number, market.watermark_ns)) for number in observed.bins)
    return _profile(market, ProfileKind.LIQUIDATIONS, grid, rows, layer.price)


def _nothing(market: Market, kind: ProfileKind, cause: str) -> Profile:
    return Profile(
        venue=market.venue,
        symbol=market.symbol,
        origin=market.origin,
        kind=kind,
        as_of_ns=market.watermark_ns,
        cause=cause,
    )


def _profile(
    market: Market,
    kind: ProfileKind,
    grid: Grid,
    rows: Iterable[tuple[int, float, float]],
    price: float | None,
    *,
    as_of_ns: int | None = None,
    from_ns: int | None = None,
) -> Profile:
    """Return the rows nearest `price`, ascending; without a price (liquidations came first) the lowest ones."""
    found = list(rows)
    here = 0 if price is None else grid.bin(price)
    nearest = sorted(found, key=lambda row: (abs(row[0] - here), row[0]))[:MOST_ROWS]
    return Profile(
        venue=market.venue,
        symbol=market.symbol,
        origin=market.origin,
        kind=kind,
        as_of_ns=market.watermark_ns if as_of_ns is None else as_of_ns,
        from_ns=from_ns,
        width=grid.width,
        rows=tuple(ProfileRow(grid.at(number), a, b) for number, a, b in sorted(nearest)),
        left_out=len(found) - len(nearest),
    )
