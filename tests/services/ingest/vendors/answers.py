"""Answers as the vendors document them, one of each kind: `GOOD` by vendor, for tests and fuzzing."""

from typing import Any, Final

_MS: Final = 1_785_715_200_000


def _glass(data: Any) -> dict[str, Any]:
    return {"code": "0", "msg": "success", "data": data}


ORDERS: Final[dict[str, Any]] = {
    "channel": "liquidationOrders",
    "data": [
        {
            "baseAsset": "BTC",
            "exName": "Binance",
            "price": 56738.00,
            "side": 2,
            "symbol": "BTCUSDT",
            "time": 1725416318379,
            "volUsd": 3858.18400,
        }
    ],
}
"""A frame of CoinGlass's socket."""

GOOD: Final[dict[str, list[Any]]] = {
    "alternative": [
        {
            "name": "Fear and Greed Index",
            "data": [
                {
                    "value": "54",
                    "value_classification": "Neutral",
                    "timestamp": "1789948800",
                    "time_until_update": "4000",
                },
                {"value": "40", "value_classification": "Fear", "timestamp": "1789862400"},
            ],
            "metadata": {"error": None},
        }
    ],
    "coingecko": [
        [
            {
                "id": "bitcoin",
                "symbol": "btc",
                "current_price": 70187,
                "market_cap": 1_317_802_988_326,
                "total_volume": 31_260_929_299,
                "last_updated": "2026-09-21T13:00:00.123Z",
            }
        ]
    ],
    "coinglass": [
        _glass([{"time": _MS, "open": "4.1e10", "high": 4.2e10, "low": "4.0e10", "close": "41000000000.5"}]),
        _glass(
            [
                {
                    "time": _MS,
                    "aggregated_long_liquidation_usd": 20_948_550.41,
                    "aggregated_short_liquidation_usd": 21_778_810.08,
                }
            ]
        ),
        *(
            _glass(
                [
                    {
                        "time": _MS,
                        f"{prefix}_long_percent": 73.88,
                        f"{prefix}_short_percent": 26.12,
                        f"{prefix}_long_short_ratio": 2.83,
                    }
                ]
            )
            for prefix in ("global_account", "top_account", "top_position")
        ),
        _glass(
            [
                {
                    "time": _MS,
                    "aggregated_buy_volume_usd": 968834542.3787,
                    "aggregated_sell_volume_usd": 1054582654.8138,
                }
            ]
        ),
        _glass(
            [
                {
                    "timestamp": _MS,
                    "flow_usd": -655_300_000,
                    "price_usd": 46663,
                    "etf_flows": [{"etf_ticker": "GBTC", "flow_usd": -95_100_000}, {"etf_ticker": "DEFI"}],
                }
            ]
        ),
        _glass(
            [
                {
                    "user": "0x1",
                    "symbol": "BTC",
                    "position_size": -5.5,
                    "entry_price": 1.0,
                    "liq_price": 0.5,
                    "position_value_usd": 1_500_000.5,
                    "position_action": 2,
                    "create_time": _MS,
                }
            ]
        ),
        _glass(
            [
                {
                    "id": 2868159989,
                    "exchange_name": "Binance",
                    "symbol": "BTCUSDT",
                    "price": 56932,
                    "start_time": _MS - 200_000,
                    "current_usd_value": 1_068_844.25,
                    "current_time": _MS,
                    "order_side": 1,
                    "order_state": 1,
                }
            ]
        ),
        _glass([{"exchange_name": "Coinbase", "total_balance": 716590.35, "balance_change_1d": 638.77}]),
        _glass([{"data_list": [30, "15", None], "price_list": [1.0, 2.0, 3.0], "time_list": [_MS // 1000] * 3}]),
        {"code": "401", "msg": "Upgrade plan"},
        {"code": "429", "msg": "Too Many Requests"},
    ],
    "lunarcrush": [
        {
            "config": {"generated": 1_789_996_400},
            "data": [
                {
                    "id": 1,
                    "symbol": "BTC",
                    "market_cap": 1e12,
                    "galaxy_score": 72.5,
                    "alt_rank": 3,
                    "social_volume_24h": 45230,
                    "sentiment": 83,
                }
            ],
        }
    ],
}
"""Bodies by vendor."""
