"""Buttons below alerts, and the one that stops everything: once, in time, in their chat, by who may."""

import msgspec
import pytest

from services.alerts.bot.keyboard import keyboard_of
from services.alerts.policy.callbacks import Action, Press, pack
from services.alerts.store.rows import Claim

READER, OWNER, STRANGER, GROUP = 1001, 42, 666, -77
S = 1_000_000_000
KEY = b"a key of thirty-two bytes, about"
TEXTS = [["Evidence", "Chart", "Mute 4 h"], ["Useful", "Not useful"]]


def texts(message):
    return [[one["text"] for one in row] for row in message.keyboard]


async def claims(play, make_entry, **changes):
    entry = msgspec.structs.replace(make_entry("f" * 32, created_ns=play.now), **changes)
    await play.outbox.enqueue([entry], play.now)
    return await play.outbox.claim("telegram", play.now, lease_ns=S, limit=1)


async def test_an_alert_about_a_signal_has_buttons_that_any_chat_takes(play, make_entry):
    message = await play.alert(make_entry)
    assert texts(message) == TEXTS


async def test_without_pictures_nobody_is_offered_one(play, make_entry):
    (claim,) = await claims(play, make_entry)
    rows = keyboard_of(claim, KEY, pictures=False)
    assert [[one.text for one in row] for row in rows] == [["Evidence", "Mute 4 h"], TEXTS[1]]
    assert keyboard_of(claim, KEY) == keyboard_of(msgspec.structs.replace(claim, attempts=9), KEY)


@pytest.mark.parametrize(
    "changes",
    [{"channel": "webhook"}, {"kind": "whale"}, {"kind": "digest"}, {"address": "@channel"}, {"alert_id": "a"},
     {"signal_id": ""}],
)  # fmt: skip
async def test_other_alerts_have_none(play, make_entry, changes):
    (claim,) = await claims(play, make_entry)
    assert isinstance(claim, Claim)
    assert keyboard_of(msgspec.structs.replace(claim, **changes), KEY) == ()


async def test_an_edit_keeps_the_buttons_of_its_message(play, make_entry):
    (claim,) = await claims(play, make_entry)
    edit = msgspec.structs.replace(claim, alert_id="e" * 32, edits=claim.alert_id)
    assert keyboard_of(edit, KEY) == keyboard_of(claim, KEY)


async def test_evidence_comes_as_a_message_and_again_only_later(play, make_entry):
    message = await play.alert(make_entry)
    done = await play.press(message, "Evidence")
    assert (done.result, done.told) == ("done", "The evidence comes as a message")
    (answer,) = await play.deliver()
    assert "volume delta (cvd): speaks for it" in answer.text
    await play.press(message, "Evidence")
    assert await play.deliver() == []
    play.clock.advance(61)
    await play.press(message, "Evidence")
    assert len(await play.deliver()) == 1


async def test_a_chart_is_ordered(play, make_entry):
    message = await play.alert(make_entry)
    order = (await play.press(message, "Chart")).chart
    assert (order.recipient, order.verdict.signal.signal_id) == ("1001", "s1")
    again = (await play.press(message, "Chart")).chart
    assert again.name == order.name


async def test_mute_lasts_four_hours_and_is_done_once(play, make_entry):
    message = await play.alert(make_entry)
    before = play.now
    assert (await play.press(message, "Mute 4 h")).result == "done"
    row = await play.pool.fetchrow("SELECT recipient, subject, until_ns FROM alerts.mutes")
    assert tuple(row) == ("1001", "symbol:BTC-USDT-PERP", before + 4 * 3600 * S)
    play.clock.advance(60)
    assert (await play.press(message, "Mute 4 h")).told == "Already done"
    assert await play.pool.fetchval("SELECT until_ns FROM alerts.mutes") == row["until_ns"]


async def test_of_both_votes_of_a_user_the_first_counts(play, make_entry):
    play.make([str(READER), "1002"])
    message = await play.alert(make_entry, chat=GROUP)
    assert (await play.press(message, "Useful")).told == "Thank you"
    assert (await play.press(message, "Not useful")).told == "Already done"
    assert (await play.press(message, "Not useful", user=1002)).told == "Thank you"
    rows = await play.pool.fetch("SELECT signal_id, user_id, useful FROM alerts.votes ORDER BY user_id")
    assert [tuple(row) for row in rows] == [("s1", READER, True), ("s1", 1002, False)]


async def test_a_replayed_press_acts_once(play, make_entry):
    message = await play.alert(make_entry)
    await play.press(message, "Mute 4 h")
    assert (await play.again()).press.result == "repeated"
    play.last["update_id"] += 1
    assert (await play.again()).press.result == "repeated"


async def test_in_a_group_only_owners_silence_it_and_strangers_press_nothing(play, make_entry):
    message = await play.alert(make_entry, chat=GROUP)
    assert (await play.press(message, "Mute 4 h")).result == "denied"
    assert (await play.press(message, "Evidence", user=STRANGER)).result == "denied"
    assert (await play.press(message, "Evidence")).result == "done"
    assert (await play.press(message, "Mute 4 h", user=OWNER)).result == "done"
    assert await play.pool.fetchval("SELECT recipient FROM alerts.mutes") == str(GROUP)


async def test_a_button_of_another_chat_is_refused(play, make_entry):
    theirs = await play.alert(make_entry, chat=GROUP)
    data = theirs.keyboard[0][2]["callback_data"]
    mine = await play.alert(make_entry, "s2")
    done = await play.press(mine, "Mute 4 h", data=data, forged=True)
    assert (done.result, done.alert) == ("refused", True)
    assert await play.pool.fetchval("SELECT count(*) FROM alerts.mutes") == 0


async def test_after_a_week_a_button_says_nothing(play, make_entry):
    message = await play.alert(make_entry)
    play.clock.advance(7 * 86_400 + 1)
    assert "too old" in (await play.press(message, "Mute 4 h")).told


@pytest.mark.parametrize("data", ["x", "A" * 64, "stop", "\x00", "ä" * 32])
async def test_forged_data_is_refused(play, make_entry, data):
    message = await play.alert(make_entry)
    assert (await play.press(message, "Evidence", data=data, forged=True)).result == "refused"


async def test_a_button_of_an_alert_that_is_forgotten(play, make_entry):
    message = await play.alert(make_entry)
    await play.pool.execute("DELETE FROM alerts.signals")
    assert (await play.press(message, "Evidence")).told == "This signal is not kept any more"
    await play.pool.execute("DELETE FROM alerts.outbox")
    assert (await play.press(message, "Mute 4 h")).told == "This alert is not kept any more"


async def test_panic_stops_what_waits_for_everybody(play, make_entry):
    await play.say("/panic", OWNER)
    (question,) = await play.deliver()
    assert texts(question) == [["Yes, stop all"]]
    waiting = [make_entry(f"a{number}", recipient=str(number + 1), created_ns=play.now) for number in range(5)]
    await play.outbox.enqueue(waiting, play.now)
    done = await play.press(question, "Yes, stop all", user=OWNER)
    assert done.result == "done"
    (answer,) = await play.deliver()
    assert "Ended: 5 that waited" in answer.text
    rows = await play.pool.fetch("SELECT state, reason FROM alerts.outbox WHERE kind = 'signal'")
    assert {tuple(row) for row in rows} == {("expired", "stopped by panic")}
    said = await play.pool.fetch("SELECT event FROM alerts.announcements")
    assert sum(b'"stopped by panic"' in row["event"] for row in said) == 5
    assert await play.outbox.enqueue([make_entry("later", created_ns=play.now)], play.now) == 0
    assert "ALL ALERTS ARE STOPPED" in await play.ask("/status", OWNER)
    assert (await play.press(question, "Yes, stop all", user=OWNER)).told == "Already done"
    assert "told again" in await play.ask("/panic off", OWNER)
    assert await play.outbox.enqueue([make_entry("after", created_ns=play.now)], play.now) == 1
    audit = await play.pool.fetch("SELECT user_id, action, detail FROM alerts.audit ORDER BY seq")
    assert [tuple(row) for row in audit] == [(OWNER, "panic", "5 ended"), (OWNER, "panic off", "")]


async def test_panic_is_confirmed_within_a_minute_by_who_asked(play):
    play.make([str(READER)], (str(OWNER), "43"))
    await play.say("/panic", OWNER, chat=GROUP)
    (question,) = await play.deliver()
    assert "not for you" in (await play.press(question, "Yes, stop all", user=43)).told
    assert (await play.press(question, "Yes, stop all", user=READER)).result == "refused"
    play.clock.advance(61)
    assert "too old" in (await play.press(question, "Yes, stop all", user=OWNER)).told
    assert await play.pool.fetchval("SELECT stopped FROM alerts.switch") is False


async def test_who_is_no_owner_any_more_stops_nothing(play):
    await play.say("/panic", OWNER)
    (question,) = await play.deliver()
    play.make([str(READER)], owners=())
    assert (await play.press(question, "Yes, stop all", user=OWNER)).result == "denied"
    assert "Only an owner" in await play.ask("/panic off")


async def test_keys_rotate(play, make_entry):
    message = await play.alert(make_entry)
    play.make([str(READER)], keys=(b"a newer key of many bytes", KEY))
    assert (await play.press(message, "Evidence")).result == "done"
    play.make([str(READER)], keys=(b"a newer key of many bytes",))
    assert (await play.press(message, "Evidence")).result == "refused"


async def test_a_message_that_telegram_forgot(play, make_entry):
    message = await play.alert(make_entry)
    await play.press(message, "Evidence")
    play.last["update_id"] += 1
    del play.last["callback_query"]["message"]
    assert (await play.again()).press.result == "gone"


async def test_data_that_is_signed_for_an_action_that_is_none_here(play, make_entry):
    message = await play.alert(make_entry)
    press = Press(action=Action.PANIC, expires_s=2**31, nonce=b"123456")
    data = pack(press, KEY, chat_id=READER)
    assert (await play.press(message, "Evidence", data=data, forged=True)).result == "denied"
