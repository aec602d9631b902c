"""What ingest counts, for Prometheus."""

from collections import Counter as Tally
from typing import Final

from msgspec import structs
from prometheus_client import Counter, Gauge, Histogram

from services.ingest.delivery.buffer import Buffer, Counts
from services.ingest.venues.terms import Checks

_VENUE: Final = ("venue",)
_STREAM: Final = ("venue", "stream")

FRAMES: Final = Counter("csx_ingest_frames_total", "Frames read from sockets", _VENUE)
FRAME_BYTES: Final = Counter("csx_ingest_frame_bytes_total", "Payload bytes read from sockets", _VENUE)
CONNECTS: Final = Counter("csx_ingest_connects_total", "Connections that were opened", _VENUE)
DISCONNECTS: Final = Counter("csx_ingest_disconnects_total", "Connections that ended, by cause", (*_VENUE, "cause"))
CONNECTED: Final = Gauge("csx_ingest_connections", "Connections that are open", _VENUE)
RESYNCS: Final = Counter("csx_ingest_resyncs_total", "Fresh books that sessions asked for", (*_VENUE, "way"))
STALLS: Final = Counter(
    "csx_ingest_stalls_total", "Topics that should have spoken and did not, by what was done", (*_STREAM, "outcome")
)
REJECTS: Final = Counter("csx_ingest_rejects_total", "Frames or parts that could not be read", (*_VENUE, "reason"))
REJECTS_UNPARKED: Final = Counter("csx_ingest_rejects_unparked_total", "Rejects that were only counted", _VENUE)
CHECKS: Final = Counter(
    "csx_ingest_checks_total", "What sessions verified or passed over, by field of `Checks`", (*_VENUE, "check")
)
GAPS: Final = Counter("csx_ingest_gaps_total", "Holes that were noticed", (*_STREAM, "cause"))
GAPS_CLOSED: Final = Counter("csx_ingest_gaps_closed_total", "Holes whose end is known", (*_STREAM, "recovered"))
DUPLICATES: Final = Counter("csx_ingest_duplicates_total", "Events dropped because they were published", _STREAM)
BACKFILLED: Final = Counter("csx_ingest_backfilled_trades_total", "Trades fetched by REST", _VENUE)
RECOVERY: Final = Histogram(
    "csx_ingest_recovery_seconds",
    "From a hole in the trades to all of it in our hands; waiting for our own publisher is not counted",
    _VENUE,
    buckets=(0.1, 0.25, 0.5, 1, 2, 5, 10, 30),
)
FIRST_DATA: Final = Histogram(
    "csx_ingest_first_data_seconds",
    "From a lost connection to the first datum of the next one",
    _VENUE,
    buckets=(0.1, 0.25, 0.5, 1, 2, 5, 10, 30),
)
HELD: Final = Gauge("csx_ingest_held_trades", "Live trades that wait for a backfill", _VENUE)

REST_CALLS: Final = Counter("csx_ingest_rest_calls_total", "REST calls, by outcome", (*_VENUE, "outcome"))
REST_IN_FLIGHT: Final = Gauge("csx_ingest_rest_in_flight", "REST calls under way", _VENUE)
REST_VENUE_WEIGHT: Final = Gauge(
    "csx_ingest_rest_venue_weight", "Weight used in the venue's own window, as its last answer says", _VENUE
)
REST_WAITING: Final = Gauge("csx_ingest_rest_waiting", "REST calls that wait for their turn", _VENUE)
REST_SHARED: Final = Counter("csx_ingest_rest_shared_total", "REST calls answered by one already in flight", _VENUE)

OFFERED: Final = Counter("csx_ingest_offered_total", "Events offered to the buffer", _STREAM)
CONFLATED: Final = Counter("csx_ingest_conflated_total", "Book events that a snapshot stands for", _STREAM)
SYNTHESIZED: Final = Counter("csx_ingest_conflation_snapshots_total", "Snapshots in place of conflated events", _VENUE)
WAITED: Final = Counter("csx_ingest_waited_total", "Offers that waited for room", _STREAM)
FULLEST: Final = Gauge("csx_ingest_buffer_fullest_lane", "Most events of one symbol and class that ever waited", _VENUE)
PENDING: Final = Gauge("csx_ingest_buffer_events", "Events that wait for the publisher", _VENUE)
PUBLISHED: Final = Counter("csx_ingest_published_total", "Events that the broker acknowledged", _STREAM)
PUBLISH_FAILURES: Final = Counter("csx_ingest_publish_failures_total", "Batches that were tried again", _VENUE)
SPILLED: Final = Counter("csx_ingest_spilled_total", "Events written to disk because the broker was away", _STREAM)
REPLAYED: Final = Counter("csx_ingest_replayed_total", "Events published from disk", _STREAM)
SHED: Final = Counter("csx_ingest_shed_total", "Events given up because the disk ring was full", _STREAM)
DAMAGED: Final = Counter("csx_ingest_spill_damaged_total", "Events on disk that were damaged", _STREAM)
TOO_LARGE: Final = Counter("csx_ingest_too_large_total", "Events too large for a record, parked as rejects", _STREAM)
ON_DISK: Final = Gauge("csx_ingest_spill_events", "Events on disk that the broker does not have", _STREAM)
UNACCOUNTED: Final = Gauge(
    "csx_ingest_unaccounted_events", "Offered minus all that can become of an event; anything but 0 is a bug", _STREAM
)
SPILL_USABLE: Final = Gauge("csx_ingest_spill_usable", "0 where a spill directory is set but cannot be used", _VENUE)
SPILL_FAILURES: Final = Counter(
    "csx_ingest_spill_failures_total", "Disk operations that failed and are tried again, by errno", (*_VENUE, "reason")
)
SPILL_CUT_BYTES: Final = Counter(
    "csx_ingest_spill_cut_bytes_total", "Damaged ends of files cut at a start; a killed writer leaves them", _VENUE
)
POSITION_FAILURES: Final = Counter("csx_ingest_position_failures_total", "Positions that were not written", _VENUE)
LAST_EVENT: Final = Gauge(
    "csx_ingest_last_event_timestamp_seconds",
    "Venue's time of the newest published event; its age is now - this",
    _STREAM,
)
UNKNOWN_SYMBOLS: Final = Gauge("csx_ingest_unknown_symbols", "Symbols asked for that the venue does not list", _VENUE)
SYMBOLS: Final = Gauge("csx_ingest_symbols", "Symbols that are followed", _VENUE)
FOLLOWING: Final = Counter(
    "csx_ingest_following_changes_total", "Symbols that began, ceased, or read differently", (*_VENUE, "change")
)
INSTRUMENTS: Final = Gauge("csx_ingest_instruments", "Instruments of the catalogue, by status", (*_VENUE, "status"))
CATALOGUE_AT: Final = Gauge(
    "csx_ingest_catalogue_timestamp_seconds", "Our time of the newest catalogue; its age is now - this", _VENUE
)
CATALOGUE_FAILURES: Final = Counter(
    "csx_ingest_catalogue_failures_total",
    "Catalogues or turnovers that did not come (unanswered, turnover), were not believed (doubtful), or were not "
    "published (broker)",
    (*_VENUE, "reason"),
)
LEFT_OUT: Final = Gauge(
    "csx_ingest_instruments_left_out",
    "Instruments without a canonical symbol of their own, by reason",
    (*_VENUE, "reason"),
)
AUDITED: Final = Counter(
    "csx_ingest_audited_candles_total",
    "Closed candles of ours that were compared with the venue's, by what came of it",
    (*_VENUE, "timeframe", "outcome"),
)
MISMATCH_RATE: Final = Gauge(
    "csx_ingest_candle_mismatch_ratio", "Share of the last 1,000 audited candles that differed, 0 to 1", _VENUE
)
OPEN_INTEREST: Final = Counter(
    "csx_ingest_open_interest_answers_total",
    "Open interest that was asked for, by what came of it",
    (*_VENUE, "outcome"),
)

VENDOR_USABLE: Final = Gauge("csx_ingest_vendor_usable", "0 where a vendor is not asked, for want of a key", _VENUE)
VENDOR_ANSWERS: Final = Counter(
    "csx_ingest_vendor_answers_total", "Requests to vendors, by what came back", (*_VENUE, "outcome")
)
VENDOR_ANSWERED: Final = Gauge(
    "csx_ingest_vendor_answer_timestamp_seconds",
    "Our time of a vendor's last good answer; its staleness is now - this",
    (*_VENUE, "kind"),
)
VENDOR_MISSING: Final = Gauge("csx_ingest_vendor_missing", "Requests whose last answer was none", _VENUE)
VENDOR_REPEATED: Final = Counter("csx_ingest_vendor_repeated_total", "Numbers that were said before", _VENUE)


class BufferMeter:
    """Carries a buffer's own counts over to Prometheus; called once a batch, so that an event costs nothing."""

    def __init__(self, venue: str, buffer: Buffer) -> None:
        self._venue = venue
        self._buffer = buffer
        self._seen = {stream: Counts() for stream in buffer.counts}

    def update(self) -> None:
        """Add what happened since the last call."""
        for stream, now in self._buffer.counts.items():
            seen = self._seen[stream]
            if now.offered == seen.offered and now.taken == seen.taken and now.waited == seen.waited:
                continue
            OFFERED.labels(self._venue, stream).inc(now.offered - seen.offered)
            CONFLATED.labels(self._venue, stream).inc(now.conflated - seen.conflated)
            WAITED.labels(self._venue, stream).inc(now.waited - seen.waited)
            SYNTHESIZED.labels(self._venue).inc(now.made - seen.made)
            self._seen[stream] = Counts(now.offered, now.taken, now.conflated, now.made, now.waited)
        PENDING.labels(self._venue).set(self._buffer.pending)
        FULLEST.labels(self._venue).set(self._buffer.fullest)


class ChecksMeter:
    """Carries what a session has verified over to Prometheus."""

    def __init__(self, venue: str, checks: Checks) -> None:
        self._venue = venue
        self._checks = checks
        self._seen: Tally[str] = Tally()

    def update(self) -> None:
        """Add what the session has counted since the last call."""
        now = Tally(structs.asdict(self._checks))
        for check, count in (now - self._seen).items():
            CHECKS.labels(self._venue, check).inc(count)
        self._seen = now
