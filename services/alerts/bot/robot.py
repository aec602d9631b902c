"""The bot as a whole: updates in, each acted upon; presses answered, charts ordered, the sender told of answers."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from libs.common.events import DAY_NS
from libs.common.runtime.clock import now_ns
from services.alerts.bot.api import Api
from services.alerts.bot.buttons import Outcome
from services.alerts.bot.command import Command
from services.alerts.bot.drawing import BUSY, Charts
from services.alerts.bot.reading import read
from services.alerts.bot.updates import DATA_ERRORS, Updates
from services.alerts.metrics_bot import UPDATES
from services.alerts.store.outbox import STORE_ERRORS

log = logging.getLogger(__name__)

_REMEMBERED_NS: Final = 8 * DAY_NS
"""Longer than Telegram keeps an update, and than a button counts."""
_FORGET_EVERY_S: Final = 3600.0
_BROKEN: Final = Outcome(result="broken", told="Something is wrong here; it is written down", alert=True)


class Robot:
    """What polling and webhook hand updates to."""

    def __init__(
        self,
        api: Api,
        updates: Updates,
        charts: Charts | None,
        nudge: Callable[[], None],
        commands: Sequence[Command],
    ) -> None:
        self.api = api
        self.commands = commands
        self._updates = updates
        self._charts = charts
        self._nudge = nudge

    async def take(self, told: Mapping[str, Any]) -> None:
        """Act on an update, however often it comes; `told` has its id.

        Raises:
            STORE_ERRORS: the store is down: nothing has changed, it is to come again.
            TelegramError: nobody knows the bot's name yet; the same.
        """
        name = await self.api.name()
        query_id = _query_id(told)
        try:
            done = await self._updates.take(told["update_id"], read(self.api.read(told)), name, now_ns())
        except Exception as e:  # one that breaks us must not come back for ever
            if isinstance(e, STORE_ERRORS) and not isinstance(e, DATA_ERRORS):
                raise
            log.exception("an update broke", extra={"update_id": told["update_id"]})
            UPDATES.labels("broken").inc()
            outcome = _BROKEN
        else:
            self._nudge()
            outcome = done.press or _BROKEN
        if query_id is not None:
            await self._answer(query_id, outcome)

    async def keep(self) -> None:
        """Forget what cannot come again, for ever."""
        while True:
            try:
                await self._updates.forget(now_ns() - _REMEMBERED_NS)
            except STORE_ERRORS as e:
                log.warning("the bot's past is not forgotten yet: %s", e)
            await asyncio.sleep(_FORGET_EVERY_S)

    async def stop(self) -> None:
        """End the charts under way."""
        if self._charts is not None:
            await self._charts.stop()

    async def _answer(self, query_id: str, outcome: Outcome) -> None:
        told, alert = outcome.told, outcome.alert
        if outcome.chart is not None:
            if self._charts is None:
                told, alert = "Charts are turned off here", True
            elif not self._charts.order(outcome.chart):
                told, alert = BUSY, True
        await self.api.answer(query_id, told, alert=alert)


def _query_id(told: Mapping[str, Any]) -> str | None:
    """Return the id under which a press is to be answered, whatever else is wrong with it."""
    query = told.get("callback_query")
    found = query.get("id") if isinstance(query, dict) else None
    return found if isinstance(found, str) else None
