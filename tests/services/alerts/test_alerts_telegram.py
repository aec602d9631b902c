"""What each answer, error and silence of Telegram becomes; the real library against the strict fake."""

import logging

import pytest

from deploy.local.children import free_port
from deploy.local.sandbox.telegram_faults import Action, Fault
from services.alerts.channels.channel import Ambiguous, Gone, Message, Moved, Refused, RetryAfter, Sent
from services.alerts.channels.telegram import TelegramChannel

HELLO = Message(recipient="1001", html="<b>BUY</b> &lt;BTC&gt;", text="BUY <BTC>")
TOKEN = "7000000001:sandbox"


async def test_a_message_arrives_as_written(fake, telegram):
    assert await telegram.send(HELLO) == Sent("1")
    (kept,) = fake.bot.accepted
    assert (kept.chat_id, kept.text, kept.silent) == (1001, "BUY <BTC>", False)
    assert kept.entities == [{"type": "bold", "offset": 0, "length": 3}]


async def test_the_fake_is_reached_past_a_proxy(fake, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    channel = TelegramChannel(TOKEN, fake.url)
    await channel.start()
    assert await channel.send(HELLO) == Sent("1")
    await channel.stop()


async def test_silent_messages_are_silent(fake, telegram):
    await telegram.send(Message(recipient="1001", html="x", text="x", silent=True))
    assert fake.bot.accepted[0].silent


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (Fault(action=Action.FLOOD, retry_after=35), RetryAfter(35.0)),
        (Fault(action=Action.FLOOD), RetryAfter(None)),
        (Fault(action=Action.ERROR), Ambiguous("Telegram answered 500")),
        (Fault(action=Action.BAD_GATEWAY), Ambiguous("Telegram answered 502")),
        (Fault(action=Action.BLOCKED), Gone("Forbidden: bot was blocked by the user")),
        (Fault(action=Action.REFUSED), Refused("Chat not found", permanent=True)),
        (Fault(action=Action.MIGRATED, migrate_to=-100777), Moved("-100777")),
    ],
)
async def test_answers(fake, telegram, fault, outcome):
    fake.script.add([fault])
    assert await telegram.send(HELLO) == outcome
    assert fake.bot.accepted == []
    assert fake.calls == 1  # one layer of retries, and it is not here


@pytest.mark.parametrize(
    ("action", "kept"),
    [(Action.RESET_BEFORE, 0), (Action.RESET_AFTER, 1), (Action.HANG, 0), (Action.HANG_AFTER, 1)],
)
async def test_without_an_answer_nobody_knows(fake, telegram, action, kept):
    fake.script.add([Fault(action=action)])
    assert isinstance(await telegram.send(HELLO), Ambiguous)
    assert len(fake.bot.accepted) == kept
    assert fake.calls == 1


async def test_a_refused_connection_surely_sent_nothing():
    channel = TelegramChannel(TOKEN, f"http://127.0.0.1:{free_port()}", connect_s=1.0)
    await channel.start()
    assert await channel.send(HELLO) == Refused("not sent: ConnectError", permanent=False)
    await channel.stop()


async def test_markup_that_telegram_cannot_parse_goes_once_as_plain_text(fake, telegram):
    assert await telegram.send(Message(recipient="1001", html="<b>a < b", text="a < b")) == Sent("1")
    assert fake.calls == 2
    assert (fake.bot.accepted[0].text, fake.bot.accepted[0].entities) == ("a < b", [])


async def test_plain_text_that_is_refused_too_is_not_tried_again(fake, telegram):
    fake.script.add([Fault(action=Action.REFUSED, description="Bad Request: can't parse entities: x", times=2)])
    assert isinstance(await telegram.send(HELLO), Refused)
    assert fake.calls == 2


async def test_a_wrong_token_is_a_fault_of_the_channel_until_it_works(fake):
    channel = TelegramChannel("7000000001:wrong", fake.url)
    await channel.start()
    assert await channel.fault() is None
    outcome = await channel.send(HELLO)
    assert isinstance(outcome, Refused)
    assert not outcome.permanent
    assert "CSX_ALERTS_TELEGRAM_TOKEN" in (await channel.fault() or "")
    fake.token = "7000000001:wrong"
    assert isinstance(await channel.send(HELLO), Sent)
    assert await channel.fault() is None
    await channel.stop()


async def test_a_named_channel_is_addressed_by_its_name(fake, telegram):
    outcome = await telegram.send(Message(recipient="@signals", html="x", text="x"))
    assert outcome == Refused("Chat not found", permanent=True)  # the fake knows no names


async def test_the_token_is_in_no_log(fake, telegram, caplog):
    caplog.set_level(logging.INFO)
    fake.script.add([Fault(action=Action.BAD_GATEWAY), Fault(action=Action.HANG)])
    for _ in range(3):
        await telegram.send(HELLO)
    assert "sandbox" not in caplog.text
