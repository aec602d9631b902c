"""What a process says of itself: structured logs, and traces where an endpoint is set. Metrics are Prometheus'."""

import datetime as dt
import logging
import re
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
from opentelemetry import propagate, trace

from libs.common.runtime.redaction import Redaction
from libs.common.runtime.repetition import Repetition

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_QUIET: Final = ("aiokafka", "httpx", "httpcore", "websockets", "granian", "_granian", "telegram", "asyncio")
"""Libraries whose INFO lines repeat every request (and with them URLs that hold tokens)."""
_REPETITIVE: Final = ("aiokafka",)
"""Libraries that say the same many times a second while their server is away."""


_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
"""What breaks a line, moves the cursor or turns the direction of the text after it."""
_MORE: Final = "    | "
"""Begins each further line that a person reads of one record: nothing from outside begins a line."""


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, service, logger, message, and whatever `extra` carried; no secrets."""

    def __init__(self, service: str, redaction: Redaction | None = None) -> None:
        super().__init__()
        self._service = service
        self._redaction = redaction or Redaction()

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
        if record.stack_info:
            line["stack"] = record.stack_info
        text = msgspec.json.encode(self._redaction.value(line)).decode()
        return _CONTROLS.sub(
            lambda found: f"\\u{ord(found[0]):04x}", text
        )  # of JSON's own there are none: in texts only


class ConsoleFormatter(logging.Formatter):
    """The same for a person at a terminal: one line, and a trace below it where there is one."""

    def __init__(self, service: str, redaction: Redaction | None = None) -> None:
        super().__init__(datefmt="%H:%M:%S")
        self._service = service
        self._redaction = redaction or Redaction()

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of `record`, its extra facts appended as key=value."""
        extra = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        known = self._redaction.value(extra)
        facts = "".join(f" {key}={value}" for key, value in known.items())
        message = self._redaction.text(record.getMessage())
        head = f"{self.formatTime(record, self.datefmt)} {self._service:<8} {record.levelname:<7} "
        lines = [head + _visible(message + facts)]
        below = [self.formatException(record.exc_info)] if record.exc_info else []
        below += [record.stack_info] if record.stack_info else []
        for text in below:
            lines += [_MORE + _visible(line) for line in self._redaction.text(text).split("\n")]
        return "\n".join(lines)


def _visible(text: str) -> str:
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def configure_logging(service: str, level: str, form: Literal["json", "console"], secrets: Iterable[str] = ()) -> None:
    """Send every log line of this process to stderr in one form, without the secrets that it was given."""
    handler, redaction = logging.StreamHandler(sys.stderr), Redaction(secrets)
    handler.setFormatter(JsonFormatter(service, redaction) if form == "json" else ConsoleFormatter(service, redaction))
    handler.addFilter(Repetition(*_REPETITIVE))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    logging.captureWarnings(capture=True)


def configure_tracing(service: str, endpoint: str | None) -> "TracerProvider | None":
    """Export spans to `endpoint` (OTLP over HTTP) and return the provider to shut down; None where tracing is off."""
    if not endpoint:
        return None
    # imported here: most processes export nothing, and the exporter takes eight MiB
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

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
