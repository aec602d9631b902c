"""The page in a browser: what layers read from ticks and from the chosen bars, and the prices that they speak of."""

import re

import pytest

from libs.common.events import Mark, Timeframe

pytestmark = pytest.mark.browser


def _fold(make):
    model = make.mark("liquidation_model_long", 59_000.0, 59_100.0, state="MODEL", side=0)
    smc = make.mark("order_block", 59_800.0, 59_900.0)
    far = make.mark("previous_day_low", 58_000.0, 58_000.0)
    return (
        make.trade(60_000.0),
        make.snapshot(10),
        *(make.candle(open_ns=make.NOON - number * make.MINUTE, close=59_500.0 + number) for number in range(5, 0, -1)),
        make.reading("cvd", 0.11, facts={"rolling_buy_share": 0.61, "horizon_s": 300.0}),
        make.reading("cvd", 0.22, timeframe=Timeframe.M1),
        make.reading("cvd", -0.33, timeframe=Timeframe.M5),
        make.reading("smc", 0.44, timeframe=Timeframe.M1, marks=(smc, far)),
        make.reading("smc", 0.55, timeframe=Timeframe.M5, marks=(make.mark("equal_lows", 59_950.0, 59_950.0),)),
        make.reading("liquidity", 0.0, marks=(model,), facts={"cause": "no_book"}, confidence=0.0),
        make.reading("timeframes", 0.1, timeframe=Timeframe.M5),
    )


@pytest.fixture
async def page(gateway, address, chromium, make):
    """The page, signed in; it fails when the browser had anything to complain of."""
    await gateway.fold(*_fold(make))
    page = await chromium.new_page()
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    await page.goto(f"http://{address}/#key={gateway.key}")
    yield page
    await page.close()
    assert faults == []


async def test_each_layer_shows_its_ticks_and_the_chosen_bars_or_says_what_it_lacks(page):
    from playwright.async_api import expect

    await expect(page.get_by_test_id("origin-badge")).to_have_text("SIMULATED")
    await expect(page.get_by_test_id("reading-cvd")).to_contain_text("+0.11")
    await expect(page.get_by_test_id("reading-cvd")).to_contain_text("takers bought 61 % of the last 5 min")
    await expect(page.get_by_test_id("reading-cvd-1m")).to_contain_text("+0.22")
    await expect(page.get_by_test_id("reading-smc")).to_contain_text("+0.44")
    await expect(page.get_by_test_id("reading-liquidity")).to_contain_text(re.compile("no book.*abstains"))
    await expect(page.get_by_test_id("reading-timeframes")).to_contain_text("no bar of 1m read yet; it read 5m")
    await page.get_by_role("button", name="5m", exact=True).click()
    await expect(page.get_by_test_id("reading-cvd")).to_contain_text("+0.11")
    await expect(page.get_by_test_id("reading-cvd-5m")).to_contain_text("-0.33")
    await expect(page.get_by_test_id("reading-smc")).to_contain_text("+0.55")
    await expect(page.get_by_test_id("reading-cvd-1m")).to_have_count(0)
    await page.get_by_role("button", name="1m", exact=True).click()
    await expect(page.get_by_test_id("reading-smc")).to_contain_text("+0.44")


async def test_marks_stand_by_distance_from_the_price_and_what_is_assumed_says_model(page, gateway, make):
    from playwright.async_api import expect

    rows = page.get_by_test_id("marks").locator("tbody tr")
    await expect(rows).to_have_text(
        [
            re.compile(r"order block.*supports · fresh · Smart money 1m.*59,800\.0 . 59,900\.0.*-0\.17 %"),
            re.compile(r"liquidation model long.*MODEL.*neither · Liquidity ticks.*59,000\.0 . 59,100\.0.*-1\.50 %"),
            re.compile(r"previous day low.*supports · fresh.*58,000\.0.*-3\.33 %"),
        ]
    )
    above = Mark(kind="ask_wall", low=60_001.0, high=60_001.0, side=-1, strength=1.0, formed_ns=1, known_ns=1)
    await gateway.fold(make.reading("liquidity", -0.2, marks=(above,)))
    await expect(rows.first).to_have_text(re.compile(r"ask wall.*resists · Liquidity ticks.*60,001\.0.*\+0\.00 %"))
    await expect(page.get_by_text("MODEL", exact=True)).to_have_count(0)  # gone with the reading that said it


async def test_a_link_to_a_signal_opens_its_evidence_and_a_second_one_in_the_same_tab_too(page, gateway, address, make):
    from playwright.async_api import expect

    first, second = make.signal(1), make.signal(2, symbol="ETH-USDT-PERP")
    await gateway.fold(first, second)
    await page.goto("about:blank")
    await page.goto(f"http://{address}/#key={gateway.key}&signal={first.signal_id}")
    await expect(page.get_by_role("heading", name=re.compile("^Evidence: .* BTC-USDT-PERP"))).to_be_visible()
    assert page.url == f"http://{address}/#signal={first.signal_id}"
    await page.goto(f"http://{address}/#signal={second.signal_id}")
    await expect(page.get_by_role("heading", name=re.compile("^Evidence: .* ETH-USDT-PERP"))).to_be_visible()


async def test_a_signal_shows_its_judges_word_when_that_comes_whichever_comes_first(page, gateway, make):
    from playwright.async_api import expect

    rows = page.get_by_test_id("signals").locator("tbody tr")
    await expect(page.get_by_test_id("origin-badge")).to_have_text("SIMULATED")
    judged = make.signal(1)
    await gateway.fold(judged)
    await expect(rows.first).to_contain_text("not yet")
    await gateway.fold(make.verdict(judged))
    await expect(rows.first).to_contain_text("published · rules")
    await expect(rows).to_have_count(1)
    overtaken = make.signal(2, at=make.NOON + make.MINUTE)
    await gateway.fold(make.verdict(overtaken), overtaken)
    await expect(rows).to_have_count(2)
    await expect(rows.first).to_contain_text("published · rules")
    await page.reload()  # from the store, and not from the stream
    await expect(rows).to_have_text([re.compile("published"), re.compile("published")])
