"""Plays a recording through the exchange's own paths: frames in at their recorded pace, pushes to subscribers out.

Binance's depth speeds are one stream here: whoever listens to any of them gets the recorded one, under the name asked
for. It begins when every recorded trade and book stream has a listener, and drops nothing: slow readers are waited for.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from deploy.local.sandbox.binance import Binance
from deploy.local.sandbox.binance_spot import BinanceSpot
from deploy.local.sandbox.binance_usdm import BinanceUsdm
from deploy.local.sandbox.control import Pause
from deploy.local.sandbox.exchange import Exchange
from deploy.local.sandbox.faults import Faults
from deploy.local.sandbox.handler import Request, Response
from deploy.local.sandbox.listings import BINANCE_SPOT, OKX
from deploy.local.sandbox.okx import Okx
from deploy.local.sandbox.played import Played
from deploy.local.sandbox.recorded import Heard, Inventory, frames, heard, take_stock
from deploy.local.sandbox.tape import Liquidated
from deploy.local.sandbox.websocket import Socket
from services.ingest.recording.recordings import Frame, FrameKind

GRACE_S: Final = 0.5
"""Between the last expected subscription and the first frame."""
_BURST: Final = 200
"""Frames after which other tasks get their turn."""


class PlayedBinance(Binance):
    """A venue of Binance over recorded markets; a depth request waits for the recorded answer's place in time."""

    def __init__(self, faults: Faults, markets: Sequence[Played], snapshots: set[str], pace: float) -> None:
        super().__init__(faults, markets)
        self.rest.limit = int(self.rest.limit * pace)
        self._played = {market.listing.native: market for market in markets}
        self._snapshots = snapshots

    async def answer(self, request: Request) -> Response:
        """Answer a call; the first depth answer is the recorded one, later ones are the book as played."""
        market = self._played.get(request.query.get("symbol", ""))
        if market and request.path.endswith("/depth"):
            if market.listing.native not in self._snapshots:
                return Response(status=503, body=b'{"code":-1001,"msg":"The recording holds no depth snapshot."}')
            if not market.snapshot_played.is_set():
                await market.snapshot_played.wait()
                return Response(body=market.snapshot or b"")
        return await super().answer(request)


class PlayedBinanceUsdm(PlayedBinance, BinanceUsdm):
    """USD-M futures."""


class PlayedBinanceSpot(PlayedBinance, BinanceSpot):
    """Spot."""


class PlayedOkx(Okx):
    """OKX over recorded markets; who subscribes to a book late gets a snapshot of it as played."""

    def __init__(
        self, faults: Faults, markets: Sequence[Played], instruments: list[dict[str, Any]], pace: float
    ) -> None:
        super().__init__(faults, markets)
        self._rest.pace = pace
        self._played = {market.listing.native: market for market in markets}
        if instruments:
            self._rest.instruments = instruments

    def greet(self, socket: Socket, channel: str, native: str) -> None:
        """Serve the book at once, where there is one already."""
        if channel != "books":
            return
        stream = f"{channel}:{native}"
        self.listen(socket, stream)
        row = self._played[native].books_snapshot()
        if row:
            arg = {"channel": channel, "instId": native}
            self.push(socket, stream, msgspec.json.encode({"arg": arg, "action": "snapshot", "data": [row]}))


class Player:
    """Drives one exchange with a recording."""

    def __init__(self, venue: str, paths: Sequence[Path], *, speed: float, faults: Faults, pause: Pause) -> None:
        self._paths = paths
        self._speed = speed
        self._pause = pause
        self.stock: Inventory = take_stock(venue, paths)
        self.markets = {row.native: Played(row) for row in self.stock.listings()}
        markets = list(self.markets.values())
        self.exchange: Exchange
        if venue == OKX:
            rows = [row for name, row in self.stock.instruments.items() if name in self.markets]
            self.exchange = PlayedOkx(faults, markets, rows, max(1.0, speed))
        else:
            make = PlayedBinanceSpot if venue == BINANCE_SPOT else PlayedBinanceUsdm
            self.exchange = make(faults, markets, self.stock.snapshots(), max(1.0, speed))
        self.played = 0
        self.unplayable = 0
        """Recorded frames that could not be read for the oracle; they were sent all the same."""
        self.waited = 0
        """Times a slow reader made the recording wait."""
        self.finished = False

    def prepare(self) -> None:
        """Nothing happens before someone listens."""

    def progress(self) -> dict[str, Any]:
        """Return how far the recording is."""
        return {
            "mode": "recorded",
            "played": self.played,
            "total": self.stock.frames,
            "unplayable": self.unplayable,
            "waited": self.waited,
            "waiting_for": self.missing() if not self.played else [],
            "finished": self.finished,
        }

    def missing(self) -> list[str]:
        """Return the recorded trade and book streams that nobody listens to."""
        wanted: dict[str, str] = {}
        for native in self.markets:
            kinds = self.stock.kinds[native]
            for options in (("trade", "aggTrade"), ("depth",), ("trades",), ("books",)):
                present = [kind for kind in options if kind in kinds]
                if present and not any(self._listening(native, kind) for kind in present):
                    wanted[f"{native}:{present[0]}"] = native
        return list(wanted)

    async def run(self) -> None:
        """Play from the first frame to the last, once."""
        while self.missing():  # noqa: ASYNC110 -- subscriptions come from many places; looking is simpler than telling
            await asyncio.sleep(0.02)
        await asyncio.sleep(GRACE_S)
        loop = asyncio.get_running_loop()
        first_ns, start_s = 0, loop.time()
        for number, frame in enumerate(frames(self._paths)):
            if frame.received_ns:
                first_ns = first_ns or frame.received_ns
                due_s = start_s + (frame.received_ns - first_ns) / 1e9 / self._speed
                if due_s - loop.time() > 0.002:
                    await asyncio.sleep(due_s - loop.time())
            if number % _BURST == 0:
                await asyncio.sleep(0)
            start_s += await self._stand_still()
            self._play(frame)
            await self._let_readers_catch_up()
        self.exchange.faults.release()
        while any(socket.pending for socket in self.exchange.sockets):  # noqa: ASYNC110 -- TCP tells no one
            await asyncio.sleep(0.02)
        self.finished = True
        await asyncio.Event().wait()  # the exchange stays open, as a real one would

    async def _stand_still(self) -> float:
        """Wait while paused; returns for how long, seconds."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        while self._pause.on:  # noqa: ASYNC110 -- the control door sets a flag
            await asyncio.sleep(0.02)
        return loop.time() - began_s

    async def _let_readers_catch_up(self) -> None:
        for socket in list(self.exchange.sockets):
            if not socket.writable.is_set():
                self.waited += 1
                await socket.writable.wait()

    def _play(self, frame: Frame) -> None:
        if frame.kind is FrameKind.ANSWER:
            self.played += 1
            self._note(self._noted_answer, frame)
            return
        push = heard(self.stock.venue, frame)
        if push is None:
            return
        self.played += 1
        if push.native in self.markets:
            self._note(self._noted, push)
        self._publish(push)

    def _note(self, take: Any, what: Any) -> None:
        try:
            take(what)
        except (msgspec.DecodeError, KeyError, ValueError, TypeError):
            self.unplayable += 1

    def _publish(self, push: Heard) -> None:
        if isinstance(self.exchange, PlayedOkx):
            for socket in self.exchange.heard(push.stream):
                self.exchange.push(socket, push.stream, push.payload)
        elif isinstance(self.exchange, PlayedBinance):
            name = push.stream.partition("@")[0]
            if push.kind != "depth":
                self.exchange.publish(push.stream, push.payload)
                return
            for stream in self.exchange.streams():
                if stream.partition("@")[0] == name and stream.partition("@")[2].partition("@")[0] == "depth":
                    self.exchange.publish(stream, push.payload)

    def _listening(self, native: str, kind: str) -> bool:
        if self.stock.venue == OKX:
            return bool(self.exchange.heard(f"{kind}:{native}"))
        start = f"{native.lower()}@{kind}"
        streams = [name for name in self.exchange.streams() if name == start or name.startswith(f"{start}@")]
        return any(self.exchange.heard(stream) for stream in streams)

    def _noted_answer(self, frame: Frame) -> None:
        native = self.stock.answered_for(frame)
        body = msgspec.json.decode(frame.data)
        if native in self.markets and "lastUpdateId" in body:
            self.markets[native].answered(frame.data, body)

    def _noted(self, push: Heard) -> None:
        market, kinds = self.markets[push.native], self.stock.kinds[push.native]
        match push.kind:
            case "trade":
                row = msgspec.json.decode(push.payload)
                real = row.get("X", "MARKET") == "MARKET"
                market.trade(row["t"], row["p"], row["q"], buy=not row["m"], ms=row["T"], market=real)
            case "aggTrade" if "trade" not in kinds:
                row = msgspec.json.decode(push.payload)
                market.trade(row["a"], row["p"], row["q"], buy=not row["m"], ms=row["T"])
            case "depth":
                market.depth(msgspec.json.decode(push.payload))
            case "forceOrder":
                order = msgspec.json.decode(push.payload)["o"]
                self._forced(market, buy=order["S"] == "BUY", price=order["p"], size=order["z"], ms=order["T"])
            case "trades":
                for row in msgspec.json.decode(push.payload)["data"]:
                    buy, ms = row["side"] == "buy", int(row["ts"])
                    market.trade(int(row["tradeId"]), row["px"], row["sz"], buy=buy, ms=ms)
            case "books":
                message = msgspec.json.decode(push.payload)
                for row in message["data"]:
                    market.books(message.get("action", "snapshot"), row)

    @staticmethod
    def _forced(market: Played, *, buy: bool, price: str, size: str, ms: int) -> None:
        ticks, lots = market.listing.ticks(price), market.listing.lots(size)
        market.liquidations.append(Liquidated(len(market.liquidations) + 1, buy, ticks, float(ticks), lots, ms))
