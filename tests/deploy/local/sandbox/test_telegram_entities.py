"""The fake's reading of HTML, against the Bot API's documented style and the real parser's error messages."""

from typing import Any

import pytest

from deploy.local.sandbox.telegram_entities import EntityError, parse_html, utf16


def entity(kind: str, offset: int, length: int, **extra: str) -> dict[str, Any]:
    return {"type": kind, "offset": offset, "length": length, **extra}


@pytest.mark.parametrize(
    ("source", "text", "entities"),
    [
        # the examples of core.telegram.org/bots/api#html-style
        ("<b>bold</b>, <strong>bold</strong>", "bold, bold", [entity("bold", 0, 4), entity("bold", 6, 4)]),
        ("<i>italic</i>, <em>italic</em>", "italic, italic", [entity("italic", 0, 6), entity("italic", 8, 6)]),
        ("<u>underline</u>, <ins>x</ins>", "underline, x", [entity("underline", 0, 9), entity("underline", 11, 1)]),
        ("<s>a</s><strike>b</strike><del>c</del>", "abc", [entity("strikethrough", n, 1) for n in range(3)]),
        ("<tg-spoiler>spoiler</tg-spoiler>", "spoiler", [entity("spoiler", 0, 7)]),
        (
            "<b>bold <i>italic bold</i> bold</b>",
            "bold italic bold bold",
            [entity("bold", 0, 21), entity("italic", 5, 11)],
        ),
        (
            '<a href="http://www.example.com/">inline URL</a>',
            "inline URL",
            [entity("text_link", 0, 10, url="http://www.example.com/")],
        ),
        ("<code>fixed</code><pre>block</pre>", "fixedblock", [entity("code", 0, 5), entity("pre", 5, 5)]),
        ("<blockquote expandable>quote</blockquote>", "quote", [entity("blockquote", 0, 5)]),
        # four names are known and every number; other names stay as they are
        ("&lt;b&gt; &amp; &quot; &nbsp; &#39; &#x1F600;", "<b> & \" &nbsp; ' 😀", []),
        ("a & b > c", "a & b > c", []),
        ("😀<b>x</b>", "😀x", [entity("bold", 2, 1)]),  # offsets in UTF-16 units
        ("<B>x</B>", "x", [entity("bold", 0, 1)]),
        ("<b></b>x", "x", []),
    ],
)
def test_what_telegram_takes(source, text, entities):
    assert parse_html(source) == (text, entities)


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("x <b>bold", 'Can\'t find end tag corresponding to start tag "b"'),
        ("<b>bold</i>", 'Unmatched end tag at byte offset 7, expected "</b>", found "</i>"'),
        ("<b><i>x</b></i>", 'Unmatched end tag at byte offset 7, expected "</i>", found "</b>"'),
        ("x</b>", "Unexpected end tag at byte offset 1"),
        ("ä <h1>x</h1>", 'Unsupported start tag "h1" at byte offset 3'),
        ("<script>x</script>", 'Unsupported start tag "script" at byte offset 0'),
        ("price < 5", "Unclosed start tag at byte offset 6"),
        ("x < y > z", 'Unsupported start tag "" at byte offset 2'),
        ("<b", "Unclosed start tag at byte offset 0"),
        ("<b>x</b", "Unclosed end tag at byte offset 4"),
        ('<a ="x">y</a>', 'Empty attribute name in the tag "a" at byte offset 0'),
    ],
)
def test_what_telegram_refuses(source, error):
    with pytest.raises(EntityError) as caught:
        parse_html(source)
    assert str(caught.value) == error


def test_only_a_hundred_entities_are_honoured():
    assert len(parse_html("<b>x</b> " * 120)[1]) == 100


def test_units_are_utf16():
    assert utf16("aä😀") == 4
