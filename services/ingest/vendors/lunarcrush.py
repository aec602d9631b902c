"""LunarCrush v4: what people say about coins. Pure."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Final

from msgspec import Meta, Struct

from libs.common.events import Metric, Origin
from services.ingest.vendors.vendor import LEFT_OUT, Amount, Job, Vendor, by_coin, decoded, moment_ns
from services.ingest.venues.terms import Request

_PERCENT: Final = 100.0
Points = Annotated[float, Meta(ge=0, le=100)]


class _Coin(Struct):
    symbol: str = ""
    market_cap: Amount | None = None
    galaxy_score: Points | None = None
    alt_rank: Annotated[float, Meta(ge=1, le=1e9)] | None = None
    social_volume_24h: Amount | None = None
    sentiment: Points | None = None
    """Percent of posts that are positive."""


class _Config(Struct, frozen=True):
    generated: int | None = None
    """Seconds: when the list was made, up to an hour ago."""


class _Answer(Struct):
    data: list[_Coin]
    config: _Config = _Config()


class LunarCrush(Vendor):
    """One list of all coins an hour: single-coin answers often lack the social numbers, and cost a call each."""

    name: ClassVar[str] = "lunarcrush"
    needs_key: ClassVar[bool] = True

    def __init__(
        self, url: str = "https://lunarcrush.com/api4", key: str | None = None, per_minute: float = 10.0
    ) -> None:
        """`per_minute`: 10 is the entry plan's."""
        super().__init__(url, key, per_minute)

    def headers(self) -> dict[str, str]:
        """Return the bearer's header."""
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    def jobs(self, symbols: Sequence[str]) -> list[Job]:
        """Return the one list that holds every coin."""
        return [
            Job(
                name="coins",
                kind="coins",
                request=Request(url=f"{self.url}/public/coins/list/v1"),
                every_s=3600.0,
                metrics=("galaxy_score", "alt_rank", "social_volume_24h", "social_sentiment"),
                symbols=tuple(symbols),
            )
        ]

    def parse(self, job: Job, body: bytes, received_ns: int, origin: Origin) -> list[Metric]:
        """Read the list; of several coins with one ticker the one with the largest market value is meant."""
        answer = decoded(body, _Answer)
        at_ns = moment_ns(answer.config.generated) if answer.config.generated is not None else received_ns
        coins: dict[str, _Coin] = {}
        for row in answer.data:
            known = coins.get(row.symbol.upper())
            if known is None or (row.market_cap or 0.0) > (known.market_cap or 0.0):
                coins[row.symbol.upper()] = row
        found: list[Metric] = []
        for name, markets in by_coin(job.symbols).items():
            coin = coins.get(name)
            values = (None,) * 4 if coin is None else _numbers(coin)
            for metric, value in zip(job.metrics, values, strict=True):
                cause = f"{name} is not in the vendor's list" if coin is None else LEFT_OUT
                found += self.metric(job, metric, value, at_ns, received_ns, origin, symbols=markets, cause=cause)
        return found


def _numbers(coin: _Coin) -> tuple[float | None, ...]:
    sentiment = None if coin.sentiment is None else coin.sentiment / _PERCENT
    return coin.galaxy_score, coin.alt_rank, coin.social_volume_24h, sentiment
