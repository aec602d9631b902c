"""CoinGecko v3: market value and traded volume of coins. Pure."""

import datetime as dt
from collections.abc import Sequence
from typing import ClassVar, Final
from urllib.parse import urlencode

from msgspec import Struct

from libs.common.events import Metric, Origin
from services.ingest.vendors.coingecko_ids import IDS
from services.ingest.vendors.vendor import LEFT_OUT, Amount, Job, Vendor, by_coin, decoded
from services.ingest.venues.terms import Request

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_ZERO: Final = "the vendor says 0, by which it means unknown"


class _Coin(Struct):
    id: str
    market_cap: Amount | None = None
    total_volume: Amount | None = None
    last_updated: dt.datetime | None = None


class CoinGecko(Vendor):
    """One request of up to 250 coins; works without a key at a lower rate, with a demo key or a paid one."""

    name: ClassVar[str] = "coingecko"
    needs_key: ClassVar[bool] = False

    def __init__(
        self, url: str = "https://api.coingecko.com/api/v3", key: str | None = None, per_minute: float = 5.0
    ) -> None:
        """`url`: a paid key goes to https://pro-api.coingecko.com/api/v3; 5 a minute suit even no key."""
        super().__init__(url, key, per_minute)

    def headers(self) -> dict[str, str]:
        """Return the key's header: its name depends on the host."""
        if not self.key:
            return {}
        return {"x-cg-pro-api-key" if "//pro-api." in self.url else "x-cg-demo-api-key": self.key}

    def jobs(self, symbols: Sequence[str]) -> list[Job]:
        """Return one request every five minutes: 8,640 a month, below a demo key's 10,000."""
        ids = sorted({IDS[coin] for coin in by_coin(symbols) if coin in IDS})
        query = urlencode({"vs_currency": "usd", "ids": ",".join(ids), "per_page": "250"}, safe=",")
        return [
            Job(
                name="markets",
                kind="markets",
                request=Request(url=f"{self.url}/coins/markets?{query}"),
                every_s=300.0,
                metrics=("market_cap", "volume_24h"),
                symbols=tuple(symbols),
            )
        ]

    def parse(self, job: Job, body: bytes, received_ns: int, origin: Origin) -> list[Metric]:
        """Read the rows; a coin without an id or a row is absent."""
        rows = {row.id: row for row in decoded(body, list[_Coin])}
        found: list[Metric] = []
        for name, markets in by_coin(job.symbols).items():
            row = rows.get(IDS.get(name, ""))
            at_ns = received_ns if row is None or row.last_updated is None else _nanos(row.last_updated)
            values = (None, None) if row is None else (row.market_cap, row.total_volume)
            for metric, value in zip(job.metrics, values, strict=True):
                found += self.metric(
                    job,
                    metric,
                    value or None,
                    at_ns,
                    received_ns,
                    origin,
                    symbols=markets,
                    cause=_cause(name, row, value),
                )
        return found


def _cause(name: str, row: _Coin | None, value: float | None) -> str:
    if name not in IDS:
        return f"no id is known for {name}"
    if row is None:
        return f"{name} is not in the vendor's answer"
    return LEFT_OUT if value is None else _ZERO


def _nanos(at: dt.datetime) -> int:
    """Return a time with a zone as nanoseconds; without one it is UTC."""
    aware = at if at.tzinfo else at.replace(tzinfo=dt.UTC)
    return (aware - _EPOCH) // dt.timedelta(microseconds=1) * 1_000
