"""The SQL of the gateway. Every write may be repeated: what is older never replaces what is newer."""

from typing import Final

MARKET: Final = """
INSERT INTO gateway.markets AS m (symbol, venue, origin, event_ns, seen_ns) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (symbol, venue) DO UPDATE
SET origin = excluded.origin,
    event_ns = CASE WHEN m.origin = excluded.origin THEN greatest(m.event_ns, excluded.event_ns)
                    ELSE excluded.event_ns END,
    seen_ns = excluded.seen_ns
WHERE m.seen_ns <= excluded.seen_ns
"""

MARKETS: Final = """
SELECT venue, symbol, origin, event_ns, seen_ns FROM gateway.markets
WHERE $1::text IS NULL OR symbol = $1 ORDER BY symbol, venue
"""

CANDLE: Final = """
INSERT INTO gateway.candles AS c (venue, symbol, timeframe, origin, open_ns, source, event_ns, open, high, low, close,
                                  volume, taker_buy_volume, trades, closed, complete)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
ON CONFLICT (symbol, venue, timeframe, origin, open_ns, source) DO UPDATE
SET event_ns = excluded.event_ns, open = excluded.open, high = excluded.high, low = excluded.low,
    close = excluded.close, volume = excluded.volume, taker_buy_volume = excluded.taker_buy_volume,
    trades = excluded.trades, closed = excluded.closed, complete = excluded.complete
WHERE (excluded.closed, excluded.event_ns) >= (c.closed, c.event_ns)
"""

CANDLES: Final = """
SELECT DISTINCT ON (open_ns) origin, open_ns, source, event_ns, open, high, low, close, volume, taker_buy_volume,
       trades::int8 AS trades, closed, complete
FROM gateway.candles
WHERE symbol = $1 AND venue = $2 AND timeframe = $3 AND origin = $4 AND open_ns >= $5 AND open_ns < $6
ORDER BY open_ns DESC, closed DESC, source = 'rest' DESC
LIMIT $7
"""

SIGNAL: Final = """
INSERT INTO gateway.signals AS s (signal_id, venue, symbol, timeframe, origin, direction, as_of_ns, seen_ns, body,
                                  topic_partition, topic_offset, content_hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (signal_id) DO UPDATE
SET topic_partition = excluded.topic_partition, topic_offset = excluded.topic_offset,
    content_hash = excluded.content_hash
WHERE s.topic_offset IS NULL
RETURNING $13::int AS n, xmax = 0 AS inserted
"""
"""Its verdict may have come first: then only its place is new."""

VERDICT: Final = """
INSERT INTO gateway.signals AS s (signal_id, venue, symbol, timeframe, origin, direction, as_of_ns, seen_ns, body,
                                  decision, rationale, judge, decided_ns)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (signal_id) DO UPDATE
SET decision = excluded.decision, rationale = excluded.rationale, judge = excluded.judge,
    decided_ns = excluded.decided_ns
WHERE s.decided_ns IS NULL OR s.decided_ns < excluded.decided_ns
RETURNING $14::int AS n, xmax = 0 AS inserted
"""

OUTCOME: Final = """
INSERT INTO gateway.outcomes AS o (signal_id, venue, symbol, timeframe, origin, resolved_ns, seen_ns, barrier,
                                   r_multiple, mfe, mae)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (signal_id) DO UPDATE
SET resolved_ns = excluded.resolved_ns, seen_ns = excluded.seen_ns, barrier = excluded.barrier,
    r_multiple = excluded.r_multiple, mfe = excluded.mfe, mae = excluded.mae
WHERE o.resolved_ns < excluded.resolved_ns
RETURNING $12::int AS n
"""

SIGNALS: Final = """
SELECT seen_ns, body, decision, rationale, judge, decided_ns FROM gateway.signals
WHERE ($1::text IS NULL OR symbol = $1)
  AND ($2::text IS NULL OR venue = $2)
  AND ($3::text IS NULL OR timeframe = $3)
  AND ($4::text IS NULL OR direction = $4)
  AND ($5::text IS NULL OR origin = $5)
  AND ($6::bigint IS NULL OR as_of_ns >= $6)
  AND ($7::bigint IS NULL OR as_of_ns < $7)
  AND ($8::bigint IS NULL OR (as_of_ns, signal_id) < ($8, $9::text))
ORDER BY as_of_ns DESC, signal_id DESC
LIMIT $10
"""

SIGNAL_BY_ID: Final = """
SELECT seen_ns, body, decision, rationale, judge, decided_ns FROM gateway.signals WHERE signal_id = $1
"""

DELIVERY: Final = """
INSERT INTO gateway.deliveries AS d (alert_id, signal_id, channel, recipient, state, attempts, at_ns, message_id,
                                     reason, origin)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (alert_id) DO UPDATE
SET state = excluded.state, attempts = excluded.attempts, at_ns = excluded.at_ns,
    message_id = excluded.message_id, reason = excluded.reason
WHERE d.at_ns < excluded.at_ns
RETURNING $11::int AS n,
          (SELECT coalesce(string_agg(owner, ' ' ORDER BY owner), '') FROM gateway.recipients AS r
           WHERE r.channel = d.channel AND r.recipient = d.recipient AND r.approved_ns IS NOT NULL) AS owner
"""

DELIVERIES: Final = """
SELECT alert_id, signal_id, channel, recipient, state, attempts, at_ns, message_id, reason, origin
FROM gateway.deliveries WHERE signal_id = $1 ORDER BY at_ns, alert_id
"""

DELIVERY_COUNTS: Final = "SELECT state, count(*) AS n FROM gateway.deliveries GROUP BY state"

GAP: Final = """
INSERT INTO gateway.gaps AS g (venue, symbol, stream, from_ns, to_ns, event_ns, cause, recovered, origin)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (symbol, venue, stream, from_ns) DO UPDATE
SET to_ns = greatest(g.to_ns, excluded.to_ns), event_ns = greatest(g.event_ns, excluded.event_ns),
    recovered = g.recovered OR excluded.recovered
"""

GAP_COUNTS: Final = """
SELECT venue, symbol, stream, count(*) AS gaps, count(*) FILTER (WHERE NOT recovered) AS open
FROM gateway.gaps GROUP BY venue, symbol, stream
"""
