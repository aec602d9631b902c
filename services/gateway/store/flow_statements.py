"""The SQL of flows: liquidations, funding, marks, open interest, metrics, instruments and quality.

A write may be repeated and may come late: of two events of one key the newer stays, of one time the greater.
"""

from typing import Final

LIQUIDATION: Final = """
INSERT INTO gateway.liquidations (venue, symbol, origin, event_ns, seen_ns, price, size, liquidated)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING
"""

LIQUIDATIONS: Final = """
SELECT event_ns, seen_ns, price, size, liquidated FROM gateway.liquidations
WHERE symbol = $1 AND venue = $2 AND origin = $3 AND event_ns >= $4 AND event_ns < $5
  AND ($6::bigint IS NULL OR (event_ns, price, size, liquidated) < ($6, $7::float8, $8::float8, $9::text))
ORDER BY event_ns DESC, price DESC, size DESC, liquidated DESC LIMIT $10
"""

FUNDING: Final = """
INSERT INTO gateway.funding AS f (venue, symbol, origin, slot_ns, event_ns, seen_ns, rate, interval_s, next_funding_ns)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (symbol, venue, origin, slot_ns) DO UPDATE
SET event_ns = excluded.event_ns, seen_ns = excluded.seen_ns, rate = excluded.rate, interval_s = excluded.interval_s,
    next_funding_ns = excluded.next_funding_ns
WHERE (excluded.event_ns, excluded.rate, coalesce(excluded.interval_s, -1), coalesce(excluded.next_funding_ns, -1))
    > (f.event_ns, f.rate, coalesce(f.interval_s, -1), coalesce(f.next_funding_ns, -1))
"""

FUNDINGS: Final = """
SELECT event_ns, seen_ns, rate, interval_s, next_funding_ns FROM gateway.funding
WHERE symbol = $1 AND venue = $2 AND origin = $3 AND event_ns >= $4 AND event_ns < $5
  AND slot_ns >= $4 - 60000000000 AND slot_ns < $5 AND ($6::bigint IS NULL OR event_ns < $6)
ORDER BY slot_ns DESC LIMIT $7
"""

MARK: Final = """
INSERT INTO gateway.marks AS m (venue, symbol, origin, slot_ns, event_ns, seen_ns, price, index_price)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (symbol, venue, origin, slot_ns) DO UPDATE
SET event_ns = excluded.event_ns, seen_ns = excluded.seen_ns, price = excluded.price, index_price = excluded.index_price
WHERE (excluded.event_ns, excluded.price, coalesce(excluded.index_price, -1))
    > (m.event_ns, m.price, coalesce(m.index_price, -1))
"""

MARKS: Final = """
SELECT event_ns, seen_ns, price, index_price FROM gateway.marks
WHERE symbol = $1 AND venue = $2 AND origin = $3 AND event_ns >= $4 AND event_ns < $5
  AND slot_ns >= $4 - 60000000000 AND slot_ns < $5 AND ($6::bigint IS NULL OR event_ns < $6)
ORDER BY slot_ns DESC LIMIT $7
"""

OPEN_INTEREST: Final = """
INSERT INTO gateway.open_interest AS o (venue, symbol, origin, slot_ns, event_ns, seen_ns, contracts, base, notional)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (symbol, venue, origin, slot_ns) DO UPDATE
SET event_ns = excluded.event_ns, seen_ns = excluded.seen_ns, contracts = excluded.contracts, base = excluded.base,
    notional = excluded.notional
WHERE (excluded.event_ns, coalesce(excluded.contracts, -1), coalesce(excluded.base, -1),
       coalesce(excluded.notional, -1))
    > (o.event_ns, coalesce(o.contracts, -1), coalesce(o.base, -1), coalesce(o.notional, -1))
"""

OPEN_INTERESTS: Final = """
SELECT event_ns, seen_ns, contracts, base, notional FROM gateway.open_interest
WHERE symbol = $1 AND venue = $2 AND origin = $3 AND event_ns >= $4 AND event_ns < $5
  AND slot_ns >= $4 - 60000000000 AND slot_ns < $5 AND ($6::bigint IS NULL OR event_ns < $6)
ORDER BY slot_ns DESC LIMIT $7
"""

METRIC: Final = """
INSERT INTO gateway.metrics AS m (venue, symbol, origin, name, exchange, event_ns, seen_ns, value, unit, interval_s,
                                  cause)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (symbol, name, exchange, venue, origin, event_ns) DO UPDATE
SET seen_ns = excluded.seen_ns, value = excluded.value, unit = excluded.unit, interval_s = excluded.interval_s,
    cause = excluded.cause
WHERE (excluded.value IS NOT NULL, coalesce(excluded.value, 0), coalesce(excluded.interval_s, -1),
       coalesce(excluded.cause, '') COLLATE "C")
    > (m.value IS NOT NULL, coalesce(m.value, 0), coalesce(m.interval_s, -1), coalesce(m.cause, '') COLLATE "C")
"""

METRICS: Final = """
SELECT venue, symbol, origin, name, exchange, event_ns, seen_ns, value, unit, interval_s, cause FROM gateway.metrics
WHERE symbol = $1 AND name = $2 AND ($3::text IS NULL OR exchange = $3) AND ($4::text IS NULL OR venue = $4)
  AND event_ns >= $5 AND event_ns < $6
  AND ($7::bigint IS NULL OR (event_ns, exchange, venue, origin) < ($7, $8::text, $9::text, $10::text))
ORDER BY event_ns DESC, exchange DESC, venue DESC, origin DESC LIMIT $11
"""

NEWEST_METRICS: Final = """
SELECT DISTINCT ON (name, exchange, venue)
       venue, symbol, origin, name, exchange, event_ns, seen_ns, value, unit, interval_s, cause
FROM gateway.metrics WHERE symbol = $1 AND event_ns >= $2 AND ($3::text[] IS NULL OR name = ANY($3))
ORDER BY name, exchange, venue, event_ns DESC, origin
"""

INSTRUMENT: Final = """
INSERT INTO gateway.instruments AS i (venue, symbol, origin, event_ns, seen_ns, status, kind, followed, listed_ns, body)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (symbol, venue) DO UPDATE
SET origin = excluded.origin, event_ns = excluded.event_ns, seen_ns = excluded.seen_ns, status = excluded.status,
    kind = excluded.kind, followed = excluded.followed, listed_ns = excluded.listed_ns, body = excluded.body
WHERE (excluded.event_ns, excluded.body) > (i.event_ns, i.body)
"""

INSTRUMENTS: Final = """
SELECT seen_ns, body FROM gateway.instruments
WHERE ($1::text IS NULL OR symbol = $1) AND ($2::text IS NULL OR venue = $2)
  AND ($3::text IS NULL OR status = $3) AND ($4::text IS NULL OR kind = $4) AND ($5::bool IS NULL OR followed = $5)
  AND ($6::bigint IS NULL OR listed_ns >= $6) AND ($7::text IS NULL OR (symbol, venue) > ($7, $8::text))
ORDER BY symbol, venue LIMIT $9
"""

SYMBOLS: Final = """
SELECT symbol, array_agg(venue ORDER BY venue) AS venues, min(kind) AS kind, bool_or(followed) AS followed,
       max(seen_ns) AS seen_ns
FROM gateway.instruments
WHERE ($1::text IS NULL OR status = $1) AND ($2::text IS NULL OR kind = $2) AND ($3::bool IS NULL OR followed = $3)
  AND ($4::text IS NULL OR venue = $4) AND ($5::text IS NULL OR symbol > $5)
GROUP BY symbol ORDER BY symbol LIMIT $6
"""

VENUES: Final = """
SELECT venue, count(*) AS instruments, count(*) FILTER (WHERE followed) AS followed,
       count(*) FILTER (WHERE status = 'live') AS live, max(seen_ns) AS seen_ns
FROM gateway.instruments GROUP BY venue
"""

QUALITY: Final = """
INSERT INTO gateway.quality AS q (venue, origin, slot_ns, event_ns, seen_ns, grade, body)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (venue, origin, slot_ns) DO UPDATE
SET event_ns = excluded.event_ns, seen_ns = excluded.seen_ns, grade = excluded.grade, body = excluded.body
WHERE (excluded.event_ns, excluded.body) > (q.event_ns, q.body)
"""

QUALITIES: Final = """
SELECT seen_ns, body FROM gateway.quality
WHERE venue = $1 AND event_ns >= $2 AND event_ns < $3
  AND ($4::bigint IS NULL OR (event_ns, origin) < ($4, $5::text))
ORDER BY event_ns DESC, origin DESC LIMIT $6
"""

GAPS: Final = """
SELECT venue, symbol, origin, stream, from_ns, to_ns, event_ns, cause, recovered FROM gateway.gaps
WHERE event_ns >= $1 AND event_ns < $2
  AND ($3::text IS NULL OR symbol = $3) AND ($4::text IS NULL OR venue = $4)
  AND ($5::text IS NULL OR stream = $5) AND ($6::bool IS NULL OR recovered = $6)
  AND ($7::bigint IS NULL
       OR (event_ns, symbol, venue, stream, from_ns) < ($7, $8::text, $9::text, $10::text, $11::bigint))
ORDER BY event_ns DESC, symbol DESC, venue DESC, stream DESC, from_ns DESC LIMIT $12
"""
