"""What an exchange shows of one market, whether simulated or recorded."""

from abc import ABC

from deploy.local.sandbox.book import Book
from deploy.local.sandbox.candles import Candles
from deploy.local.sandbox.listings import Listing
from deploy.local.sandbox.tape import Liquidated, Tape


class Shown(ABC):
    """One market's catalogue row, book, trades, candles and liquidations."""

    listing: Listing
    book: Book
    tape: Tape
    candles: Candles
    liquidations: list[Liquidated]
