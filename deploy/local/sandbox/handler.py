"""What the wire speaks of with a server: HTTP requests and open WebSockets in, answers out."""

from abc import ABC, abstractmethod

from msgspec import Struct, field

from deploy.local.sandbox.websocket import Socket


class Request(Struct, frozen=True, kw_only=True):
    """One HTTP request."""

    method: str
    path: str
    query: dict[str, str]
    body: bytes = b""


class Response(Struct, frozen=True, kw_only=True):
    """What is answered."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


class Handler(ABC):
    """What a server does with its connections."""

    @abstractmethod
    async def answer(self, request: Request) -> Response:
        """Answer an HTTP request."""

    @abstractmethod
    def admits(self, path: str) -> bool:
        """Return whether a WebSocket may be opened at `path`."""

    @abstractmethod
    def opened(self, socket: Socket) -> None:
        """Take note of a WebSocket that is open now."""

    @abstractmethod
    def message(self, socket: Socket, text: bytes) -> None:
        """Take a text message."""

    @abstractmethod
    def closed(self, socket: Socket) -> None:
        """Take note of a WebSocket that is gone."""
