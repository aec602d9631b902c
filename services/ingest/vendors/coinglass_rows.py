"""CoinGlass v4: the `data` of an envelope in, numbers with the names and units of the catalogue out. Pure.

Source: docs.coinglass.com, v4. Numbers come as JSON numbers in some answers and as strings in others; times are
milliseconds in most and seconds in some; funding and shares of accounts are in percent.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from services.ingest.vendors.vendor import Amount, Number

PERCENT: Final = 100.0
ASK, BID = 1, 2
"""`order_side` of large limit orders: 1 sells, 2 buys. Other CoinGlass channels number their sides otherwise."""
OPENED, CLOSED = 1, 2
"""`position_action` of whale alerts."""
RESTING: Final = 1
"""`order_state` of large limit orders: 2 is filled, 3 cancelled."""

Percent = Annotated[float, Meta(ge=-1_000, le=1_000)]


class Bar(Struct):
    """A row of open interest (USD) or of funding (percent): what stood at the end is `close`."""

    time: int
    close: Number | None = None


class Liquidated(Struct):
    """USD that longs, and shorts, lost by force."""

    time: int
    aggregated_long_liquidation_usd: Amount | None = None
    aggregated_short_liquidation_usd: Amount | None = None


class Accounts(Struct):
    """Shares of accounts in percent, and their ratio."""

    time: int
    global_account_long_percent: Percent | None = None
    global_account_short_percent: Percent | None = None
    global_account_long_short_ratio: Amount | None = None


class TopAccounts(Struct):
    """The same of the fifth of accounts with the largest margin."""

    time: int
    top_account_long_percent: Percent | None = None
    top_account_short_percent: Percent | None = None
    top_account_long_short_ratio: Amount | None = None


class TopPositions(Struct):
    """The same accounts, weighed by the size of their positions."""

    time: int
    top_position_long_percent: Percent | None = None
    top_position_short_percent: Percent | None = None
    top_position_long_short_ratio: Amount | None = None


class Taken(Struct):
    """USD that takers bought and sold."""

    time: int
    aggregated_buy_volume_usd: Amount | None = None
    aggregated_sell_volume_usd: Amount | None = None


class Flow(Struct):
    """A day of a coin's ETFs."""

    timestamp: int
    flow_usd: Number | None = None


class Whale(Struct):
    """One change of a position above a million dollars on Hyperliquid; a short has a negative size."""

    symbol: str
    position_size: Number
    position_value_usd: Number
    position_action: Literal[1, 2]
    create_time: int


class LargeOrder(Struct):
    """One resting order above the vendor's threshold."""

    order_side: Literal[1, 2]
    current_usd_value: Amount
    current_time: int
    order_state: Literal[1, 2, 3] = 1


class Balance(Struct):
    """Coins in the wallets of one exchange."""

    exchange_name: str
    total_balance: Amount | None = None


class Moods(Struct):
    """Parallel lists of days: the index, and when."""

    data_list: list[Annotated[float, Meta(ge=0, le=100)] | None]
    time_list: list[int]


class Column(Struct, frozen=True):
    """One number of a history's row: its name in the catalogue, its field, and what the field is divided by."""

    metric: str
    field: str
    divisor: float = 1.0


class Series(Struct, frozen=True, kw_only=True):
    """One history: rows of equal length, each final once its time has passed."""

    path: str
    row: type[Bar] | type[Liquidated] | type[Accounts] | type[TopAccounts] | type[TopPositions] | type[Taken]
    columns: tuple[Column, ...]
    by_pair: bool = False
    """Asked by an exchange and its pair; else by coin."""
    exchanges: bool = False
    """The request must name the exchanges that are added up."""
    in_usd: bool = False
    """The request chooses the unit."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the catalogue that a row fills."""
        return tuple(column.metric for column in self.columns)


SERIES: Final = {
    "open-interest": Series(
        path="/api/futures/open-interest/aggregated-history",
        row=Bar,
        columns=(Column("open_interest", "close"),),
        in_usd=True,
    ),
    "funding": Series(
        path="/api/futures/funding-rate/oi-weight-history",
        row=Bar,
        columns=(Column("funding_rate_oi_weighted", "close", PERCENT),),
    ),
    "liquidations": Series(
        path="/api/futures/liquidation/aggregated-history",
        row=Liquidated,
        columns=(
            Column("liquidations_long", "aggregated_long_liquidation_usd"),
            Column("liquidations_short", "aggregated_short_liquidation_usd"),
        ),
        exchanges=True,
    ),
    "accounts": Series(
        path="/api/futures/global-long-short-account-ratio/history",
        row=Accounts,
        columns=(
            Column("accounts_long", "global_account_long_percent", PERCENT),
            Column("accounts_short", "global_account_short_percent", PERCENT),
            Column("accounts_long_short_ratio", "global_account_long_short_ratio"),
        ),
        by_pair=True,
    ),
    "top-accounts": Series(
        path="/api/futures/top-long-short-account-ratio/history",
        row=TopAccounts,
        columns=(
            Column("top_accounts_long", "top_account_long_percent", PERCENT),
            Column("top_accounts_short", "top_account_short_percent", PERCENT),
            Column("top_accounts_long_short_ratio", "top_account_long_short_ratio"),
        ),
        by_pair=True,
    ),
    "top-positions": Series(
        path="/api/futures/top-long-short-position-ratio/history",
        row=TopPositions,
        columns=(
            Column("top_positions_long", "top_position_long_percent", PERCENT),
            Column("top_positions_short", "top_position_short_percent", PERCENT),
            Column("top_positions_long_short_ratio", "top_position_long_short_ratio"),
        ),
        by_pair=True,
    ),
    "taker-volume": Series(
        path="/api/futures/aggregated-taker-buy-sell-volume/history",
        row=Taken,
        columns=(
            Column("taker_buy_volume", "aggregated_buy_volume_usd"),
            Column("taker_sell_volume", "aggregated_sell_volume_usd"),
        ),
        exchanges=True,
        in_usd=True,
    ),
}
"""Histories; one row an endpoint."""

FUNDS: Final = {"BTC": "bitcoin", "ETH": "ethereum", "SOL": "solana"}
"""Coins with spot ETFs whose flows CoinGlass publishes, and their names in its paths."""

INTERVALS: Final = {
    "1m": 60,
    "3m": 180,
    "5m": 300,
    "15m": 900,
    "30m": 1800,
    "1h": 3600,
    "4h": 14_400,
    "6h": 21_600,
    "8h": 28_800,
    "12h": 43_200,
    "1d": 86_400,
    "1w": 604_800,
}
"""Lengths of a history's rows, in seconds; the cheapest plan takes 4h and longer."""
