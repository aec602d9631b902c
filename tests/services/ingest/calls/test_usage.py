"""REST limits: what was spent, what venues say of it, and what others leave to us."""

import logging

import httpx
import msgspec
import pytest

from services.ingest.calls.budget import Budget
from services.ingest.calls.rest import RestError
from services.ingest.calls.usage import LEAST_PACE, Neighbours, Said, Spent, said_by
from services.ingest.venues.terms import Request


def test_spent_is_the_weight_of_the_last_sixty_seconds() -> None:
    spent = Spent()
    for now_s, weight in ((0.0, 5), (0.9, 2), (30.0, 10), (59.9, 1)):
        spent.add(weight, now_s)
    assert spent.total(59.99) == 18
    assert spent.total(60.0) == 11  # the first second is a minute ago
    assert spent.total(90.0) == 1
    assert spent.total(1e6) == 0


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        # binance-spot-api-docs, rest-api: "X-MBX-USED-WEIGHT-(intervalNum)(intervalLetter)"
        ({"X-MBX-USED-WEIGHT": "25", "X-MBX-USED-WEIGHT-1M": "25"}, Said(25.0, of_minute=True)),
        # Bybit v5, rate limit: 20 a second, 18 left
        ({"X-Bapi-Limit": "20", "X-Bapi-Limit-Status": "18"}, Said(2.0, of_minute=False)),
        ({"X-Bapi-Limit-Status": "18"}, None),
        ({"X-MBX-USED-WEIGHT-1M": "lots"}, None),
        ({"Content-Type": "application/json"}, None),
    ],
)
def test_headers_say_what_was_used(headers: dict[str, str], said: Said | None) -> None:
    assert said_by(httpx.Headers(headers)) == said


def test_what_others_spend_beyond_their_half_is_taken_off_ours() -> None:
    neighbours = Neighbours(1200)  # so that the venue's limit is at least 2400
    assert neighbours.pace(0.0) == 1.0
    neighbours.hear(1500, ours=300, now_s=10.0)  # others 1200: exactly their half
    assert neighbours.pace(10.0) == 1.0
    neighbours.hear(2100, ours=300, now_s=11.0)  # others 1800: 600 are left of 2400
    assert neighbours.pace(11.0) == 0.5
    assert neighbours.weight(11.0) == 2100
    neighbours.hear(9000, ours=0, now_s=12.0)
    assert neighbours.pace(12.0) == LEAST_PACE
    assert neighbours.pace(72.0) == 1.0  # its minute is over
    assert neighbours.weight(72.0) is None
    neighbours.hear(100, ours=300, now_s=80.0)  # the venue's minute has just begun: nobody else is there
    assert neighbours.pace(80.0) == 1.0


def test_a_budget_slows_down_for_neighbours_and_counts_its_use() -> None:
    now = [1000.0]
    budget = Budget(600, clock=lambda: now[0])  # 10 a second, 20 at once
    assert budget.spend(20) == 0.0
    assert budget.used == pytest.approx(20 / 600)
    assert budget.spend(10) == pytest.approx(1.0)
    budget.hear(20 + 900)  # others spent 900 of 1200: 300 of our 600 are left
    assert budget.pace == 0.5
    assert budget.spend(10) == pytest.approx(2.0)
    now[0] += 2.0
    assert budget.spend(10) == 0.0
    assert budget.used == pytest.approx(30 / 600)
    assert budget.venue_weight == 920


async def test_rest_tells_its_use_and_says_once_that_others_spend_the_limit(rest_of, caplog) -> None:
    caplog.set_level(logging.INFO)
    said = ["200", "2000", "2000", "5"]

    def answer(path: str) -> httpx.Response:
        return httpx.Response(200, content=b"[]", headers={"X-MBX-USED-WEIGHT-1M": said.pop(0)})

    rest = rest_of(answer, weight_per_minute=1000)
    assert msgspec.structs.asdict(rest.usage) == {
        "budget_used": 0.0,
        "pace": 1.0,
        "venue_weight": None,
        "paused_s": 0.0,
        "in_flight": 0,
        "waiting": 0,
    }
    await rest.fetch(Request(url="http://rest/a", weight=2))
    assert (rest.usage.venue_weight, rest.usage.pace, rest.usage.budget_used) == (200, 1.0, 0.002)
    for path in "bc":
        await rest.fetch(Request(url=f"http://rest/{path}", weight=1))
    assert rest.usage.pace < 0.01 + 4 / 1000 + LEAST_PACE
    assert caplog.text.count("others spend the venue's REST limit") == 1
    await rest.fetch(Request(url="http://rest/d", weight=1))
    assert rest.usage.pace == 1.0
    assert "calls go at full pace" in caplog.text


async def test_a_ban_is_a_pause_that_usage_tells(rest_of) -> None:
    rest = rest_of(lambda path: httpx.Response(403), bans={403: 600.0})
    with pytest.raises(RestError, match="403"):
        await rest.fetch(Request(url="http://rest/a"))
    assert 590 < rest.usage.paused_s <= 600


async def test_a_timed_call_is_one_try_that_nobody_shares(rest_of) -> None:
    asked: list[str] = []

    def answer(path: str) -> httpx.Response:
        asked.append(path)
        return httpx.Response(200 if len(asked) < 3 else 500, content=b"now")

    rest = rest_of(answer)
    first = await rest.timed(Request(url="http://rest/time"))
    second = await rest.timed(Request(url="http://rest/time"))
    assert (first.body, len(asked)) == (b"now", 2)
    assert second.sent_ns >= first.sent_ns + first.took_ns - 1_000_000
    with pytest.raises(RestError, match="500"):
        await rest.timed(Request(url="http://rest/time"))
    assert len(asked) == 3
    assert rest.usage.in_flight == 0
