"""Digests: the words by hand, and any alerts within Telegram's limits through the fake's own parser."""

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from deploy.local.sandbox.telegram_entities import parse_html
from libs.common.events import MINUTE_NS, Origin, Severity
from services.alerts.policy.digest import LINES, Told, compose
from services.alerts.policy.markup import MESSAGE_UNITS, units

NOON = 1_790_683_200_000_000_000  # 2026-09-29 12:00 UTC


def told(headline: str, minutes: int, severity: Severity = Severity.WARNING, **changes) -> Told:
    fields = {
        "kind": "signal",
        "headline": headline,
        "severity": severity,
        "origin": Origin.LIVE,
        "created_ns": NOON + minutes * MINUTE_NS,
        "valid_until_ns": NOON + 600 * MINUTE_NS,
        "missed": False,
    }
    return Told(**{**fields, **changes})


def test_the_words():
    alerts = [
        told("▲ BUY BTC-USDT 15m", 0),
        told("▲ BUY BTC-USDT 15m", 15),
        told("▼ SELL <ETH> 1h", 20),
        told("storm: BTC-USDT-PERP", 5, Severity.CRITICAL, kind="liquidation"),
        told("old", 1, valid_until_ns=NOON + 2 * MINUTE_NS),
        told("lost", 2, kind="open_interest", missed=True),
    ]
    words = compose(alerts, NOON + 30 * MINUTE_NS, "Asia/Jakarta")
    assert words.html.split("\n") == [
        "<b>Digest: 6 alerts</b>, 19:00 to 19:20 (Asia/Jakarta)",
        "storm: BTC-USDT-PERP",
        "▼ SELL &lt;ETH&gt; 1h",
        "▲ BUY BTC-USDT 15m x2",
        "Over by now: 1 signal",
        "Could not be sent in time: 1 open interest",
    ]
    assert "▼ SELL <ETH> 1h" in words.text


def test_a_long_one_counts_what_it_does_not_quote():
    words = compose([told(f"n{number}", number % 60) for number in range(500)], NOON + 60 * MINUTE_NS, "UTC")
    rows = words.text.split("\n")
    assert len(rows) == LINES + 2
    assert rows[-1] == "and 475 more"


def test_what_is_invented_says_so_first():
    alerts = [told("a", 0), told("b", 1, origin=Origin.SIMULATED)]
    assert compose(alerts, NOON + 2 * MINUTE_NS, "UTC").text.startswith("SIMULATED: invented prices\n")


def test_yesterday_is_told_with_its_date():
    words = compose([told("a", -24 * 60), told("b", 0)], NOON, "UTC")
    assert words.text.split("\n")[0] == "Digest: 2 alerts, 2026-09-28 12:00 to 12:00 (UTC)"


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)


@given(
    st.lists(
        st.builds(
            told,
            st.text(max_size=300),
            st.integers(-5_000, 5_000),
            st.sampled_from(Severity),
            kind=st.sampled_from(["signal", "whale", "a<b>"]),
            origin=st.sampled_from(Origin),
            missed=st.booleans(),
            valid_until_ns=st.integers(NOON - 10**15, NOON + 10**15),
        ),
        min_size=1,
        max_size=60,
    )
)
def test_any_alerts_fit_and_nothing_foreign_becomes_markup(alerts):
    words = compose(alerts, NOON, "America/New_York")
    assert units(words.html) <= MESSAGE_UNITS
    tags = _Tags()
    tags.feed(words.html)
    assert set(tags.tags) == {"b"}
    plain, _ = parse_html(words.html)
    assert plain == words.text
