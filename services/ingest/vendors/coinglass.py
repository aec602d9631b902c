"""CoinGlass v4: open interest, funding, liquidations, ratios, flows and large orders across exchanges. Pure."""

from collections.abc import Sequence
from typing import Any, ClassVar, Final
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from libs.common.events import Metric, Origin
from libs.common.events.catalogue import MARKET_WIDE
from libs.common.events.symbols import Kind, parse
from services.ingest.vendors.coinglass_rows import (
    BID,
    FUNDS,
    INTERVALS,
    OPENED,
    RESTING,
    SERIES,
    Balance,
    Flow,
    LargeOrder,
    Moods,
    Whale,
)
from services.ingest.vendors.vendor import Job, LimitedError, RefusedError, Vendor, by_coin, decoded, moment_ns
from services.ingest.venues.terms import AnswerError, Request

EXCHANGES: Final = "Binance,OKX,Bybit"
"""What liquidations and taker volume add up."""
PAIRS_OF: Final = "Binance"
"""Whose pairs are asked for ratios and large orders; its pairs are `BTCUSDT`."""
ROWS: Final = 30
DAY_S: Final = 86_400
REFUSALS: Final = frozenset({"401", "403", "422"})
"""Codes that say that key or plan do not suffice, such as an interval below the plan's."""

_WHALES: Final = {
    (True, True): "whale_long_opened",
    (True, False): "whale_long_closed",
    (False, True): "whale_short_opened",
    (False, False): "whale_short_closed",
}


class _Envelope(Struct):
    code: str | int
    msg: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")


class CoinGlass(Vendor):
    """Everything by REST; a key is needed, and what its plan lacks is absent with the vendor's words as cause."""

    name: ClassVar[str] = "coinglass"
    needs_key: ClassVar[bool] = True

    def __init__(
        self,
        url: str = "https://open-api-v4.coinglass.com",
        key: str | None = None,
        per_minute: float = 30.0,
        interval: str = "4h",
    ) -> None:
        """`interval`: a word of `INTERVALS`; `per_minute`: what the plan allows, 30 is the cheapest one's."""
        super().__init__(url, key, per_minute)
        self._interval = interval

    def headers(self) -> dict[str, str]:
        """Return the key's header."""
        return {"CG-API-KEY": self.key} if self.key else {}

    def jobs(self, symbols: Sequence[str]) -> list[Job]:
        """Return histories by coin and by pair, flows of funds, alerts, large orders, balances, and the index."""
        jobs: list[Job] = []
        pairs: dict[str, list[str]] = {}
        for symbol in symbols:
            one = parse(symbol)
            if one.kind is Kind.PERPETUAL and not one.inverse:
                pairs.setdefault(one.base + one.quote, []).append(symbol)
        for coin, markets in by_coin(symbols).items():
            jobs += [self._history(kind, coin, markets) for kind, series in SERIES.items() if not series.by_pair]
            if coin in FUNDS:
                path = f"/api/etf/{FUNDS[coin]}/flow-history"
                jobs.append(self._job("etf", coin, path, {}, markets, 3600, ("etf_flow",), interval_s=DAY_S))
            path = "/api/exchange/balance/list"
            jobs.append(self._job("balances", coin, path, {"symbol": coin}, markets, 3600, ("exchange_balance",)))
        for pair, markets in pairs.items():
            jobs += [self._history(kind, pair, markets) for kind, series in SERIES.items() if series.by_pair]
            path, query = "/api/futures/orderbook/large-limit-order", {"exchange": PAIRS_OF, "symbol": pair}
            names = ("large_bids", "large_asks")
            jobs.append(self._job("large-orders", pair, path, query, markets, 300, names, exchange=PAIRS_OF))
        path, whales = "/api/hyperliquid/whale-alert", tuple(_WHALES.values())
        jobs.append(self._job("whales", "", path, {}, symbols, 60, whales, exchange="Hyperliquid"))
        path = "/api/index/fear-greed-history"
        jobs.append(self._job("fear-greed", "", path, {}, (MARKET_WIDE,), 3600, ("fear_greed",)))
        return jobs

    def parse(self, job: Job, body: bytes, received_ns: int, origin: Origin) -> list[Metric]:
        """Read an answer: `code` first, since the HTTP status says 200 to errors too."""
        envelope = decoded(body, _Envelope)
        code = str(envelope.code)
        if code == "429":
            raise LimitedError(f"code 429: {envelope.msg[:100]}")
        if code in REFUSALS:
            raise RefusedError(f"code {code}: {envelope.msg[:100]}")
        if code != "0":
            raise AnswerError(f"code {code}: {envelope.msg[:100]}")
        read = {
            "etf": self._etf,
            "whales": self._whales,
            "large-orders": self._large_orders,
            "balances": self._balances,
            "fear-greed": self._fear_greed,
        }.get(job.kind, self._rows)
        return read(job, bytes(envelope.data), received_ns, origin)

    def _rows(self, job: Job, data: bytes, received_ns: int, origin: Origin) -> list[Metric]:
        series = SERIES[job.kind]
        rows: list[Any] = decoded(data, list[series.row])  # type: ignore[name-defined]  # the table names the type
        length_ns = (job.interval_s or 0) * 10**9
        found: list[Metric] = []
        for ends_ns, row in sorted(((moment_ns(row.time) + length_ns, row) for row in rows), key=lambda one: one[0]):
            if ends_ns > received_ns:
                continue  # the newest row is not over: what it says is not final
            for column in series.columns:
                raw = getattr(row, column.field)
                value = None if raw is None else raw / column.divisor
                found += self.metric(job, column.metric, value, ends_ns, received_ns, origin)
        return found

    def _etf(self, job: Job, data: bytes, received_ns: int, origin: Origin) -> list[Metric]:
        days = sorted((moment_ns(day.timestamp) + DAY_S * 10**9, day.flow_usd) for day in decoded(data, list[Flow]))
        closed = [day for day in days if day[0] <= received_ns]
        return [
            one
            for ends_ns, flow in closed[-ROWS:]
            for one in self.metric(job, "etf_flow", flow, ends_ns, received_ns, origin)
        ]

    def _whales(self, job: Job, data: bytes, received_ns: int, origin: Origin) -> list[Metric]:
        """Add up equal changes of one moment; coins nobody follows and sizes without a sign are left out."""
        markets = by_coin(job.symbols)
        sums: dict[tuple[int, str, str], float] = {}
        for row in decoded(data, list[Whale]):
            if row.symbol in markets and row.position_size:
                name = _WHALES[row.position_size > 0, row.position_action == OPENED]
                key = (moment_ns(row.create_time), row.symbol, name)
                sums[key] = sums.get(key, 0.0) + abs(row.position_value_usd)
        return [
            one
            for (at_ns, coin, name), value in sorted(sums.items())
            for one in self.metric(job, name, value, at_ns, received_ns, origin, symbols=markets[coin])
        ]

    def _large_orders(self, job: Job, data: bytes, received_ns: int, origin: Origin) -> list[Metric]:
        """Add up what rests; no order of a side is a true 0, as the list is whole."""
        orders = [order for order in decoded(data, list[LargeOrder]) if order.order_state == RESTING]
        at_ns = max((moment_ns(order.current_time) for order in orders), default=received_ns)
        bids = sum(order.current_usd_value for order in orders if order.order_side == BID)
        asks = sum(order.current_usd_value for order in orders if order.order_side != BID)
        return [
            *self.metric(job, "large_bids", bids, at_ns, received_ns, origin),
            *self.metric(job, "large_asks", asks, at_ns, received_ns, origin),
        ]

    def _balances(self, job: Job, data: bytes, received_ns: int, origin: Origin) -> list[Metric]:
        """Read one balance an exchange. The answer has no time: it is known since it came."""
        return [
            one
            for row in decoded(data, list[Balance])
            for one in self.metric(
                job,
                "exchange_balance",
                row.total_balance,
                received_ns,
                received_ns,
                origin,
                exchange=row.exchange_name,
            )
        ]

    def _fear_greed(self, job: Job, data: bytes, received_ns: int, origin: Origin) -> list[Metric]:
        lists = decoded(data, list[Moods]) if data.lstrip().startswith(b"[") else [decoded(data, Moods)]
        days = sorted(
            (moment_ns(at), mood)
            for one in lists
            for at, mood in zip(one.time_list, one.data_list, strict=False)
            if mood is not None
        )
        return [
            one
            for at_ns, mood in days[-ROWS:]
            if at_ns <= received_ns
            for one in self.metric(job, "fear_greed", mood, at_ns, received_ns, origin)
        ]

    def _history(self, kind: str, asked: str, markets: Sequence[str]) -> Job:
        series, interval_s = SERIES[kind], INTERVALS[self._interval]
        query = {"symbol": asked, "interval": self._interval, "limit": str(ROWS)}
        if series.by_pair:
            query["exchange"] = PAIRS_OF
        if series.exchanges:
            query["exchange_list"] = EXCHANGES
        if series.in_usd:
            query["unit"] = "usd"
        every_s = min(max(interval_s / 4, 60.0), 3600.0)
        exchange = PAIRS_OF if series.by_pair else None
        return self._job(
            kind, asked, series.path, query, markets, every_s, series.metrics, interval_s=interval_s, exchange=exchange
        )

    def _job(
        self,
        kind: str,
        asked: str,
        path: str,
        query: dict[str, str],
        markets: Sequence[str],
        every_s: float,
        metrics: tuple[str, ...],
        *,
        interval_s: int | None = None,
        exchange: str | None = None,
    ) -> Job:
        url = f"{self.url}{path}" + (f"?{urlencode(query, safe=',')}" if query else "")
        return Job(
            name=f"{kind} {asked}".strip(),
            kind=kind,
            request=Request(url=url),
            every_s=every_s,
            metrics=metrics,
            symbols=tuple(markets),
            interval_s=interval_s,
            exchange=exchange,
        )
