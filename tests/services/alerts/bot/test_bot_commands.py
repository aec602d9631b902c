"""Every command, as its user would try it: what is said, and what is kept."""

import msgspec
import pytest

from libs.common.bus.codec import encode
from libs.common.conditions.templates import TEMPLATES
from libs.common.events import AlertRule, Barrier, LayerReading, Mark, Origin, Outcome, Severity, Timeframe
from services.alerts.bot import COMMANDS
from services.alerts.policy.access import Role

READER, OWNER, GROUP = 1001, 42, -77
S = 1_000_000_000
HOUR = 3600 * S


async def test_help_and_menu_come_from_the_registry(play):
    reader, owner = await play.ask("/help"), await play.ask("/help", OWNER)
    for one in COMMANDS:
        assert one.full in owner
        assert (one.full in reader) == (one.role < Role.OWNER), one.name
    await play.api.show(COMMANDS)
    (menu,) = play.fake.bot.menu.commands.values()
    assert [row["command"] for row in menu] == [one.name for one in COMMANDS if one.role < Role.OWNER]
    assert len({one.name for one in COMMANDS}) == len(COMMANDS)


async def test_no_command_breaks_on_what_stands_behind_it(play):
    play.make([str(READER)], (str(READER),))
    for one in COMMANDS:
        for args in ("", "x", "off", "<b>&amp;</b>", "a b c d e", "'; DROP TABLE alerts.outbox; --", "٤h", "9" * 300):
            done = await play.say(f"/{one.name} {args}")
            assert done.command is not None
            assert done.command[1] in {"done", "wrong"}, (one.name, args)
            assert await play.deliver() != []
    assert await play.pool.fetchval("SELECT count(*) FROM alerts.outbox WHERE state <> 'delivered'") == 0


async def test_from_start_to_a_rule(play):
    assert "hears of nothing yet" in await play.ask("/start")
    assert "From now on this chat hears of" in await play.ask("/subscribe")
    (rule,) = await play.fold_rules()
    assert rule == AlertRule(rule_id=rule.rule_id, recipient="1001", severity=Severity.WARNING)
    assert rule.rule_id.startswith("1001/")
    assert "hears of that already" in await play.ask("/subscribe")
    assert await play.fold_rules() == [rule]
    assert rule.rule_id.removeprefix("1001/") in await play.ask("/start")


async def test_what_was_said_counts_before_the_topic_has_it(play):
    await play.ask("/watch btc-usdt-perp")
    assert "hears of that already" in await play.ask("/subscribe BTC-USDT-PERP")
    assert "1 of 50 rules" in await play.ask("/rules")
    assert "1 rule taken away" in await play.ask("/unwatch BTC-USDT-PERP")
    assert "0 of 50 rules" in await play.ask("/rules")
    assert await play.fold_rules() == []
    await play.ask("/watch BTC-USDT-PERP")
    assert [rule.symbols for rule in await play.fold_rules()] == [("BTC-USDT-PERP",)]


@pytest.mark.parametrize(("text", "names"), [("storm", 3), ("price_spike", 1), ("WHALE", 3), ("cluster_mid", 1)])
async def test_templates(play, text, names):
    assert "From now on" in await play.ask(f"/subscribe {text}")
    rules = await play.fold_rules()
    assert len(rules) == names
    for rule in rules:
        template = TEMPLATES[rule.template]
        assert (rule.kind, rule.condition, rule.until, rule.for_s, rule.cooldown_s, rule.severity) == (
            template.kind, template.condition, template.until, template.for_s, template.cooldown_s, template.severity,
        )  # fmt: skip
    assert f"{names} rule" in await play.ask(f"/unsubscribe {text}")
    assert await play.fold_rules() == []


async def test_what_is_neither_template_nor_symbol_names_what_there_is(play):
    answer = await play.ask("/subscribe moon")
    assert "no template 'moon'" in answer
    assert "storm" in answer
    assert "storm_majors" not in answer
    assert "is no symbol" in await play.ask("/subscribe BTC-")


async def test_unsubscribe_takes_all(play):
    for wish in ("/subscribe", "/watch BTC-USDT", "/rules add score > 0.5"):
        await play.ask(wish)
    assert "3 rules taken away" in await play.ask("/unsubscribe")
    assert await play.fold_rules() == []
    assert "no such rule" in await play.ask("/unsubscribe")


async def test_rules_of_the_settings_are_told_and_stay(play):
    play.make([str(READER)], fixed=[AlertRule(rule_id="settings:1001", recipient="1001", min_score=0.3)])
    assert "settings" in await play.ask("/rules")
    assert "/pause" in await play.ask("/unsubscribe")


async def test_others_rules_are_not_ours(play):
    await play.ask("/watch BTC-USDT", OWNER)
    (rule,) = await play.fold_rules()
    assert "0 of 50" in await play.ask("/rules")
    assert "There is no rule" in await play.ask(f"/rules off {rule.rule_id}")
    assert "no such rule" in await play.ask("/unsubscribe")
    assert await play.fold_rules() == [rule]


async def test_at_most_fifty_rules(play):
    for number in range(50):
        await play.say(f"/rules add score > 0.{number + 100}")
    await play.deliver()
    assert "at most 50 rules" in await play.ask("/subscribe")
    assert "hears of that already" in await play.ask("/rules add score > 0.100")
    assert len(await play.fold_rules()) == 50


@pytest.mark.parametrize(
    ("text", "kind", "condition"),
    [
        ('abs_score >= 0.6 and regime == "trend"', "signal", 'abs_score >= 0.6 and regime == "trend"'),
        ("storm", "liquidation", "storm"),
        ("funding: abs(funding_bps_8h) >= 10", "funding", "abs(funding_bps_8h) >= 10"),
        ('METRIC: symbol == "BTC"', "metric", 'symbol == "BTC"'),
    ],
)
async def test_conditions_of_ones_own(play, text, kind, condition):
    answer = await play.ask(f"/rules add {text}")
    (rule,) = await play.fold_rules()
    assert (rule.kind, rule.condition, rule.severity) == (kind, condition, Severity.WARNING)
    short = rule.rule_id.removeprefix("1001/")
    assert short in answer
    assert "1 rule taken away" in await play.ask(f"/rules off {short}")
    assert await play.fold_rules() == []


@pytest.mark.parametrize(
    ("text", "place"),
    [("scoer > 0.5", "^^^^^"), ("score > > 1", "^"), ("funding: score > 1", "^^^^^"), ("score <b>", "^")],
)
async def test_a_wrong_condition_shows_where(play, text, place):
    await play.say(f"/rules add {text}")
    (message,) = await play.deliver()
    assert place in message.text
    shown = [entity for entity in message.entities if entity["type"] == "pre"]
    assert len(shown) == 1
    assert await play.fold_rules() == []


async def test_how_a_kind_is_told(play):
    assert "whale, any severity: silent" in await play.ask("/rules whale silent")
    assert "everything else, info: off" in await play.ask("/rules all off info")
    await play.ask("/rules whale digest")
    rows = await play.pool.fetch("SELECT kind, severity, mode FROM alerts.preferences ORDER BY kind")
    assert [tuple(row) for row in rows] == [("*", "info", "off"), ("whale", "*", "digest")]
    assert "whale, any severity: digest" in await play.ask("/rules")
    assert "One of on, silent, digest, off" in await play.ask("/rules whale loud")
    assert "/rules add" in await play.ask("/rules nonsense")


async def test_mutes(play):
    assert "symbol:BTC-USDT-PERP is muted until" in await play.ask("/mute btc-usdt-perp 4h")
    assert "layer:cvd is muted" in await play.ask("/mute CVD 30m")
    await play.ask("/mute 0123abcd 2d")
    rows = await play.pool.fetch("SELECT subject, until_ns FROM alerts.mutes ORDER BY until_ns")
    assert [row["subject"] for row in rows] == ["layer:cvd", "symbol:BTC-USDT-PERP", "rule:1001/0123abcd"]
    assert abs(rows[1]["until_ns"] - play.now - 4 * HOUR) < 60 * S
    assert "rule:1001/0123abcd" in await play.ask("/mutes")
    assert "told again" in await play.ask("/mute cvd off")
    assert "was not muted" in await play.ask("/mute cvd off")
    play.clock.advance(4 * 3600)
    assert "BTC" not in await play.ask("/mutes")
    assert "write 30m, 4h or 2d" in await play.ask("/mute BTC-USDT forever")
    assert "a layer is one of" in await play.ask("/mute nonsense 4h")


async def test_quiet_hours_and_digest(play):
    assert "Quiet from 22:00 to 07:00 in Asia/Jakarta" in await play.ask("/quiet 22:00-07:00 Asia/Jakarta")
    assert "at 08:00 in Asia/Jakarta" in await play.ask("/digest 08:00")
    row = await play.pool.fetchrow("SELECT quiet_from, quiet_to, zone, digest_minute FROM alerts.subscribers")
    assert tuple(row) == (1320, 420, "Asia/Jakarta", 480)
    assert "Quiet from 22:00" in await play.ask("/status")
    await play.ask("/quiet off")
    await play.ask("/digest off")
    row = await play.pool.fetchrow("SELECT quiet_from, quiet_to, zone, digest_minute FROM alerts.subscribers")
    assert tuple(row) == (None, None, "Asia/Jakarta", None)
    assert "write 22:00-07:00" in await play.ask("/quiet tonight")
    assert "write 08:00" in await play.ask("/digest soon")


async def test_the_settings_zone_is_everyones_first(play):
    play.make([str(READER)], zone="Europe/Berlin")
    assert "in Europe/Berlin" in await play.ask("/digest 08:00")
    assert "in Europe/Berlin" in await play.ask("/quiet 22:00-07:00")


async def test_pause_and_resume(play):
    assert "until you say otherwise" in await play.ask("/pause")
    assert "paused until you say otherwise" in await play.ask("/status")
    assert "come again" in await play.ask("/resume")
    assert await play.pool.fetchval("SELECT paused_until_ns FROM alerts.subscribers") == 0
    before = play.now
    assert "UTC" in await play.ask("/pause all 30m")
    assert await play.pool.fetchval("SELECT paused_until_ns FROM alerts.subscribers") == before + 1800 * S
    assert "symbol:1INCH-USDT is paused" in await play.ask("/pause 1inch-usdt")
    assert "told again" in await play.ask("/resume 1INCH-USDT")
    assert "no length of time" in await play.ask("/pause BTC-USDT soon")


async def test_pause_keeps_alerts_away_and_answers_not(play, make_entry):
    await play.ask("/pause")
    entry = make_entry("a", kind="signal", created_ns=play.now)
    assert await play.outbox.enqueue([entry], play.now) == 0
    assert "Alerts come again" in await play.ask("/resume")
    assert await play.outbox.enqueue([make_entry("b", created_ns=play.now)], play.now) == 1


async def test_status_knows_what_it_does_not_know(play):
    answer = await play.ask("/status")
    assert "Nothing is known of any venue's feed" in answer
    assert "No signal has been told yet" in answer
    assert "/start" in answer


async def facts(play, kind, symbol="BTC-USDT-PERP", venue="okx", origin="simulated", **values):
    await play.pool.execute(
        "INSERT INTO alerts.facts VALUES ($1, $2, $3, $4, $5, $6)",
        *(kind, venue, symbol, play.now - 90 * S, origin, msgspec.json.encode(values).decode()),
    )


async def test_status_of_feeds(play):
    await facts(play, "feed", "*", grade="b", coverage_min=0.987, open_gaps=2.0, clock_offset_s=-0.012)
    await facts(play, "feed", "*", "binance-usdm", "live")
    answer = await play.ask("/status")
    assert "SIMULATED" in answer
    assert "okx: grade B, coverage 98.7%, 2 open gaps, clock -0.012 s; as of 1 min 30 s ago" in answer
    assert "binance-usdm: no grade; as of" in answer
    await play.say("/status table")
    (message,) = await play.deliver()
    table = next(entity for entity in message.entities if entity["type"] == "pre")
    rows = message.text[table["offset"] : table["offset"] + table["length"]].splitlines()
    assert len(rows) == 3
    assert all(len(row) <= 40 for row in rows)


async def outcome(play, name, barrier, r=None, days=1, origin=Origin.LIVE, symbol="BTC-USDT-PERP"):
    one = Outcome(
        signal_id=name, timeframe=Timeframe.H1, resolved_ns=play.now - days * 86_400 * S, barrier=barrier,
        r_multiple=r, mfe=None, mae=None, venue="okx", symbol=symbol, origin=origin,
    )  # fmt: skip
    await play.pool.execute("INSERT INTO alerts.outcomes VALUES ($1, $2, $3)", name, one.resolved_ns, encode(one))


async def test_record(play):
    assert "nothing to count" in await play.ask("/record")
    for name, barrier, r in (("a", "target", 1.5), ("b", "stop", -1.0), ("c", "unresolved", None), ("d", "target", 1)):
        await outcome(play, name, Barrier(barrier), r)
    await outcome(play, "old", Barrier.STOP, -1.0, days=8)
    await outcome(play, "sim", Barrier.STOP, origin=Origin.SIMULATED, symbol="X<Y-USDT")
    answer = await play.ask("/record")
    live, simulated = answer.split("SIMULATED")
    assert "Hit rate 66.7 % [20.8 % to 93.9 %] (Wilson, 95 %), n = 3" in live  # by hand: 2 of 3
    assert "Mean R +0.500, n = 3" in live
    assert "Coverage 75.0 %: 3 resolved of 4" in live
    assert "Hit rate 0.0 % [0.0 % to 79.3 %] (Wilson, 95 %), n = 1" in simulated
    assert "Mean R: none" in simulated
    assert "Brier score: not computed" in answer
    assert "n = 4" in await play.ask("/record 30d")
    assert "write 30m, 4h or 2d" in await play.ask("/record always")


async def test_why_and_raw(play, make_entry):
    await play.alert(make_entry)
    answer = await play.ask("/why s1")
    assert "SIMULATED" in answer
    assert "+0.21 volume delta (cvd): speaks for it; score +0.70" in answer
    assert "delta_coins 12.5, diverges yes" in answer
    assert "-0.08 market structure (smc): speaks against it" in answer
    assert "Wrong if: a close below <95>" in answer
    await play.say("/raw s1")
    (message,) = await play.deliver()
    document = msgspec.json.decode(play.fake.bot.files[message.document.file_id])
    assert document["signal"]["signal_id"] == "s1"
    assert (message.document.name, "SIMULATED" in message.text) == ("s1.json", True)
    assert "is not known" in await play.ask("/why s2")
    assert "is not known" in await play.ask(f"/raw {'x' * 600}")
    assert "Which signal?" in await play.ask("/why")


@pytest.mark.parametrize("command", ["liq", "whale", "sentiment", "heat", "levels"])
async def test_what_is_not_known_is_said_to_be_unknown(play, command):
    assert "Nothing is known about any market" in await play.ask(f"/{command}")
    assert "Nothing is known about DOGE" in await play.ask(f"/{command} doge")
    assert "is no symbol" in await play.ask(f"/{command} a-b-c-d")


async def test_liquidations_and_whales(play):
    await facts(play, "liquidation", liq_usd_30s=1_234_567.0, liq_dominance_30s=0.75, storm=True, symbol_="x")
    await facts(play, "whale", "ETH-USDT-PERP", "bybit", "live", print_usd=2e6, print_side="buy")
    answer = await play.ask("/liq btc")
    assert "SIMULATED" in answer
    assert "BTC-USDT-PERP okx, as of 2025-12-31 23:58" in answer
    assert "liquidated within 30 s: 1,234,567 USD" in answer
    assert "yes" in answer
    assert "Nothing is known about ETH-USDT" in await play.ask("/liq ETH-USDT")
    answer = await play.ask("/whale ETH-USDT-PERP")
    assert "one large trade: 2,000,000 USD" in answer
    assert "SIMULATED" not in answer


async def test_sentiment_is_moods_alone(play):
    await facts(play, "metric", "*", "alternative_me", fear_greed=22.0, market_cap=1e12)
    await facts(play, "metric", "BTC-USDT", "coinglass", etf_flow=5.0)
    answer = await play.ask("/sentiment")
    assert "0 extreme fear, 100 extreme greed: 22" in answer
    assert "coinglass" not in answer
    assert "1,000,000" not in answer


async def test_heat_and_levels(play):
    mark = Mark(kind="bid_wall", low=90.0, high=91.5, side=1, strength=0.8, formed_ns=0, known_ns=0, state="MODEL")
    for layer, timeframe, marks in (("liquidity", None, (mark,)), ("smc", Timeframe.H1, ())):
        one = LayerReading(
            venue="okx", symbol="BTC-USDT-PERP", layer=layer, timeframe=timeframe, as_of_ns=play.now, score=0.0,
            confidence=0.5, marks=marks, origin=Origin.RECORDED,
        )  # fmt: skip
        row = ("okx", "BTC-USDT-PERP", timeframe or "", layer, play.now, encode(one))
        await play.pool.execute("INSERT INTO alerts.readings VALUES ($1, $2, $3, $4, $5, $6)", *row)
    heat, levels = await play.ask("/heat"), await play.ask("/levels BTC")
    assert "90 to 91.5 bid wall, support, strength 80.0 %, MODEL" in heat
    assert "RECORDED" in heat
    assert "smc" not in heat
    assert "smc, 1h bars" in levels
    assert "names no price now" in levels
    assert "bid wall" not in levels


async def test_a_long_answer_comes_in_parts_in_order(play):
    for number in range(45):
        await play.say(f'/rules add abs_score >= 0.{number + 100} and symbol != "{"X" * 60}"')
    await play.deliver()
    await play.say("/rules")
    parts = await play.deliver()
    assert len(parts) > 1
    ids = [line.split()[0] for part in parts for line in part.text.splitlines() if " signal" in line]
    assert len(ids) == 45
    assert ids == sorted(ids)
