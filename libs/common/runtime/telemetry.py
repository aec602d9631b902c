"""What a process says of itself: structured logs, and traces where an endpoint is set. Metrics are Prometheus'."""

import datetime as dt
import logging
import sys
from typing import Any, Final, Literal

import msgspec
from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from libs.common.runtime.repetition import Repetition

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_QUIET: Final = ("aiokafka", "httpx", "httpcore", "websockets", "granian", "_granian", "telegram", "asyncio")
"""Libraries whose INFO lines repeat every request (and with them URLs that hold tokens)."""
_REPETITIVE: Final = ("aiokafka",)
"""Libraries that say the same many times a second while their server is away."""


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, service, logger, message, and whatever `extra` carried."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of `record`, without the line break."""
        line: dict[str, Any] = {
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
        }
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            line["trace_id"] = trace.format_trace_id(span.trace_id)
        line |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode()


class ConsoleFormatter(logging.Formatter):
    """The same for a person at a terminal."""

    def __init__(self, service: str) -> None:
        super().__init__(f"%(asctime)s {service:<8} %(levelname)-7s %(message)s%(facts)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of `record`, its extra facts appended as key=value."""
        facts = {key: value for key, value in vars(record).items() if key not in _STANDARD and key != "facts"}
        record.facts = "".join(f" {key}={value}" for key, value in facts.items())
        return super().format(record)


def configure_logging(service: str, level: str, form: Literal["json", "console"]) -> None:
    """Send every log line of this process to stderr in one form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service) if form == "json" else ConsoleFormatter(service))
    handler.addFilter(Repetition(*_REPETITIVE))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    logging.captureWarnings(capture=True)


def configure_tracing(service: str, endpoint: str | None) -> TracerProvider | None:
    """Export spans to `endpoint` (OTLP over HTTP) and return the provider to shut down; None where tracing is off."""
    if not endpoint:
        return None
    provider = TracerProvider(resource=Resource.create({"service.name": f"csx-{service}"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    trace.set_tracer_provider(provider)
    return provider


def trace_headers() -> list[tuple[str, bytes]]:
    """Return the current trace context as Kafka record headers; empty outside of a trace.

    FastStream links a batch to the traces of its records by `correlation_id`: here that is the trace's own id.
    """
    span = trace.get_current_span().get_span_context()
    if not span.is_valid:
        return []
    carrier = {"correlation_id": trace.format_trace_id(span.trace_id)}
    propagate.inject(carrier)
    return [(key, value.encode()) for key, value in carrier.items()]
