"""REST behaviour under limits, bans, failures and equal wishes."""

import asyncio

import httpx
import pytest

from libs.common.runtime.backoff import Backoff
from libs.common.runtime.clock import monotonic_s
from services.ingest.calls.budget import Budget
from services.ingest.calls.rest import Rest, RestError
from services.ingest.venues.terms import Request

QUICK = Backoff(initial_s=0.001, cap_s=0.002)


async def test_at_most_two_calls_are_in_flight(rest_of, tiny) -> None:
    running, most = 0, 0
    gate = asyncio.Event()

    async def answer(path: str):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await gate.wait()
        running -= 1
        return path

    rest = rest_of(answer)
    calls = [asyncio.create_task(rest.fetch(Request(url=f"http://rest/{n}"))) for n in range(7)]
    await tiny.until(lambda: running == 2)
    gate.set()
    assert [await call for call in calls] == [f'"{n}"'.encode() for n in range(7)]
    assert most == 2


async def test_equal_wishes_share_one_call_and_one_may_go(rest_of, tiny) -> None:
    asked: list[str] = []
    gate = asyncio.Event()

    async def answer(path: str):
        asked.append(path)
        await gate.wait()
        return "body"

    rest = rest_of(answer)
    first = asyncio.create_task(rest.fetch(Request(url="http://rest/a")))
    second = asyncio.create_task(rest.fetch(Request(url="http://rest/a")))
    await tiny.until(lambda: asked)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    gate.set()
    assert await second == b'"body"'
    assert asked == ["a"]


@pytest.mark.parametrize("status", [429, 418])
async def test_limit_pauses_everything_for_as_long_as_the_venue_says(rest_of, status: int) -> None:
    times: list[float] = []
    loop = asyncio.get_running_loop()

    def answer(path: str):
        times.append(loop.time())
        return httpx.Response(status, headers={"Retry-After": "0.2"}) if len(times) == 1 else "fine"

    rest = rest_of(answer, backoff=QUICK)
    assert await rest.fetch(Request(url="http://rest/a")) == b'"fine"'
    assert times[1] - times[0] >= 0.19


async def test_server_faults_and_lost_connections_are_tried_again(rest_of) -> None:
    faults = [httpx.Response(502), httpx.ConnectError("no route"), httpx.ReadTimeout("slow")]

    def answer(path: str):
        if not faults:
            return "fine"
        fault = faults.pop(0)
        if isinstance(fault, Exception):
            raise fault
        return fault

    assert await rest_of(answer, backoff=QUICK).fetch(Request(url="http://rest/a")) == b'"fine"'


async def test_refusal_is_final_and_says_why(rest_of) -> None:
    asked: list[str] = []

    def answer(path: str):
        asked.append(path)
        return httpx.Response(400, text='{"code":-1121,"msg":"Invalid symbol."}')

    with pytest.raises(RestError, match="Invalid symbol"):
        await rest_of(answer, backoff=QUICK).fetch(Request(url="http://rest/a"))
    assert len(asked) == 1


async def test_a_ban_is_a_refusal_and_pauses_everything(rest_of) -> None:
    asked: list[float] = []

    def answer(path: str) -> object:
        asked.append(monotonic_s())
        return httpx.Response(403, text="access too frequent") if len(asked) == 1 else [1]

    rest = rest_of(answer, backoff=QUICK, bans={403: 0.2})
    with pytest.raises(RestError, match="access too frequent"):
        await rest.fetch(Request(url="http://rest/a"))
    assert await rest.fetch(Request(url="http://rest/b")) == b"[1]"
    assert asked[1] - asked[0] >= 0.2


async def test_too_many_calls_may_be_said_with_status_200(rest_of) -> None:
    """As Kraken does; the words mean nothing further down, where data stands."""
    asked: list[float] = []
    refusal = '{"error":["EAPI:Rate limit exceeded"]}'
    data = '{"error":[],"result":"' + "x" * 200 + 'EAPI:Rate limit exceeded"}'

    def answer(path: str) -> object:
        asked.append(monotonic_s())
        body = refusal if len(asked) == 1 else data
        return httpx.Response(200, text=body, headers={"Retry-After": "0.2"})

    rest = rest_of(answer, backoff=QUICK, overdone=(b"EAPI:Rate limit exceeded",))
    assert await rest.fetch(Request(url="http://rest/a")) == data.encode()
    assert asked[1] - asked[0] >= 0.2


async def test_tries_are_finite(rest_of) -> None:
    with pytest.raises(RestError, match="503"):
        await rest_of(lambda path: httpx.Response(503), backoff=QUICK).fetch(Request(url="http://rest/a"))


async def test_retry_after_that_is_no_number_still_pauses(rest_of, tiny) -> None:
    rest = rest_of(lambda path: httpx.Response(429, headers={"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}))
    call = asyncio.create_task(rest.fetch(Request(url="http://rest/a")))
    await tiny.until(lambda: rest._paused_until > 0)
    call.cancel()


def test_budget_spreads_the_weight_of_a_minute() -> None:
    now = 0.0
    budget = Budget(600, clock=lambda: now)  # 10 a second, 20 at once
    assert budget.spend(20) == 0
    assert budget.spend(5) == pytest.approx(0.5)
    now = 0.5
    assert budget.spend(5) == 0
    assert budget.spend(200) == pytest.approx(2.0)  # heavier than what fits: full first, then in debt
    now = 2.5
    assert budget.spend(200) == 0
    assert budget.spend(1) == pytest.approx(18.1)


async def test_a_question_with_a_body_is_posted_and_shared_with_its_equal_only() -> None:
    asked: list[tuple[str, bytes, str]] = []
    gate = asyncio.Event()

    async def answer(request: httpx.Request) -> httpx.Response:
        asked.append((request.method, request.content, request.headers["Content-Type"]))
        await gate.wait()
        return httpx.Response(200, content=b"to " + request.content)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        rest = Rest("tiny", client)
        calls = [
            asyncio.create_task(rest.fetch(Request(url="http://rest/info", body=body))) for body in (b"1", b"2", b"1")
        ]
        await asyncio.sleep(0)
        gate.set()
        assert [await call for call in calls] == [b"to 1", b"to 2", b"to 1"]
    assert asked == [("POST", b"1", "application/json"), ("POST", b"2", "application/json")]
