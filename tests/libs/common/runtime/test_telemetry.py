"""Log lines: one JSON object each, with extras and exceptions; for people, key=value."""

import json
import logging
import sys

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from libs.common.runtime.telemetry import ConsoleFormatter, JsonFormatter, trace_headers


def _record(message: str, **extra: object) -> logging.LogRecord:
    return logging.getLogger("t").makeRecord("t", logging.WARNING, "f", 1, message, (), None, extra=extra)


def test_a_line_is_one_json_object_with_its_extras():
    line = json.loads(JsonFormatter("ingest").format(_record("a\nb", symbol="BTC-USDT", path=object)))
    assert (line["level"], line["service"], line["message"], line["symbol"]) == (
        "warning",
        "ingest",
        "a\nb",
        "BTC-USDT",
    )
    assert line["path"] == "<class 'object'>"
    assert "\n" not in JsonFormatter("ingest").format(_record("forged\n{}"))


def test_an_exception_travels_in_the_line():
    try:
        int("boom")
    except ValueError:
        record = logging.getLogger("t").makeRecord("t", logging.ERROR, "f", 1, "m", (), sys.exc_info())
    assert "ValueError: invalid literal" in json.loads(JsonFormatter("x").format(record))["exception"]


def test_a_person_reads_key_equals_value():
    text = ConsoleFormatter("ingest").format(_record("gap", symbol="BTC-USDT"))
    assert text.endswith("ingest   WARNING gap symbol=BTC-USDT")


def test_the_trace_context_becomes_a_header_inside_of_a_trace_only():
    assert trace_headers() == []
    tracer = TracerProvider().get_tracer("t")
    with tracer.start_as_current_span("s") as span:
        headers = dict(trace_headers())
        line = json.loads(JsonFormatter("x").format(_record("m")))
    trace_id = trace.format_trace_id(span.get_span_context().trace_id)
    assert headers["traceparent"].decode().split("-")[1] == trace_id == line["trace_id"]
    assert headers["correlation_id"].decode() == trace_id
