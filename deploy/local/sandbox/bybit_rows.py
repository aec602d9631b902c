"""Bybit v5's rows: a simulated market in, what the venue's sockets and REST say of it out."""

from typing import Any, Final
from zlib import crc32

from deploy.local.sandbox.candles import Bar
from deploy.local.sandbox.day import day_of
from deploy.local.sandbox.listings import Listing
from deploy.local.sandbox.market import FUNDING_MS, Market
from deploy.local.sandbox.shown import Shown, Standing
from deploy.local.sandbox.tape import Fill, Liquidated

_STATUS: Final = {
    Standing.ANNOUNCED: "PreLaunch",
    Standing.LIVE: "Trading",
    Standing.HALTED: "Trading",
    Standing.DELISTED: "Closed",
}
"""The venue's catalogue has no word for a halt."""


def trade_id(row: Listing, number: int) -> str:
    """Return a trade's name: digits on spot, elsewhere a UUID whose last twelve hexadecimal digits are `number`."""
    if row.native.startswith("spot:"):
        return str(number)
    return f"{crc32(row.native.encode()):08x}-0000-5000-8000-{number:012x}"


def level(row: Listing, price: int, lots: int) -> list[str]:
    """Return a book level; size 0 removes it."""
    return [row.price_text(price), row.size_text(lots) if lots else "0"]


def trade_row(market: Shown, fill: Fill) -> dict[str, Any]:
    """Return an execution of `publicTrade`; `S` is the taker's side."""
    row = market.listing
    what = {"T": fill.ms, "s": name_of(row), "S": "Buy" if fill.buy else "Sell", "v": row.size_text(fill.lots)}
    more: dict[str, Any] = {} if row.native.startswith("spot:") else {"L": "ZeroPlusTick"}
    more |= {"i": trade_id(row, fill.trade_id), "BT": False, "RPI": False, "seq": market.book.sequence}
    return {**what, "p": row.price_text(fill.price), **more}


def recent_row(market: Shown, fill: Fill) -> dict[str, Any]:
    """Return an execution of REST's `recent-trade`."""
    row = market.listing
    what = {"execId": trade_id(row, fill.trade_id), "symbol": name_of(row), "price": row.price_text(fill.price)}
    what |= {"size": row.size_text(fill.lots), "side": "Buy" if fill.buy else "Sell", "time": str(fill.ms)}
    return {**what, "isBlockTrade": False, "isRPITrade": False, "seq": str(market.book.sequence)}


def closing_row(market: Shown, one: Liquidated) -> dict[str, Any]:
    """Return a liquidation; `S` is the position's side: `Buy` lost a long. The price is the bankruptcy price."""
    row = market.listing
    side = "Sell" if one.buy else "Buy"
    return {"T": one.ms, "s": name_of(row), "S": side, "v": row.size_text(one.lots), "p": row.price_text(one.price)}


def candle_row(row: Listing, bar: Bar) -> list[str]:
    """Return start, O, H, L, C, volume, turnover; an inverse contract's turnover is in coins."""
    prices = [row.price_text(price) for price in (bar.open, bar.high, bar.low, bar.close)]
    return [str(bar.open_ms), *prices, row.size_text(bar.lots), f"{_turnover(row, bar):.8f}"]


def kline_row(row: Listing, bar: Bar, period_ms: int, interval: str, ms: int) -> dict[str, Any]:
    """Return a candle of the socket."""
    start, opened, high, low, close, volume, turnover = candle_row(row, bar)
    when = {"start": int(start), "end": bar.open_ms + period_ms - 1, "interval": interval, "timestamp": ms}
    prices = {"open": opened, "close": close, "high": high, "low": low, "volume": volume, "turnover": turnover}
    return {**when, **prices, "confirm": bar.open_ms + period_ms <= ms}


def ticker_row(market: Shown, ms: int) -> dict[str, str]:
    """Return the whole ticker; spot's says nothing of marks, funding and open interest."""
    row, book, day = market.listing, market.book, day_of(market)
    bid, ask = book.best_bid, book.best_ask
    texts = {
        "symbol": name_of(row),
        "lastPrice": row.price_text(day.last) if day else "",
        "prevPrice24h": row.price_text(day.whole.open) if day else "",
        "price24hPcnt": f"{day.last / day.whole.open - 1:.4f}" if day else "",
        "highPrice24h": row.price_text(day.whole.high) if day else "",
        "lowPrice24h": row.price_text(day.whole.low) if day else "",
        "turnover24h": f"{_turnover(row, day.whole):.4f}" if day else "",
        "volume24h": row.size_text(day.whole.lots) if day else "",
        "bid1Price": "" if bid is None else row.price_text(bid),
        "bid1Size": "" if bid is None else row.size_text(book.bids.sizes[bid]),
        "ask1Price": "" if ask is None else row.price_text(ask),
        "ask1Size": "" if ask is None else row.size_text(book.asks.sizes[ask]),
    }
    return texts | contract_figures(market, ms) if isinstance(market, Market) and row.swap else texts


def contract_figures(market: Market, ms: int) -> dict[str, str]:
    """Return a contract's mark, index, funding and open interest, of both sides and of one."""
    row = market.listing
    held = market.open_lots / 10**row.lot_decimals
    price = market.mark * row.tick
    worth = held / price if row.inverse else held * price
    return {
        "markPrice": row.price_text(market.mark),
        "indexPrice": row.price_text(market.index),
        "fundingRate": f"{market.funding_rate:.8f}",
        "nextFundingTime": str((ms // FUNDING_MS + 1) * FUNDING_MS),
        "fundingIntervalHour": str(FUNDING_MS // 3_600_000),
        "openInterest": row.size_text(2 * market.open_lots),
        "openInterestValue": f"{2 * worth:.2f}",
        "singleOpenInterest": row.size_text(market.open_lots),
        "singleOpenInterestValue": f"{worth:.2f}",
    }


def contract_row(market: Shown) -> dict[str, Any]:
    """Return a contract's row of `instruments-info`."""
    row = market.listing
    tick, lot = f"{row.tick:.{row.tick_decimals}f}", f"{10**-row.lot_decimals:.{row.lot_decimals}f}"
    return {
        "symbol": name_of(row),
        "contractType": "InversePerpetual" if row.inverse else "LinearPerpetual",
        "status": _STATUS[market.standing],
        "baseCoin": row.base,
        "quoteCoin": row.quote,
        "settleCoin": row.base if row.inverse else row.quote,
        "launchTime": str(market.listed_ms),
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": str(row.tick_decimals),
        "priceFilter": {"minPrice": tick, "maxPrice": "1999999.80", "tickSize": tick},
        "lotSizeFilter": {"minOrderQty": lot, "maxOrderQty": "1190.000", "qtyStep": lot, "minNotionalValue": "5"},
        "unifiedMarginTrade": True,
        "fundingInterval": FUNDING_MS // 60_000,
        "symbolType": "",
        "displayName": "",
        "isPreListing": market.standing is Standing.ANNOUNCED,
    }


def spot_row(market: Shown) -> dict[str, Any]:
    """Return a pair's row of `instruments-info`."""
    row = market.listing
    tick, lot = f"{row.tick:.{row.tick_decimals}f}", f"{10**-row.lot_decimals:.{row.lot_decimals}f}"
    return {
        "symbol": name_of(row),
        "baseCoin": row.base,
        "quoteCoin": row.quote,
        "innovation": "0",
        "status": _STATUS[market.standing],
        "marginTrading": "none",
        "stTag": "0",
        "lotSizeFilter": {"basePrecision": lot, "quotePrecision": "0.00000001", "minOrderQty": lot},
        "priceFilter": {"tickSize": tick},
    }


def name_of(row: Listing) -> str:
    """Return the venue's name without its category."""
    return row.native.partition(":")[2]


def _turnover(row: Listing, bar: Bar) -> float:
    if row.inverse:
        return bar.inverse * float(10**row.tick_decimals) / float(10**row.lot_decimals)
    return bar.quote / float(10 ** (row.tick_decimals + row.lot_decimals))
