"""Any text arrives: every part passes the strict fake's parser, and together they show what was written."""

import html
from html.parser import HTMLParser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deploy.local.sandbox.telegram_entities import parse_html, utf16
from services.alerts.policy.markup import Piece, bold, code, data, join, lines
from services.alerts.policy.split import split

FAMILY = "👨\u200d👩\u200d👧\u200d👦"
ENGLAND = "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
HARD = st.sampled_from([
    *"<>&\"'/_*`[]()~#+-=|{}.!\n\n\n ",
    "&amp;", "&#39;", "<b>", "</b>", "😀", FAMILY, ENGLAND, "🇮🇩", "👍🏽", "e\u0301", "ä", "龙", "ﷺ", "\u200f", "\t",
    "word ",
])  # fmt: skip
TEXTS = st.one_of(
    st.lists(st.one_of(HARD, st.characters(codec="utf-8")), max_size=400).map("".join),
    st.tuples(HARD, st.integers(1, 5000)).map(lambda pair: (pair[0] * pair[1])[:5000]),
    st.lists(st.text("abc \n😀", min_size=1, max_size=30), min_size=200, max_size=200).map("".join),
)


def plain(text: str) -> Piece:
    return Piece(html.escape(text, quote=True), text)


class Styles(HTMLParser):
    """The standard library's reading: each visible character with the tags around it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.shown: list[tuple[str, tuple[str, ...]]] = []

    def handle_starttag(self, tag, attrs):
        self.open.append(f"{tag} {attrs}")

    def handle_endtag(self, tag):
        assert self.open.pop().startswith(f"{tag} ")

    def handle_data(self, data):
        self.shown += [(one, tuple(self.open)) for one in data if not one.isspace()]


def styles(source: str) -> list[tuple[str, tuple[str, ...]]]:
    reader = Styles()
    reader.feed(source)
    reader.close()
    assert reader.open == []
    return reader.shown


def assert_arrives(text: str, parts: list[Piece], limit: int = 4096) -> None:
    """Each part is accepted, and joined they are the text; blanks go only where parts meet."""
    rest = text
    for part in parts:
        shown, entities = parse_html(part.html)
        assert shown == part.text
        assert shown.strip() != ""
        assert utf16(shown) <= limit
        assert len(entities) <= 100
        rest = rest.lstrip()
        assert rest.startswith(shown.strip())
        rest = rest[len(shown.strip()) :]
    assert rest.strip() == ""


@settings(max_examples=150, deadline=None)
@given(TEXTS)
@example("<" * 5000)
@example("😀" * 2500)
@example(FAMILY * 700)
@example("\u0301" * 5000)
@example("x\n" * 2500)
@example("")
def test_any_text_arrives_unchanged(text):
    assert_arrives(text, split(plain(text)))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["", "b", "code", "i", "a"]), TEXTS), max_size=8), st.integers(2, 300))
def test_marked_text_keeps_its_marks(runs, limit):
    marks = {"a": '<a href="https://host/signals/1?a=1&amp;b=2">'}
    source = "".join(
        f"{marks.get(tag, f'<{tag}>')}{html.escape(text)}</{tag}>" if tag else html.escape(text) for tag, text in runs
    )
    text = "".join(text for _, text in runs)
    parts = split(Piece(source, text), limit)
    assert_arrives(text, parts, limit)
    assert [one for part in parts for one in styles(part.html)] == styles(source)


@settings(max_examples=100, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=40))
def test_what_our_wording_makes_of_foreign_text_arrives(texts):
    piece = lines([join("Wrong if: ", bold(data(text, 2000)), " ", code(data(text, 500))) for text in texts])
    assert_arrives(piece.text, split(piece))


def test_what_fits_is_left_alone():
    piece = Piece("<b>" + "&amp;" * 4096 + "</b>", "&" * 4096)
    assert split(piece) == [piece]


def test_cuts_are_at_line_ends():
    rows = [f"line {number} " + "x" * 90 for number in range(100)]
    parts = split(plain("\n".join(rows)))
    assert [row for part in parts for row in part.text.split("\n")] == rows
    assert len(parts) == 3  # 100 lines of 98 or 99: 41, 41 and the rest


def test_without_line_ends_words_stay_whole():
    words = [f"word{number}" for number in range(1000)]
    assert [word for part in split(plain(" ".join(words))) for word in part.text.split(" ")] == words


def test_open_tags_are_closed_and_opened_again():
    piece = Piece('<b>1234 <a href="https://h/?a=1&amp;b=2">5678 9</a></b> 0', "1234 5678 9 0")
    assert [part.html for part in split(piece, 5)] == [
        "<b>1234</b>",
        '<b><a href="https://h/?a=1&amp;b=2">5678</a></b>',
        '<b><a href="https://h/?a=1&amp;b=2">9</a></b> 0',
    ]


def test_at_most_a_hundred_entities_each():
    piece = Piece("\n".join(f"<b>{number}</b>" for number in range(250)), "\n".join(map(str, range(250))))
    assert [len(parse_html(part.html)[1]) for part in split(piece)] == [100, 100, 50]


@pytest.mark.parametrize("cluster", [FAMILY, ENGLAND, "🇮🇩", "👍🏽", "e\u0301\u0323", "❤️"])
def test_what_readers_see_as_one_character_stays_one(cluster):
    for lead in range(4):
        parts = split(plain("x" * lead + cluster * 100), 31)
        assert "".join(part.text for part in parts) == "x" * lead + cluster * 100
        assert all(part.text.lstrip("x").replace(cluster, "") == "" for part in parts)


def test_a_cluster_longer_than_a_message_is_cut_all_the_same():
    assert [len(part.text) for part in split(plain("e" + "\u0301" * 10), 4)] == [4, 4, 3]


@pytest.mark.parametrize(
    "broken", ["<b>a < b", "<b>x</i>", "x</b>", "<h1>x</h1>", "<", "<b>" * 101 + "x" + "</b>" * 101]
)
def test_broken_markup_goes_as_plain_words(broken):
    assert split(Piece(broken, "a < b")) == [Piece("a &lt; b", "a < b")]


@pytest.mark.parametrize("blank", ["", " \n ", "<b> </b>"])
def test_nothing_to_read_is_no_message(blank):
    assert split(Piece(blank, blank)) == []
