"""A new subscriber's chat with the real service over a fake Telegram: what they write, press and read, by scene."""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from deploy.local.broker.launch import EmbeddedBroker
from deploy.local.chat_cards import Item, Note, Said
from deploy.local.chat_events import outcome, quality, verdict
from deploy.local.children import Child, free_port
from deploy.local.postgres import EmbeddedPostgres
from deploy.local.sandbox.telegram import FakeTelegram
from deploy.local.sandbox.telegram_messages import Accepted
from deploy.local.sandbox.telegram_people import Press, Say
from libs.common.bus import topics
from libs.common.bus.admin import ensure_topics
from libs.common.bus.publisher import Publisher
from libs.common.events import SECOND_NS, Barrier, Direction, Event
from libs.common.runtime.clock import monotonic_s, now_ns

_TOKEN: Final = "7000000001:sandbox"  # noqa: S105  (the fake's own)
_USER: Final = 5_000_001
_PATIENCE_S: Final = 60.0


class Chat:
    """One person's chat: what they do, and everything that stands in it."""

    def __init__(self, fake: FakeTelegram, publisher: Publisher) -> None:
        self._fake = fake
        self._publisher = publisher
        self._told = 0
        self.items: list[Item] = []

    async def say(self, text: str, answers: int = 1) -> None:
        """Write, and wait for the answers."""
        self._fake.bot.act(Say(user=_USER, text=text))
        self.items.append(Said(text=text, at_s=now_ns() // SECOND_NS))
        await self.hear(answers)

    async def press(self, words: str, answers: int = 1) -> None:
        """Press a button of the newest message that has it."""
        found = [
            (message, one["callback_data"])
            for message in self._fake.bot.accepted
            for row in message.keyboard
            for one in row
            if one["text"] == words
        ]
        message, data = found[-1]
        self._fake.bot.act(Press(user=_USER, message_id=message.message_id, data=data))
        self.items.append(Note(text=f"presses {words}"))
        answered = len(self._fake.bot.answered)
        if answers:
            await self.hear(answers)
        else:
            await self.until(lambda: len(self._fake.bot.answered) > answered)
            self.items.append(Note(text=self._fake.bot.answered[-1].text))

    async def happen(self, *events: Event, answers: int = 0) -> None:
        """Let something happen in the market, and wait for what is told of it."""
        await self._publisher.publish(list(events))
        await self.hear(answers)

    async def hear(self, count: int) -> None:
        """Wait for so many new messages."""
        await self.until(lambda: len(self._fake.bot.accepted) >= self._told + count)
        self.items += self._fake.bot.accepted[self._told : self._told + count]
        self._told += count

    async def changed(self, words: str) -> None:
        """Wait until an edit brings the words."""
        await self.until(lambda: any(words in one.text for one in self._fake.bot.accepted if one.edits))

    async def until(self, fact: Callable[[], bool]) -> None:
        """Wait for a fact, not for ever."""
        deadline_s = monotonic_s() + _PATIENCE_S
        while not fact():
            if monotonic_s() > deadline_s:
                raise TimeoutError(f"after {self.items[-1:]} nothing came")
            await asyncio.sleep(0.05)

    def scene(self) -> list[Item]:
        """Return what stands there since the last scene, as it is now."""
        found = [msgspec.structs.replace(one) if isinstance(one, Accepted) else one for one in self.items]
        self.items = []
        return found


async def scenes(chat: Chat) -> dict[str, list[Item]]:
    """Return what a newcomer sees, by picture."""
    found: dict[str, list[Item]] = {}
    await chat.say("/start")
    await chat.say("/subscribe")
    await chat.happen(quality())
    await asyncio.sleep(3)  # the rule and the feed's state go over their topics
    first = verdict("sig_9f2c07d1e4b85a6c3f10", Direction.LONG)
    await chat.happen(first, answers=1)
    found["chat_start"] = chat.scene()
    await chat.press("Evidence")
    await chat.press("Useful", answers=0)
    found["chat_evidence"] = chat.scene()
    alert = found["chat_start"][-1]
    assert isinstance(alert, Accepted)
    await chat.happen(outcome(first, Barrier.TARGET, 1.52), answers=1)
    await chat.changed("TARGET")
    edited = next(one for one in chat._fake.bot.accepted if one.message_id == alert.message_id)  # noqa: SLF001
    found["chat_life"] = [msgspec.structs.replace(edited), *chat.scene()]
    await chat.say("/rules signal digest")
    markets = (("ETH-USDT-PERP", 2_410.4, Direction.SHORT), ("SOL-USDT-PERP", 148.2, Direction.LONG))
    told = [verdict(f"sig_{symbol[:3].lower()}", way, symbol, price) for symbol, price, way in markets]
    await chat.happen(*told, answers=1)
    await chat.say("/quiet 22:00-07:00 Europe/Berlin")
    await chat.say("/status")
    found["chat_wishes"] = chat.scene()
    await chat.say("/help")
    found["chat_help"] = chat.scene()
    return found


async def played(folder: Path) -> dict[str, list[Item]]:
    """Run the service beside its broker, its store and the fake, and play the scenes."""
    broker, postgres = EmbeddedBroker(folder / "broker.log"), EmbeddedPostgres(folder / "postgres.log", durable=False)
    fake = FakeTelegram(_TOKEN, lambda _line: None)
    service: Child | None = None
    try:
        bootstrap, dsn = broker.start(folder, free_port()), postgres.start(folder, free_port())
        await fake.start()
        await ensure_topics(bootstrap, topics.TOPICS)
        publisher = Publisher(bootstrap, "chats")
        await publisher.start()
        try:
            service = _service(folder, bootstrap, dsn, fake)
            return await scenes(Chat(fake, publisher))
        finally:
            await publisher.stop()
    finally:
        if service is not None and service.alive:
            service.stop()
        await fake.stop()
        broker.stop()
        postgres.stop()


def _service(folder: Path, bootstrap: str, dsn: str, fake: FakeTelegram) -> Child:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("CSX_")}
    own = {
        "CSX_KAFKA_BOOTSTRAP": bootstrap,
        "CSX_POSTGRES_DSN": dsn,
        "CSX_ALERTS_TELEGRAM_TOKEN": _TOKEN,
        "CSX_ALERTS_TELEGRAM_URL": fake.url,
        "CSX_ALERTS_ALLOWED_USERS": str(_USER),
        "CSX_ALERTS_PUBLIC_URL": "https://csx.example.com",
        "CSX_HEALTH_PORT": str(free_port()),
    }
    child = Child("alerts", [sys.executable, "-m", "services.alerts"], output=folder / "alerts.log", env=clean | own)
    child.start()
    return child
