"""What an exchange shows of one market, whether simulated or recorded."""

from abc import ABC
from enum import StrEnum, unique

from deploy.local.sandbox.book import Book
from deploy.local.sandbox.candles import Candles
from deploy.local.sandbox.listings import Listing
from deploy.local.sandbox.tape import Liquidated, Tape


@unique
class Standing(StrEnum):
    """Where a market is in its life."""

    ANNOUNCED = "announced"
    """In the catalogue, not open yet."""
    LIVE = "live"
    HALTED = "halted"
    """In the catalogue, and nothing happens."""
    DELISTED = "delisted"
    """Gone from the catalogue."""


class Shown(ABC):
    """One market's catalogue row, book, trades, candles and liquidations."""

    listing: Listing
    book: Book
    tape: Tape
    candles: Candles
    liquidations: list[Liquidated]
    listed_ms: int = 1_569_398_400_000
    """When it began to trade."""
    standing: Standing = Standing.LIVE
    """What the control door makes of it."""
