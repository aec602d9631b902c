"""Whom the bot obeys: by list, by invite, never by being in a chat; and what it does not take for an order."""

import pytest

from deploy.local.sandbox.telegram_people import Add, Block, Kick, Migrate, Say, Unblock
from services.alerts.bot import COMMANDS

READER, OWNER, STRANGER, GROUP = 1001, 42, 666, -77
S = 1_000_000_000


async def test_an_empty_list_denies_all(play):
    play.make([], owners=())
    for one in COMMANDS:
        play.clock.advance(61)
        answer = await play.ask(f"/{one.name}", READER)
        assert "not on the list" in answer, one.name
    assert await play.pool.fetchval("SELECT count(*) FROM alerts.subscribers") == 0
    assert await play.fold_rules() == []


async def test_a_star_makes_everyone_a_reader_and_nobody_an_owner(play):
    play.make(["*"])
    assert "a reader" in await play.ask("/start", STRANGER)
    assert "Only an owner" in await play.ask("/panic", STRANGER)


async def test_a_stranger_learns_their_number_once_a_minute_and_nothing_else(play):
    assert "666" in await play.ask("/start", STRANGER)
    assert await play.ask("/start", STRANGER) == ""
    assert "not on the list" in await play.ask("/status", STRANGER)
    assert await play.ask("hello", STRANGER) == ""
    play.clock.advance(61)
    assert "666" in await play.ask("/start", STRANGER)


async def test_an_invite_lets_one_user_in_once(play):
    answer = await play.ask("/invite", OWNER)
    code = answer.split("/start ")[1].strip()
    assert code not in str(await play.pool.fetch("SELECT * FROM alerts.invites"))
    assert "Welcome: you are a reader" in await play.ask(f"/start {code}", STRANGER)
    assert "not valid" in await play.ask(f"/start {code}", 667)
    assert "reads" not in await play.ask("/help", 667)
    assert "/subscribe" in await play.ask("/help", STRANGER)
    assert "no member any more" in await play.ask(f"/invite off {STRANGER}", OWNER)
    play.clock.advance(61)
    assert "not on the list" in await play.ask("/help", STRANGER)
    actions = await play.pool.fetch("SELECT user_id, action, detail FROM alerts.audit ORDER BY seq")
    assert [tuple(row) for row in actions] == [
        (OWNER, "invite", "reader"),
        (STRANGER, "join", "reader"),
        (OWNER, "expel", str(STRANGER)),
    ]


async def test_an_invite_ends_after_a_day(play):
    code = (await play.ask("/invite", OWNER)).split("/start ")[1].strip()
    play.clock.advance(86_401)
    assert "not valid" in await play.ask(f"/start {code}", STRANGER)


async def test_an_invite_is_not_made_in_a_group(play):
    assert "in private" in await play.ask("/invite", OWNER, chat=GROUP)


async def test_in_a_group_the_user_is_asked(play):
    assert await play.ask("/help", STRANGER, chat=GROUP) == ""
    assert "/status" in await play.ask("/help", READER, chat=GROUP)
    assert "/subscribe" not in await play.ask("/help", READER, chat=GROUP)
    assert "Only an owner" in await play.ask("/subscribe", READER, chat=GROUP)
    assert "Only an owner" in await play.ask("/pause", READER, chat=GROUP)
    assert "only an owner" in await play.ask("/rules add score > 0", READER, chat=GROUP)
    assert await play.fold_rules() == []
    assert "From now on" in await play.ask("/subscribe", OWNER, chat=GROUP)
    assert [rule.recipient for rule in await play.fold_rules()] == [str(GROUP)]


@pytest.mark.parametrize("changes", [{"anonymous": True}, {"forwarded": True}, {"edits": 1}])
@pytest.mark.parametrize("chat", [None, GROUP])
async def test_nobody_commands_in_another_name_or_with_old_words(play, chat, changes):
    if changes.get("edits"):
        play.fake.bot.updates.allowed = frozenset()  # edits come to who asks for all kinds
    done = await play.act(Say(user=OWNER, text="/subscribe", chat=chat, **changes))
    assert done.result == "ignored"
    assert await play.deliver() == []
    assert await play.fold_rules() == []


async def test_what_a_bot_wrote_is_no_command_though_a_user_sent_it(play):
    play.fake.bot.act(Say(user=READER, text="/subscribe"))
    (play.last,) = play.fake.bot.updates.pending()
    play.last["message"]["via_bot"] = {"id": 9, "is_bot": True, "first_name": "Other"}
    assert (await play.again()).result == "ignored"
    assert await play.fold_rules() == []


async def test_what_came_late_is_not_done(play):
    play.fake.bot.act(Say(user=READER, text="/subscribe"))
    (play.last,) = play.fake.bot.updates.pending()
    play.clock.advance(601)
    assert (await play.again()).result == "late"
    assert "Write it again" in (await play.deliver())[0].text
    assert await play.fold_rules() == []


async def test_an_update_that_comes_again_acts_once(play):
    await play.say("/subscribe")
    assert (await play.again()).result == "repeated"
    assert (await play.again()).result == "repeated"
    assert len(await play.deliver()) == 1
    said = await play.pool.fetch("SELECT event FROM alerts.announcements")
    assert sum(b'"alert_rule"' in row["event"] for row in said) == 1


async def test_an_unknown_command_is_answered_once_a_minute(play):
    assert "no command here" in await play.ask("/nonsense")
    assert await play.ask("/nonsense") == ""
    assert await play.ask("what?") == ""
    play.clock.advance(60)
    assert "no command here" in await play.ask("/other")


async def test_in_a_group_other_bots_commands_are_theirs(play):
    assert await play.say("/weather@other_bot", READER, chat=GROUP) is None  # Telegram does not even tell
    assert await play.ask("/weather", READER, chat=GROUP) == ""
    assert "no command here" in await play.ask("/weather@csx_sandbox_bot", READER, chat=GROUP)
    assert "Status" in await play.ask("/status@csx_sandbox_bot", READER, chat=GROUP)


async def test_who_blocks_us_is_disabled_until_they_come_back(play):
    await play.ask("/start")
    assert (await play.act(Block(user=READER))).result == "member"
    row = await play.pool.fetchrow("SELECT state, reason FROM alerts.subscribers")
    assert tuple(row) == ("disabled", "blocked by the user")
    await play.act(Unblock(user=READER))
    assert await play.pool.fetchval("SELECT state FROM alerts.subscribers") == "active"


async def test_a_group_that_removes_us_is_disabled(play):
    await play.ask("/subscribe", OWNER, chat=GROUP)
    await play.act(Kick(user=OWNER, chat=GROUP))
    assert await play.pool.fetchval("SELECT reason FROM alerts.subscribers") == "removed from the group"
    await play.act(Add(user=OWNER, chat=GROUP))
    assert await play.pool.fetchval("SELECT state FROM alerts.subscribers") == "active"


async def test_start_wakes_a_chat_that_was_given_up(play):
    await play.pool.execute("INSERT INTO alerts.subscribers VALUES ('telegram', '1001', 'disabled', 'gone')")
    assert "given up (gone)" in await play.ask("/status")
    await play.ask("/start")
    assert await play.pool.fetchval("SELECT state FROM alerts.subscribers") == "active"


async def test_a_group_that_became_a_supergroup_keeps_its_rules(play):
    await play.ask("/subscribe", OWNER, chat=GROUP)
    await play.fold_rules()
    await play.act(Migrate(user=OWNER, chat=GROUP, to=-10077))
    assert "1 of 50 rules" in await play.ask("/rules", OWNER, chat=-10077)
    assert "1 rule taken away" in await play.ask("/unsubscribe", OWNER, chat=-10077)


async def test_words_that_cannot_be_stored_break_nothing(play):
    await play.say("/mute x\x00\ud800 4h".encode("utf-8", "replace").decode())
    play.last["message"]["message_id"] += 1
    play.last["update_id"] += 1
    play.last["message"]["text"] = "/why a\x00b"
    assert (await play.again()).command == ("why", "wrong")
