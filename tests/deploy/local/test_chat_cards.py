"""Chats as pages: what stands in them, escaped, with the marks that Telegram shows."""

from deploy.local.chat_cards import Note, Said, formatted, page
from deploy.local.sandbox.telegram_entities import parse_html
from deploy.local.sandbox.telegram_messages import Accepted


def told(source: str, **changes):
    text, entities = parse_html(source)
    return Accepted(message_id=1, chat_id=5, at_s=0.0, date=0, text=text, entities=entities, **changes)


def test_entities_become_tags_and_text_stays_text():
    text, entities = parse_html(
        '😀 <b>▲ BUY &lt;x&gt; (long)</b>, <code>sig_1</code>: <a href="https://h">open</a> /why'
    )
    assert formatted(text, entities) == (
        "😀 <b>▲ BUY &lt;x&gt; (long)</b>, <code>sig_1</code>: <a>open</a> <a>/why</a>"
    )


def test_what_is_code_is_no_command():
    text, entities = parse_html("<code>/rules add</code> or <pre>/x &amp; y</pre>, 1/2, https://h/path")
    assert formatted(text, entities) == "<code>/rules add</code> or <pre>/x &amp; y</pre>, 1/2, https://h/path"


def test_nested_entities():
    text, entities = parse_html("<b>a <code>b</code></b>")
    assert formatted(text, entities) == "<b>a </b><b><code>b</code></b>"


def test_a_page_shows_both_sides_marks_and_buttons():
    keyboard = [[{"text": "Evidence", "callback_data": "x"}, {"text": "<Chart>", "callback_data": "y"}]]
    shown = page(
        [
            Said(text="/start <", at_s=3_600),
            Note(text="presses Useful"),
            told("hi", silent=True, keyboard=keyboard, edits=1),
        ]
    )
    assert '<div class="said"><a>/start</a> &lt;<span class="at">01:00</span></div>' in shown
    assert '<div class="note">presses Useful</div>' in shown
    assert '<div class="words">hi<span class="at">silent · edited 00:00</span></div>' in shown
    assert '<div class="row"><div class="key">Evidence</div><div class="key">&lt;Chart&gt;</div></div>' in shown
