"""Rules in PostgreSQL, and what a verdict becomes under them."""

import pytest

from libs.common.events import AlertRule, Decision, Direction, Label, Signal, Timeframe, Verdict
from services.alerts.admission import admit
from services.alerts.rules import Rules


def verdict(symbol: str = "BTC-USDT", signal_id: str = "s1") -> Verdict:
    signal = Signal(
        venue="okx",
        symbol=symbol,
        signal_id=signal_id,
        timeframe=Timeframe.M5,
        as_of_ns=0,
        known_at_ns=0,
        direction=Direction.LONG,
        label=Label.BUY,
        score=0.5,
        confidence=0.5,
        price=1.0,
        contributions=(),
    )
    return Verdict(
        venue="okx", symbol=symbol, signal=signal, decision=Decision.PUBLISH, rationale="", judge="rules", decided_ns=0
    )


async def test_the_newest_word_on_each_rule_holds_in_every_process(pool):
    fixed = AlertRule(rule_id="settings:9", recipient="9")
    first, second = AlertRule(rule_id="a", recipient="1"), AlertRule(rule_id="b", recipient="2")
    writer, reader = Rules(pool), Rules(pool, [fixed])
    assert await reader.now() == [fixed]
    await writer.change([second, first])
    assert await reader.now() == [fixed, first, second]
    changed = AlertRule(rule_id="a", recipient="3")
    await writer.change([changed, AlertRule(rule_id="b", recipient="2", deleted=True)])
    assert await reader.now() == [fixed, changed]
    assert await reader.now() == [fixed, changed]
    await writer.change([])
    assert await Rules(pool).now() == [changed]


def test_one_entry_for_each_rule_that_wants_the_verdict():
    rules = [
        AlertRule(rule_id="a", recipient="1", cooldown_s=60),
        AlertRule(rule_id="b", recipient="2", symbols=("ETH-USDT",)),
        AlertRule(rule_id="c", recipient="3"),
    ]
    entries = admit(verdict(), rules, 7, feeds={})
    assert [(entry.alert.rule_id, entry.alert.recipient, entry.cooldown_s) for entry in entries] == [
        ("a", "1", 60),
        ("c", "3", 0),
    ]
    assert entries[0].alert.created_ns == 7
    assert (entries[0].venue, entries[0].symbol, entries[0].timeframe) == ("okx", "BTC-USDT", "5m")


@pytest.mark.parametrize("said", [verdict(symbol="a\x00b"), verdict(signal_id="a\x00b"), verdict(symbol="\ud800")])
def test_text_that_postgresql_cannot_store_is_refused(said):
    with pytest.raises(ValueError, match=r"NUL|surrogates"):
        admit(said, [AlertRule(rule_id="a", recipient="1")], 0, feeds={})
