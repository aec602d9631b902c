"""The SQL of readings, structures and profiles. Every write may be repeated, and may come late."""

from typing import Final

READING: Final = """
INSERT INTO gateway.readings AS r (symbol, venue, origin, layer, timeframe, slot_ns, as_of_ns, seen_ns, score,
                                   confidence, body)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (symbol, venue, origin, layer, timeframe, slot_ns) DO UPDATE
SET as_of_ns = excluded.as_of_ns, seen_ns = excluded.seen_ns, score = excluded.score,
    confidence = excluded.confidence, body = excluded.body
WHERE (excluded.as_of_ns, excluded.body) < (r.as_of_ns, r.body)
"""
"""The first of each slot stays: whoever folds may leave out all that come after it."""

READINGS: Final = """
SELECT seen_ns, body FROM gateway.readings
WHERE symbol = $1 AND venue = $2 AND origin = $3 AND layer = $4 AND timeframe = $5
  AND as_of_ns >= $6 AND as_of_ns < $7 AND slot_ns >= $6 - 60000000000 AND slot_ns < $7
  AND ($8::bigint IS NULL OR as_of_ns < $8)
ORDER BY slot_ns DESC LIMIT $9
"""

STRUCTURE: Final = """
INSERT INTO gateway.structures AS s (symbol, venue, origin, timeframe, mark_id, kind, side, low, high, strength,
                                     formed_ns, known_ns, state, said_ns, seen_ns, states)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, '{}')
ON CONFLICT (symbol, venue, origin, timeframe, mark_id) DO UPDATE
SET kind = excluded.kind, side = excluded.side, low = excluded.low, high = excluded.high,
    strength = excluded.strength, formed_ns = excluded.formed_ns, known_ns = excluded.known_ns,
    state = excluded.state, said_ns = excluded.said_ns, seen_ns = excluded.seen_ns
WHERE (excluded.said_ns, excluded.state COLLATE "C", excluded.strength, excluded.low, excluded.high)
    > (s.said_ns, s.state COLLATE "C", s.strength, s.low, s.high)
"""

STATE: Final = """
UPDATE gateway.structures
SET states = states || jsonb_build_object($6::text, least($7::bigint, (states ->> $6)::bigint))
WHERE symbol = $1 AND venue = $2 AND origin = $3 AND timeframe = $4 AND mark_id = $5
  AND coalesce((states ->> $6)::bigint, 9223372036854775807) > $7
"""

STRUCTURES: Final = """
SELECT timeframe, mark_id, kind, side, low, high, strength, formed_ns, known_ns, state, said_ns, seen_ns,
       states::text AS states
FROM gateway.structures
WHERE symbol = $1 AND venue = $2 AND origin = $3 AND ($4::text IS NULL OR timeframe = $4)
  AND ($5::text IS NULL OR kind = $5) AND ($6::text IS NULL OR state = $6) AND ($7::int IS NULL OR side = $7)
  AND ($8::bigint IS NULL OR (formed_ns, timeframe, mark_id) < ($8, $9::text, $10::text))
ORDER BY formed_ns DESC, timeframe DESC, mark_id DESC LIMIT $11
"""

PROFILE: Final = """
INSERT INTO gateway.profiles AS p (symbol, venue, kind, origin, as_of_ns, seen_ns, body)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (symbol, venue, kind, origin) DO UPDATE
SET as_of_ns = excluded.as_of_ns, seen_ns = excluded.seen_ns, body = excluded.body
WHERE (excluded.as_of_ns, excluded.body) > (p.as_of_ns, p.body)
"""

ONE_PROFILE: Final = """
SELECT seen_ns, body FROM gateway.profiles WHERE symbol = $1 AND venue = $2 AND kind = $3 AND origin = $4
"""
