"""Edits, buttons, pictures and those who are gone; the real library against the strict fake."""

from typing import Any

import pytest

from deploy.local.sandbox.telegram_faults import Action, Fault, Pattern
from deploy.local.sandbox.telegram_people import Block, Deactivate, Kick, Migrate, Stranger, Unblock
from services.alerts.channels.channel import Ambiguous, Button, Gone, Message, Moved, Refused, RetryAfter, Sent

PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
    b"\x00\x00\x00\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\x00\x05\x00\x01\xff\x89\x99=\x1d\x00\x00\x00\x00IEND\xaeB`\x82"
)
KEYS = ((Button("Evidence", "e" * 64), Button("Chart", "ä" * 32)), (Button("Mute 4 h", "m"),))


def message(**changes: Any) -> Message:
    return Message(**{"recipient": "1001", "html": "<b>BUY</b>", "text": "BUY", **changes})


def edit(message_id: str = "1", **changes: Any) -> Message:
    return message(action="edit", message_id=message_id, **{"html": "<s>BUY</s>", "text": "BUY", **changes})


def photo(**changes: Any) -> Message:
    return message(action="photo", picture=PNG, **changes)


def document(**changes: Any) -> Message:
    return message(action="document", **{"document": b'{"score": 0.5}', "filename": "signal.json", **changes})


async def test_buttons_come_below_the_message(fake, telegram):
    assert await telegram.send(message(keyboard=KEYS)) == Sent("1")
    assert fake.bot.accepted[0].keyboard == [
        [{"text": "Evidence", "callback_data": "e" * 64}, {"text": "Chart", "callback_data": "ä" * 32}],
        [{"text": "Mute 4 h", "callback_data": "m"}],
    ]


@pytest.mark.parametrize(("text", "data"), [("x", ""), ("x", "a" * 65), ("x", "ä" * 33), (" ", "a")])
def test_a_button_that_telegram_would_refuse_cannot_be_made(text, data):
    with pytest.raises(ValueError, match="a button"):
        Button(text, data)


@pytest.mark.parametrize(
    "changes",
    [
        {"action": "edit"},
        {"message_id": "1"},
        {"action": "photo"},
        {"picture": PNG},
        {"action": "edit", "picture": PNG},
        {"action": "document"},
        {"action": "document", "document": b"x"},
        {"document": b"x", "filename": "x"},
    ],
)
def test_a_message_has_what_its_action_needs(changes):
    with pytest.raises(ValueError, match="nothing else"):
        message(**changes)


async def test_an_edit_changes_words_and_buttons(fake, telegram):
    await telegram.send(message(keyboard=KEYS))
    assert await telegram.send(edit()) == Sent("1")
    (kept,) = fake.bot.accepted
    assert (kept.text, kept.entities[0]["type"], kept.keyboard, kept.edits) == ("BUY", "strikethrough", [], 1)


async def test_an_edit_that_changes_nothing_has_arrived(fake, telegram):
    await telegram.send(message())
    assert await telegram.send(edit(html="<b>BUY</b>")) == Sent("1")
    assert fake.bot.accepted[0].edits == 0


async def test_a_document_arrives_with_caption_buttons_and_name(fake, telegram):
    sent = document(html="<i>BTC</i>", text="BTC", silent=True, keyboard=KEYS)
    assert await telegram.send(sent) == Sent("1")
    (kept,) = fake.bot.accepted
    assert (kept.text, kept.silent, len(kept.keyboard)) == ("BTC", True, 2)
    assert (kept.document.name, fake.bot.files[kept.document.file_id]) == ("signal.json", b'{"score": 0.5}')


async def test_a_documents_caption_whose_markup_is_broken_goes_as_plain_text(fake, telegram):
    assert await telegram.send(document(html="<b>a < b", text="a < b")) == Sent("1")
    assert (fake.bot.accepted[0].text, fake.calls) == ("a < b", 2)


async def test_an_empty_document_is_refused_for_good(fake, telegram):
    outcome = await telegram.send(document(document=b""))
    assert isinstance(outcome, Refused)
    assert outcome.permanent


@pytest.mark.parametrize("message_id", ["9", "no number"])
async def test_an_edit_of_nothing_is_refused_for_good(fake, telegram, message_id):
    await telegram.send(message())
    outcome = await telegram.send(edit(message_id))
    assert isinstance(outcome, Refused)
    assert outcome.permanent


async def test_an_edit_whose_markup_is_broken_goes_as_plain_text(fake, telegram):
    await telegram.send(message())
    assert await telegram.send(edit(html="<b>a < b", text="a < b")) == Sent("1")
    assert fake.bot.accepted[0].text == "a < b"
    assert fake.calls == 3


async def test_a_plain_edit_that_changes_nothing_has_arrived_too(fake, telegram):
    await telegram.send(message(html="a &lt; b", text="a < b"))
    assert await telegram.send(edit(html="<b>a < b", text="a < b")) == Sent("1")


async def test_a_picture_arrives_with_caption_and_buttons(fake, telegram):
    assert await telegram.send(photo(html="<i>BTC</i>", text="BTC", silent=True, keyboard=KEYS)) == Sent("1")
    (kept,) = fake.bot.accepted
    assert (kept.text, kept.silent, len(kept.keyboard)) == ("BTC", True, 2)
    assert fake.bot.files[kept.photo.file_id] == PNG


async def test_a_caption_is_shorter_than_a_message(fake, telegram):
    assert isinstance(await telegram.send(photo(html="&amp;" * 1024, text="&" * 1024)), Sent)
    assert await telegram.send(photo(html="&amp;" * 1025, text="&" * 1025)) == Refused(
        "Message caption is too long", permanent=True
    )


async def test_a_caption_whose_markup_is_broken_goes_as_plain_text(fake, telegram):
    assert await telegram.send(photo(html="<b>a < b", text="a < b")) == Sent("1")
    assert (fake.bot.accepted[0].text, fake.calls) == ("a < b", 2)


async def test_what_is_no_picture_is_refused_for_good(fake, telegram):
    assert await telegram.send(message(action="photo", picture=b"GIF89a")) == Refused(
        "Image_process_failed", permanent=True
    )


async def test_what_is_too_large_surely_did_not_arrive(fake, telegram):
    outcome = await telegram.send(message(action="photo", picture=PNG + b"\x00" * (10 * 1024 * 1024)))
    assert outcome == Refused("Request Entity Too Large", permanent=True)
    assert fake.bot.accepted == []


@pytest.mark.parametrize(
    ("act", "chat", "reason"),
    [
        (Block(user=1001), "1001", "bot was blocked by the user"),
        (Deactivate(user=1001), "1001", "user is deactivated"),
        (Stranger(user=1001), "1001", "bot can't initiate conversation with a user"),
        (Kick(user=1001, chat=-77), "-77", "bot was kicked from the group chat"),
        (Kick(user=1001, chat=-10077), "-10077", "bot was kicked from the supergroup chat"),
    ],
)
async def test_who_is_gone(fake, telegram, act, chat, reason):
    fake.bot.act(act)
    assert await telegram.send(message(recipient=chat)) == Gone(f"Forbidden: {reason}")
    assert await telegram.send(photo(recipient=chat)) == Gone(f"Forbidden: {reason}")


async def test_who_comes_back_is_reached_again(fake, telegram):
    fake.bot.act(Block(user=1001))
    fake.bot.act(Unblock(user=1001))
    assert isinstance(await telegram.send(message()), Sent)


async def test_a_group_that_moved_says_where_to(fake, telegram):
    fake.bot.act(Migrate(user=5, chat=-77, to=-10077))
    assert await telegram.send(photo(recipient="-77")) == Moved("-10077")


@pytest.mark.parametrize("make", [message, edit, photo, document])
@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (Fault(action=Action.FLOOD, retry_after=1386), RetryAfter(1386.0)),
        (Fault(action=Action.FLOOD), RetryAfter(None)),
        (Fault(action=Action.ERROR), Ambiguous("Telegram answered 500")),
        (Fault(action=Action.BAD_GATEWAY), Ambiguous("Telegram answered 502")),
        (Fault(action=Action.MIGRATED, migrate_to=-100777), Moved("-100777")),
    ],
)
async def test_every_action_reads_the_same_answers(fake, telegram, make, fault, outcome):
    fake.script.add([fault])
    assert await telegram.send(make()) == outcome
    assert (fake.calls, fake.bot.accepted) == (1, [])


@pytest.mark.parametrize("action", [Action.TORN, Action.RESET_AFTER, Action.HANG_AFTER])
async def test_an_answer_that_did_not_come_whole_leaves_it_open(fake, telegram, action):
    fake.script.add([Fault(action=action, match=Pattern(method="sendPhoto"))])
    assert isinstance(await telegram.send(photo()), Ambiguous)
    assert len(fake.bot.accepted) == 1
