"""What the limits count."""

from typing import Final

from prometheus_client import Counter, Gauge

TAKEN: Final = Counter("csx_gateway_limit_taken_total", "Requests put before their buckets.", ["decided_by"])
REFUSED: Final = Counter("csx_gateway_limit_refused_total", "Requests that a bucket had no room for.", ["policy"])
CALLS: Final = Counter("csx_gateway_limit_calls_total", "Calls to Redis; each answers for all requests that waited.")
FAULTS: Final = Counter("csx_gateway_limit_faults_total", "Calls to Redis that failed.")
DEGRADED: Final = Gauge("csx_gateway_limit_degraded", "1 while Redis is away and this process limits alone.")
