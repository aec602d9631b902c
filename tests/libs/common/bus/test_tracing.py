"""A trace goes on across the broker: its context travels in the record's headers, from publisher to handler."""

import asyncio
from collections.abc import Iterator, Sequence

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from libs.common.bus import topics
from libs.common.bus.admin import ensure_topics
from libs.common.bus.kafka import Record, connect, fold
from libs.common.events import Side, Trade
from libs.common.runtime.settings import ServiceSettings


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace._TRACER_PROVIDER_SET_ONCE._done = False  # the global provider can be set once a process
    trace.set_tracer_provider(provider)
    yield exporter
    provider.shutdown()


async def test_the_handlers_span_belongs_to_the_publishers_trace(bus_broker, spans):
    await ensure_topics(bus_broker, topics.TOPICS)
    bus = connect(ServiceSettings(kafka_bootstrap=bus_broker, otel_endpoint="http://127.0.0.1:1/v1/traces"), "csx-test")
    seen: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def handler(records: Sequence[Record]) -> None:
        if any(record.key == b"TRACED-USDT" for record in records) and not seen.done():
            seen.set_result(trace.get_current_span().get_span_context().trace_id)

    fold(bus, topics.TRADES, group="tracing", handler=handler, rejects=topics.MARKET_REJECTS)
    await bus.start()
    with trace.get_tracer("test").start_as_current_span("root") as root:
        await bus.publisher.publish(
            [Trade(venue="okx", symbol="TRACED-USDT", event_ns=1, received_ns=1, price=1.0, size=1.0, side=Side.BUY,
                   trade_id="1")]
        )  # fmt: skip
    handled = await asyncio.wait_for(seen, 20)
    await bus.stop()
    mine = root.get_span_context().trace_id
    linked = {link.context.trace_id for span in spans.get_finished_spans() for link in span.links}
    assert mine in {handled} | linked
    assert {"root", "publish"} <= {span.name for span in spans.get_finished_spans()}
