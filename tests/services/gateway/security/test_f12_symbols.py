"""Finding 12: symbols went into queries as they came."""

from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ANY = st.text(min_size=1, max_size=60) | st.sampled_from(
    [
        "' OR 1=1 --",
        "BTC-USDT'; DROP TABLE signals; --",
        "\x00",
        "BTC\x00USDT",
        "%00",
        "../../etc/passwd",
        "..",
        "{symbol}",
        "BTC-USDT-PERP\r\nX-Injected: 1",
        "\u202e",
        "Ⅷ",
        "a" * 79,
        "💥" * 40,
        "*",
        "csx:gateway:prices",
    ]
)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/markets/{}/candles?timeframe=1m",
        "/v1/markets/{}/book",
        "/v1/markets/{}/readings",
        "/v1/markets/{}/ticker",
        "/v1/signals/{}",
        "/v1/signals?symbol={}",
        "/v1/signals?cursor={}",
        "/v1/markets/BTC-USDT-PERP/book?venue={}",
        "/v1/metrics/{}",
    ],
)
async def test_f12_any_text_as_symbol(gateway, ask, make, path):
    await gateway.fold(make.trade())

    @settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
    @given(ANY)
    def collect(text):
        texts.append(text)

    texts: list[str] = []
    collect()
    for text in texts:
        answer = await ask(path.format(quote(text, safe="", errors="replace")))
        assert answer.status_code in {400, 404}, (text, answer.text)
        assert answer.json()["code"] != "internal"
        assert "x-injected" not in answer.headers


@pytest.mark.parametrize("sent", ["%ED%A0%80", "%FF%FE", "%C0%AF", "%00", "a%0D%0AX-Injected:%201", "x" * 8_000])
async def test_f12_bytes_that_are_no_text(gateway, ask, make, sent):
    await gateway.fold(make.trade())
    for path in (f"/v1/markets/{sent}/book", f"/v1/signals?symbol={sent}"):
        answer = await ask(path)
        assert answer.status_code in {400, 404}, answer.text
        assert "x-injected" not in answer.headers


@pytest.mark.parametrize("text", [r"\ud800", r"\u0000", r"\udfff\ud800", "x" * 10_000])
async def test_f12_bodies_too(gateway, make, text):
    await gateway.fold(make.trade())
    head = {"Content-Type": "application/json"}
    async with gateway.client() as one:
        call = b'{"operation": "markets.book", "symbol": "%s"}' % text.encode()
        answer = await one.post("/v1/rpc", content=call, headers=head)
    assert answer.status_code in {200, 400, 422}
    if answer.status_code == 200:
        assert answer.json()["error"]["status"] in {400, 404, 422}
