"""How our own processes fare, from what they really tell Prometheus."""

import asyncio
import math

import pytest

from libs.common.bus.consuming import CONSUMED, LAG, PARKED
from libs.common.conditions.catalogue import METRICS
from libs.common.conditions.subjects import Kind
from libs.common.runtime.clock import monotonic_s
from libs.common.runtime.health import Health
from libs.common.runtime.memory import LIMIT, RESIDENT
from libs.common.runtime.process import UP
from services.alerts.metrics import OLDEST_SECONDS
from services.alerts.watching.system import ANSWER_BYTES, Meter, System
from services.gateway.metrics import REQUESTS

TEXT = """# HELP csx_process_up 1 while the process serves.
# TYPE csx_process_up gauge
csx_process_up{service="signals"} 1.0
csx_process_resident_bytes 9e+08
csx_process_memory_limit_bytes 1e+09
csx_bus_lag_records{group="a",topic="market.trades.v1",partition="0"} 10000.0
csx_bus_lag_records{group="a",topic="market.trades.v1",partition="1"} 23.0
csx_bus_consumed_total{group="a",topic="t"} %d
csx_bus_parked_total{group="a",topic="t",reason="decode"} %d
csx_gateway_requests_total{method="GET",route="/a \\"b\\"",status="200"} %d
csx_gateway_requests_total{method="GET",route="/a",status="503"} %d
unrelated_metric{x="y"} this is not a number
"""


def test_facts_are_what_the_text_says():
    meter = Meter("signals")
    first = meter.facts(TEXT % (1000, 5, 100, 1))
    assert first == {"process": "signals", "up": True, "memory_share": 0.9, "lag": 10023.0}
    later = meter.facts(TEXT % (1080, 8, 118, 3))
    # of 80 records 3 were parked, of 20 requests 2 failed
    assert later["error_rate"] == 5 / 100
    assert "queue_age_s" not in later


def test_nothing_handled_has_no_rate():
    meter = Meter("signals")
    meter.facts(TEXT % (1000, 5, 100, 1))
    assert "error_rate" not in meter.facts(TEXT % (1000, 5, 100, 1))


def test_a_process_that_began_again_has_no_rate_until_two_readings():
    meter = Meter("signals")
    meter.facts(TEXT % (1000, 5, 100, 1))
    assert "error_rate" not in meter.facts(TEXT % (10, 0, 0, 0))
    assert meter.facts(TEXT % (19, 0, 1, 0))["error_rate"] == 0.0
    assert meter.facts(None) == {"process": "signals", "up": False}
    assert "error_rate" not in meter.facts(TEXT % (100, 1, 1, 0))


def test_without_a_limit_there_is_no_share_and_what_is_not_there_is_absent():
    text = "csx_process_up 0\ncsx_process_resident_bytes 5\ncsx_process_memory_limit_bytes 0\n"
    assert Meter("ingest").facts(text) == {"process": "ingest", "up": False}


@pytest.mark.parametrize("number", ["NaN", "+Inf", "-Inf"])
def test_what_is_no_number_is_absent(number):
    facts = Meter("x").facts(f'csx_process_up 1\ncsx_bus_lag_records{{partition="0"}} {number}\n')
    assert facts == {"process": "x", "up": True}


@pytest.mark.parametrize("text", ["csx_process_up one\n", 'csx_process_up{a="b 1\n', "csx_process_up\n"])
def test_what_is_not_prometheus_is_an_error(text):
    with pytest.raises(ValueError, match=r".+"):
        Meter("x").facts(text)


def test_only_names_of_the_catalogue_are_told():
    facts = Meter("x").facts(TEXT % (1, 1, 1, 1) + 'csx_alerts_oldest_waiting_seconds{channel="t"} 3\n')
    for name, value in facts.items():
        metric = METRICS[name]
        assert isinstance(value, metric.type)
        assert Kind.SYSTEM in metric.kinds


@pytest.fixture
async def health():
    """The real side port, with the real metrics of the libraries and two services."""
    made = Health("signals")
    await made.start("127.0.0.1", 0)
    yield f"http://127.0.0.1:{made.port}/metrics"
    await made.stop()


async def test_the_real_metrics_of_a_process(health):
    UP.labels("signals").set(1)
    RESIDENT.set(3 * 2**20)
    LIMIT.set(4 * 2**20)
    LAG.clear()
    LAG.labels("g", "t", 0).set(7)
    OLDEST_SECONDS.clear()
    OLDEST_SECONDS.labels("telegram", "critical").set(12.5)
    OLDEST_SECONDS.labels("telegram", "info").set(3.5)
    system = System({"signals": health, "gone": "http://127.0.0.1:1/metrics"})
    gone, signals = await system.read(42)
    assert gone.facts == {"process": "gone", "up": False}
    assert (signals.kind, signals.symbol, signals.at_ns, signals.key) == (Kind.SYSTEM, "signals", 42, "system|signals")
    assert signals.facts["memory_share"] == 0.75
    assert signals.facts["lag"] == 7.0
    assert signals.facts["queue_age_s"] == 12.5
    for _ in range(20):
        CONSUMED.labels("g", "t").inc()
    PARKED.labels("g", "t", "decode").inc()
    for status in (200, 200, 404, 500):
        REQUESTS.labels("GET", "/", status).inc()
    _, signals = await system.read(43)
    assert math.isclose(float(signals.facts["error_rate"]), 2 / 24)
    UP.labels("signals").set(0)
    RESIDENT.set(0)
    LIMIT.set(0)


async def _answering(head: bytes, chunk: bytes):
    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        try:
            while chunk:
                writer.write(chunk)
                await writer.drain()
                await asyncio.sleep(0)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/metrics"


@pytest.mark.parametrize(
    ("head", "chunk"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", b"csx_process_up 1\n" * 10_000),
        (f"HTTP/1.1 200 OK\r\nContent-Length: {100 * ANSWER_BYTES}\r\n\r\n".encode(), b"#" * 100_000),
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", b""),
        (b"HTTP/1.1 302 There\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n\xff\xfe\x00", b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\ncsx_process_up one\n", b""),
        (b"nonsense", b""),
    ],
)
async def test_an_answer_that_cannot_be_used_is_none(head, chunk):
    server, url = await _answering(head, chunk)
    began_s = monotonic_s()
    (subject,) = await System({"x": url}, within_s=1.0).read(1)
    assert subject.facts == {"process": "x", "up": False}
    assert monotonic_s() - began_s < 3
    server.close()
    await server.wait_closed()
