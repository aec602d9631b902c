"""What goes over one connection, told as it goes: to whoever wants the wire itself and not its meaning."""

from typing import Protocol


class Tap(Protocol):
    """Hears one connection; `received` may wait, and makes the connection's reading wait with it."""

    def opened(self, url: str) -> None:
        """Hear that the socket is open."""

    async def received(self, frame: bytes, received_ns: int) -> None:
        """Hear a frame as the socket gave it, stamped by the wall clock."""

    def sent(self, frame: bytes) -> None:
        """Hear a frame that goes out now."""

    def ended(self, cause: str) -> None:
        """Hear why the connection is over; also of one that never opened."""
