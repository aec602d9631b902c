"""A newcomer's chat: from /start to the first alert in three messages, and on; everything is real but Telegram."""

from deploy.local.chat_cards import Note, Said
from deploy.local.chat_scenes import played
from deploy.local.sandbox.telegram_messages import Accepted


def keys(message: Accepted) -> list[list[str]]:
    return [[key["text"] for key in row] for row in message.keyboard]


async def test_from_start_to_the_first_alert_in_three_messages_and_on(tmp_path):
    found = await played(tmp_path)
    start = found["chat_start"]
    assert [one.text for one in start if isinstance(one, Said)] == ["/start", "/subscribe"]
    answers = [one for one in start if isinstance(one, Accepted)]
    assert len(answers) == 3
    lines = answers[2].text.splitlines()
    assert lines[:2] == ["SIMULATED: invented prices", "▲ STRONG BUY BTC-USDT-PERP (long)"]
    assert lines[-3].startswith("Data quality A; valid until ")
    assert lines[-2:] == ["Open the evidence", "Signal sig_9f2c07d1e4b85a6c3f10"]
    links = [one["url"] for one in answers[2].entities if one["type"] == "text_link"]
    assert links == ["https://csx.example.com/#signal=sig_9f2c07d1e4b85a6c3f10"]
    assert keys(answers[2]) == [["Evidence", "Chart", "Mute 4 h"], ["Useful", "Not useful"]]

    pressed, evidence, *_ = found["chat_evidence"]
    assert pressed == Note(text="presses Evidence")
    assert isinstance(evidence, Accepted)
    assert "+0.31 order flow" in evidence.text

    edited, told = found["chat_life"]
    assert isinstance(edited, Accepted)
    assert isinstance(told, Accepted)
    assert edited.message_id == answers[2].message_id
    head, *rest = edited.text.splitlines()
    assert head.startswith("TARGET ")
    assert head.endswith(": +1.52 R after fees")
    assert rest == lines  # what was told stays
    assert keys(edited) == keys(answers[2])
    assert told.text.splitlines()[:2] == ["SIMULATED: invented prices", head]

    digest = found["chat_wishes"][2]
    assert isinstance(digest, Accepted)
    assert sorted(digest.text.splitlines()[2:]) == ["▲ STRONG BUY SOL-USDT-PERP 15m", "▼ SELL ETH-USDT-PERP 15m"]
