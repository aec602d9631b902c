"""What the gateway counts."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

REQUESTS: Final = Counter("csx_gateway_requests_total", "HTTP answers.", ["method", "route", "status"])
REQUEST_SECONDS: Final = Histogram(
    "csx_gateway_request_seconds",
    "From request to the last byte handed to the server.",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
AUTH_FAILURES: Final = Counter("csx_gateway_auth_failures_total", "Keys refused.", ["reason"])
PROJECTED: Final = Counter("csx_gateway_projected_total", "Events folded into views.", ["type"])
BOOKS_LOST: Final = Counter(
    "csx_gateway_books_out_of_sync_total", "Books dropped for a break in their sequence.", ["venue"]
)
CLIENTS: Final = Gauge("csx_gateway_stream_clients", "WebSocket clients connected.")
SENT: Final = Counter("csx_gateway_stream_messages_total", "Messages sent to WebSocket clients.", ["channel"])
CONFLATED: Final = Counter(
    "csx_gateway_stream_conflated_total", "Market messages replaced by newer ones before they were sent.", ["channel"]
)
CUT: Final = Counter("csx_gateway_stream_cut_total", "WebSocket clients closed by us.", ["code"])
