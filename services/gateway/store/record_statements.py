"""The SQL of what was said and what became of it: the newest signals, verdicts, outcomes, and the screener's row."""

from typing import Final

LATEST: Final = """
SELECT s.seen_ns, s.body, s.decision, s.rationale, s.judge, s.decided_ns
FROM gateway.markets AS m
CROSS JOIN unnest($1::text[]) AS t (timeframe)
CROSS JOIN LATERAL (
    SELECT seen_ns, body, decision, rationale, judge, decided_ns FROM gateway.signals
    WHERE symbol = m.symbol AND venue = m.venue AND timeframe = t.timeframe AND origin = m.origin
    ORDER BY as_of_ns DESC, signal_id DESC LIMIT 1
) AS s
WHERE ($2::text IS NULL OR m.symbol = $2) AND ($3::text IS NULL OR m.venue = $3)
  AND ($4::text IS NULL OR (m.symbol, m.venue, t.timeframe) > ($4, $5::text, $6::text))
ORDER BY m.symbol, m.venue, t.timeframe LIMIT $7
"""

PROOF: Final = """
SELECT seen_ns, body, decision, rationale, judge, decided_ns, topic_partition, topic_offset, content_hash
FROM gateway.signals WHERE signal_id = $1
"""

VERDICTS: Final = """
SELECT signal_id, venue, symbol, timeframe, origin, decision, rationale, judge, decided_ns, seen_ns
FROM gateway.signals
WHERE decided_ns IS NOT NULL AND decided_ns >= $1 AND decided_ns < $2
  AND ($3::text IS NULL OR symbol = $3) AND ($4::text IS NULL OR venue = $4)
  AND ($5::text IS NULL OR timeframe = $5) AND ($6::text IS NULL OR decision = $6)
  AND ($7::bigint IS NULL OR (decided_ns, signal_id) < ($7, $8::text))
ORDER BY decided_ns DESC, signal_id DESC LIMIT $9
"""

OUTCOMES: Final = """
SELECT signal_id, venue, symbol, timeframe, origin, resolved_ns, seen_ns, barrier, r_multiple, mfe, mae
FROM gateway.outcomes
WHERE resolved_ns >= $1 AND resolved_ns < $2
  AND ($3::text IS NULL OR symbol = $3) AND ($4::text IS NULL OR venue = $4)
  AND ($5::text IS NULL OR timeframe = $5) AND ($6::text IS NULL OR origin = $6)
  AND ($7::text IS NULL OR barrier = $7)
  AND ($8::bigint IS NULL OR (resolved_ns, signal_id) < ($8, $9::text))
ORDER BY resolved_ns DESC, signal_id DESC LIMIT $10
"""

OUTCOMES_AT_ALL: Final = "SELECT EXISTS (SELECT FROM gateway.outcomes)"

TALLIES: Final = """
SELECT timeframe, count(*) AS outcomes,
       count(*) FILTER (WHERE barrier = 'target') AS targets, count(*) FILTER (WHERE barrier = 'stop') AS stops,
       count(*) FILTER (WHERE barrier = 'expiry') AS expiries,
       count(*) FILTER (WHERE barrier = 'unresolved') AS unresolved,
       count(r_multiple) AS n, count(*) FILTER (WHERE r_multiple > 0) AS wins, sum(r_multiple) AS r_sum,
       count(mfe) AS mfe_n, sum(mfe) AS mfe_sum, count(mae) AS mae_n, sum(mae) AS mae_sum
FROM gateway.outcomes
WHERE resolved_ns >= $1 AND resolved_ns < $2
  AND ($3::text IS NULL OR symbol = $3) AND ($4::text IS NULL OR venue = $4)
  AND ($5::text IS NULL OR timeframe = $5) AND ($6::text IS NULL OR origin = $6)
GROUP BY timeframe
"""

SAID: Final = """
SELECT timeframe, count(*) AS signals, count(*) FILTER (WHERE direction = 'neutral') AS neutral,
       count(*) FILTER (WHERE decision = 'publish') AS published,
       count(*) FILTER (WHERE decision = 'withhold') AS withheld
FROM gateway.signals
WHERE as_of_ns >= $1 AND as_of_ns < $2
  AND ($3::text IS NULL OR symbol = $3) AND ($4::text IS NULL OR venue = $4)
  AND ($5::text IS NULL OR timeframe = $5) AND ($6::text IS NULL OR origin = $6)
GROUP BY timeframe
"""

SCREEN: Final = """
SELECT m.venue, m.symbol, m.origin, m.event_ns, m.seen_ns,
       s.body AS signal, s.decision, s.seen_ns AS signal_seen_ns,
       f.rate AS funding_rate, k.price AS mark_price, k.index_price,
       o.contracts AS open_interest_contracts, o.base AS open_interest_base, o.notional AS open_interest_notional
FROM gateway.markets AS m
LEFT JOIN LATERAL (
    SELECT body, decision, seen_ns FROM gateway.signals
    WHERE symbol = m.symbol AND venue = m.venue AND timeframe = $1 AND origin = m.origin
    ORDER BY as_of_ns DESC, signal_id DESC LIMIT 1
) AS s ON true
LEFT JOIN LATERAL (
    SELECT rate FROM gateway.funding
    WHERE symbol = m.symbol AND venue = m.venue AND origin = m.origin ORDER BY slot_ns DESC LIMIT 1
) AS f ON true
LEFT JOIN LATERAL (
    SELECT price, index_price FROM gateway.marks
    WHERE symbol = m.symbol AND venue = m.venue AND origin = m.origin ORDER BY slot_ns DESC LIMIT 1
) AS k ON true
LEFT JOIN LATERAL (
    SELECT contracts, base, notional FROM gateway.open_interest
    WHERE symbol = m.symbol AND venue = m.venue AND origin = m.origin ORDER BY slot_ns DESC LIMIT 1
) AS o ON true
WHERE ($2::text IS NULL OR m.venue = $2)
ORDER BY m.symbol, m.venue
"""
