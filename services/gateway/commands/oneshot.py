"""One piece of work on the gateway's store, for a command line: the settings' PostgreSQL in, the work's result out."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from libs.common.runtime.errors import ConfigurationError, DependencyDown
from libs.common.runtime.migrations import migrate
from libs.common.runtime.settings import load
from services.gateway.outages import OUTAGES
from services.gateway.settings import Settings
from services.gateway.store.store import Store

T = TypeVar("T")


def with_store(work: Callable[[Store], Awaitable[T]]) -> T:
    """Return what `work` returns; the schema is made first where it is missing.

    Raises:
        ConfigurationError: there is no PostgreSQL in the settings.
        DependencyDown: it does not answer.
    """
    dsn = load(Settings).postgres_dsn.get_secret_value()
    if not dsn:
        raise ConfigurationError("CSX_POSTGRES_DSN is missing: keys and people are kept in PostgreSQL")

    async def run() -> T:
        await migrate(dsn, "services.gateway.migrations", "gateway")
        store = Store(dsn)
        try:
            await store.start()
            return await work(store)
        except OUTAGES as e:
            raise DependencyDown(f"PostgreSQL does not answer: {e}") from e
        finally:
            await store.stop()

    return asyncio.run(run())
