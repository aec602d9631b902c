"""People who write to the bot and read its answers: strict fake, real library, real PostgreSQL, virtual time."""

from typing import Any

import msgspec
import pytest

from deploy.local.sandbox.telegram import FakeTelegram
from deploy.local.sandbox.telegram_clock import ManualClock
from deploy.local.sandbox.telegram_people import Press, Say
from libs.common.bus.codec import decode, encode
from libs.common.events import (
    AlertRule,
    Contribution,
    Decision,
    Direction,
    Label,
    LayerReading,
    Origin,
    Plan,
    Signal,
    Target,
    Timeframe,
    Verdict,
)
from services.alerts.admission import told_of
from services.alerts.bot import COMMANDS
from services.alerts.bot.api import Api
from services.alerts.bot.keyboard import keyboards
from services.alerts.bot.reading import read
from services.alerts.bot.updates import Updates
from services.alerts.channels.telegram import TelegramChannel
from services.alerts.dispatcher import Dispatcher
from services.alerts.policy.access import lists_of
from services.alerts.policy.pace import Pace
from services.alerts.policy.wording import alert_id
from services.alerts.rules import Rules
from services.alerts.store.outbox import Outbox

TOKEN = "7000000001:sandbox"
NAME = "csx_sandbox_bot"
KEY = b"a key of thirty-two bytes, about"
FREE = Pace(chat_interval_s=0, group_per_minute=10_000, overall_per_s=10_000)
S = 1_000_000_000
READER, OWNER, STRANGER, GROUP = 1001, 42, 666, -77


class Play:
    """What users do in; what they read out."""

    def __init__(self, pool: Any, fake: FakeTelegram, clock: ManualClock, api: Api, channel: TelegramChannel) -> None:
        self.pool, self.fake, self.clock, self.api, self.channel = pool, fake, clock, api, channel
        self.outbox = Outbox(pool, {"telegram": FREE})
        self.dispatcher = Dispatcher(
            self.outbox,
            {"telegram": channel},
            lease_s=60.0,
            senders=1,
            keyboards=keyboards(KEY),
            now_ns=clock.now_ns,
            monotonic_s=clock.monotonic_s,
        )
        self.updates = self.make([str(READER)])
        self.last: dict[str, Any] = {}

    def make(self, allowed: list[str], owners: tuple[str, ...] = (str(OWNER),), **changes: Any) -> Updates:
        lists = lists_of(allowed, owners)
        self.updates = Updates(
            self.pool, self.outbox, commands=COMMANDS, lists=lists, **{"keys": (KEY,), "zone": "UTC", **changes}
        )
        return self.updates

    @property
    def now(self) -> int:
        return self.clock.now_ns()

    async def act(self, act: Any) -> Any:
        """Let it happen and hand the bot its update; return what became of it, None where the bot is not told."""
        if self.fake.bot.act(act) is None:
            return None
        pending = self.fake.bot.updates.pending()
        self.fake.bot.updates.confirm(pending[-1]["update_id"] + 1)
        done = None
        for self.last in pending:
            done = await self.again()
        return done

    async def again(self) -> Any:
        """Hand the bot the newest update once more."""
        update = self.api.read(msgspec.json.decode(msgspec.json.encode(self.last)))
        return await self.updates.take(update.update_id, read(update), NAME, self.now)

    async def say(self, text: str, user: int = READER, **changes: Any) -> Any:
        return await self.act(Say(user=user, text=text, **changes))

    async def ask(self, text: str, user: int = READER, chat: int | None = None, **changes: Any) -> str:
        """Say it and return the answer."""
        await self.say(text, user, chat=chat, **changes)
        return "\n".join(message.text for message in await self.deliver())

    async def deliver(self) -> list[Any]:
        """Send all that waits through the real channel; return the messages as the fake keeps them."""
        before = len(self.fake.bot.accepted)
        while await self.pool.fetchval("SELECT EXISTS(SELECT FROM alerts.outbox WHERE next_attempt_ns IS NOT NULL)"):
            self.clock.advance(4)
            await self.dispatcher.round()
            await self.dispatcher.idle()
        assert self.fake.bot.floods.early == []
        return self.fake.bot.accepted[before:]

    async def press(self, message: Any, text: str, user: int = READER, **changes: Any) -> Any:
        """Press the button with these words; return what became of it."""
        data = next(one["callback_data"] for row in message.keyboard for one in row if one["text"] == text)
        chat = None if message.chat_id > 0 else message.chat_id
        act = Press(user=user, message_id=message.message_id, data=data, chat=chat)
        return (await self.act(msgspec.structs.replace(act, **changes))).press

    async def fold_rules(self) -> list[AlertRule]:
        """Do what announcer, topic and intake do; return the rules that hold."""
        rows = await self.pool.fetch("DELETE FROM alerts.announcements RETURNING seq, event")
        events = [decode(row["event"]) for row in sorted(rows, key=lambda row: row["seq"])]
        rules = Rules(self.pool)
        await rules.change([one for one in events if isinstance(one, AlertRule)])
        return await rules.now()

    async def alert(self, make_entry: Any, signal_id: str = "s1", chat: int = READER, **changes: Any) -> Any:
        """Tell a chat of a signal; return the message."""
        one = verdict(signal_id, as_of_ns=self.now, **changes)
        told = told_of(one)
        assert told is not None
        await self.pool.execute(
            "INSERT INTO alerts.signals (signal_id, venue, symbol, timeframe, direction, as_of_ns, valid_until_ns,"
            " step_ns, event) VALUES ($1, $2, $3, $4, $5, $6, $7, $6, $8)",
            *(signal_id, one.venue, one.symbol, one.signal.timeframe.value, one.signal.direction.value),
            *(self.now, self.now + 3600 * S, encode(one)),
        )
        entry = make_entry(
            alert_id("r1", f"{signal_id}{chat}"),
            recipient=str(chat),
            signal_id=signal_id,
            symbol=one.symbol,
            created_ns=self.now,
            valid_until_ns=self.now + 3600 * S,
        )
        await self.outbox.enqueue([entry], self.now)
        (message,) = await self.deliver()
        return message


def verdict(signal_id: str, **changes: Any) -> Verdict:
    fields: dict[str, Any] = {
        "signal_id": signal_id,
        "timeframe": Timeframe.H1,
        "as_of_ns": 0,
        "known_at_ns": 0,
        "direction": Direction.LONG,
        "label": Label.BUY,
        "score": 0.13,
        "confidence": 0.7,
        "price": 100.0,
        "contributions": (
            Contribution(layer="cvd", score=0.7, confidence=0.6, weight=0.3, contribution=0.21),
            Contribution(layer="smc", score=-0.4, confidence=0.5, weight=0.2, contribution=-0.08),
        ),
        "readings": (
            LayerReading(
                venue="okx", symbol="BTC-USDT-PERP", layer="cvd", as_of_ns=0, score=0.7, confidence=0.6,
                facts={"delta_coins": 12.5, "diverges": True, "cause": None},
            ),
        ),
        "plan": Plan(
            entry_low=99.0, entry_high=100.0, stop=95.0, targets=(Target(price=110.0, reward_to_risk=1.5),),
            expires_ns=changes.get("as_of_ns", 0) + 4 * 3600 * S,
            invalidation="a close below <95>", stop_basis="structure", atr=2.0, fee_rate=0.0005,
            break_even_hit_rate=0.4,
        ),
        "venue": "okx",
        "symbol": "BTC-USDT-PERP",
        "origin": Origin.SIMULATED,
    }  # fmt: skip
    signal = Signal(**{**fields, **changes})
    return Verdict(
        venue=signal.venue,
        symbol=signal.symbol,
        origin=signal.origin,
        signal=signal,
        decision=Decision.PUBLISH,
        rationale="the score is high enough",
        judge="rules",
        decided_ns=signal.as_of_ns,
    )


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
async def fake(clock):
    server = FakeTelegram(TOKEN, lambda _line: None, clock=clock)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def api(fake):
    made = Api(TOKEN, fake.url)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def play(pool, fake, clock, api, telegram):
    return Play(pool, fake, clock, api, telegram)
