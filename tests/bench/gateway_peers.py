"""The same read on other stacks: a kept view of a ticker in, a server on a port out; one process each.

`fastapi`: FastAPI on uvicorn, the view as pydantic models, encoded by FastAPI for each answer. `litestar`: bare
Litestar on granian, the view as a struct, encoded by Litestar for each answer. Neither has keys, limits or a cache.
"""

import sys
from pathlib import Path
from typing import Any

import msgspec


def fastapi(view: dict[str, Any], port: int) -> None:
    """Serve the view by FastAPI."""
    import uvicorn
    from fastapi import FastAPI
    from pydantic import BaseModel, create_model

    def model(name: str, value: Any) -> Any:
        if not isinstance(value, dict):
            return type(value) if value is not None else Any
        fields: dict[str, Any] = {key: (model(f"{name}_{key}", one), ...) for key, one in value.items()}
        made: type[BaseModel] = create_model(name, **fields)
        return made

    answer = model("Ticker", view)
    kept = answer.model_validate(view)
    app = FastAPI()

    async def ticker(symbol: str, venue: str | None = None) -> Any:
        return kept

    app.get("/v1/markets/{symbol}/ticker", response_model=answer)(ticker)
    uvicorn.run(app, host="127.0.0.1", port=port, access_log=False, log_level="error")


def litestar(_view: dict[str, Any], port: int) -> None:
    """Serve the view by Litestar."""
    from granian.constants import Interfaces
    from granian.server import Server

    Server(
        "tests.bench.gateway_peers:bare",
        factory=True,
        address="127.0.0.1",
        port=port,
        interface=Interfaces.ASGI,
        log_enabled=False,
    ).serve()


def bare() -> Any:
    """Return the application of the worker that granian starts."""
    from litestar import Litestar, get

    def kind(name: str, value: Any) -> Any:
        if not isinstance(value, dict):
            return type(value) if value is not None else None
        return msgspec.defstruct(name, [(key, kind(f"{name}_{key}", one)) for key, one in value.items()])

    view = msgspec.json.decode(Path(sys.argv[3]).read_bytes())
    answer = kind("Ticker", view)
    kept = msgspec.convert(view, answer)

    async def ticker(symbol: str, venue: str | None = None) -> Any:
        return kept

    ticker.__annotations__["return"] = answer
    return Litestar([get("/v1/markets/{symbol:str}/ticker")(ticker)], openapi_config=None, logging_config=None)


if __name__ == "__main__":
    given = msgspec.json.decode(Path(sys.argv[3]).read_bytes())
    {"fastapi": fastapi, "litestar": litestar}[sys.argv[1]](given, int(sys.argv[2]))
