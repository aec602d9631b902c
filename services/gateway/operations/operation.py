"""One thing the gateway can do, said once: REST, RPC and the documents for assistants are made from it. Pure."""

from collections.abc import AsyncIterator, Awaitable, Callable
from enum import Flag, auto
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

from msgspec import Struct

from services.gateway.access.scopes import Scope

if TYPE_CHECKING:
    from services.gateway.operations.desk import Caller, Desk

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"

P = TypeVar("P", bound=Struct)
A = TypeVar("A")

Connection: TypeAlias = Any
"""An asyncpg connection inside a transaction; asyncpg has no types."""


class Surface(Flag):
    """Where an operation is offered."""

    REST = auto()
    RPC = auto()
    GPT = auto()
    MCP = auto()


USUAL: Final = Surface.REST | Surface.RPC | Surface.MCP
EVERYWHERE: Final = USUAL | Surface.GPT
FOR_PROGRAMS: Final = Surface.REST | Surface.RPC
"""No assistant is offered it."""


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """The parameters of an operation that has none."""


class Freshness(Struct, frozen=True):
    """How long an answer may be shared by all who may ask; only for answers that are the same for each of them."""

    fresh_s: float
    """Served as it is."""
    stale_s: float = 0.0
    """Served once more beyond that, while it is made anew."""


class Example(Struct, frozen=True):
    """A call that the tests execute and the documents show."""

    params: dict[str, JSON]
    given: str = "market"
    """The scene it is executed in: a row of the tests' table."""


class Kept(Struct, frozen=True):
    """An answer as it goes out."""

    body: bytes
    """JSON."""
    etag: str = ""
    """Of these bytes, in its quotes; empty where nobody has computed it yet."""
    born_s: float | None = None
    """When it was made, on the monotonic clock, where it is kept."""


class Download(Struct, frozen=True):
    """An answer that is a file and not a document; REST alone."""

    media_type: str
    filename: str
    chunks: AsyncIterator[bytes]


class Written(Struct, Generic[A], frozen=True, kw_only=True):
    """What a write did, for its caller and for the audit."""

    answer: A
    target: str
    """What was changed: the id of a key, a rule, a person."""
    before: Any = None
    """What it was, as views show it: never a secret, nor its digest."""
    after: Any = None
    void: tuple[str, ...] = ()
    """Credentials to be looked at again by every replica once this lasts; an empty text among them: all."""


class Operation(Struct, Generic[P, A], frozen=True, kw_only=True):
    """One row of the registry; it either reads or writes."""

    name: str
    """`markets.candles`: the name in RPC; `marketsCandles` in documents, `markets_candles` among tools."""
    method: str
    path: str
    """With fields of the parameters in braces: `/v1/markets/{symbol}/candles`."""
    params: type[P]
    """A struct that forbids unknown fields; each field has a description."""
    answer: Any
    """The type of the answer; None: an answer without a body; `Download`."""
    read: Callable[["Desk", "Caller", P], Awaitable[A]] | None = None
    write: Callable[["Desk", "Caller", Connection, P], Awaitable[Written[A]]] | None = None
    """Works inside the one transaction that also keeps the audit and the idempotency key."""
    scope: Scope
    summary: str
    """One line; what it does."""
    detail: str
    """What the answer holds, its order and its limits; becomes the description in every document."""
    tag: str
    example: Example
    cost: int = 1
    """What it takes from the caller's budget."""
    timeout_s: float = 10.0
    freshness: Freshness | None = None
    surfaces: Surface = USUAL
    secret_reply: bool = False
    """The answer holds a secret that is shown once: it is stored sealed for replays."""
    problems: tuple[str, ...] = ()
    """Codes of problems beside those that any operation may answer."""
    status: int = 200
    deprecated_ns: int | None = None
    sunset_ns: int | None = None

    @property
    def writes(self) -> bool:
        """Tell whether it changes anything that lasts."""
        return self.write is not None

    @property
    def operation_id(self) -> str:
        """Its name in documents: `marketsCandles`."""
        head, *rest = self.name.replace("_", ".").split(".")
        return head + "".join(word.capitalize() for word in rest)

    @property
    def tool(self) -> str:
        """Its name among tools: `markets_candles`."""
        return self.name.replace(".", "_")


def status_of(operation: Operation[Any, Any]) -> int:
    """Return the status of an answer that went well; without a body it is 204, or what the operation says."""
    return 204 if operation.answer is None and operation.status == 200 else operation.status
