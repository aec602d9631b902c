"""URLs of our own processes in, subjects of how they fare out, read from what they tell Prometheus.

`read` asks; `Meter` is pure: two texts of one process, and the facts of the catalogue. A fact without a source in that
process is absent: an ingest has no queue, and a process without a limit has no share of it.
"""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from typing import Final

import httpx
from prometheus_client.parser import text_string_to_metric_families

from libs.common.conditions.subjects import Fact, Kind, Subject

log = logging.getLogger(__name__)

ANSWER_BYTES: Final = 4 * 1024 * 1024
_VALID_S: Final = 300

_RESIDENT: Final = "csx_process_resident_bytes"
_LIMIT: Final = "csx_process_memory_limit_bytes"
_UP: Final = "csx_process_up"
_LAG: Final = "csx_bus_lag_records"
_CONSUMED: Final = "csx_bus_consumed_total"
_PARKED: Final = "csx_bus_parked_total"
_REQUESTS: Final = "csx_gateway_requests_total"
_OLDEST: Final = "csx_alerts_oldest_waiting_seconds"
_READ: Final = (_RESIDENT, _LIMIT, _UP, _LAG, _CONSUMED, _PARKED, _REQUESTS, _OLDEST)

Samples = dict[str, list[tuple[Mapping[str, str], float]]]


class Meter:
    """One process: keeps the counters of the last reading, since a rate needs two."""

    def __init__(self, process: str) -> None:
        self._process = process
        self._before: tuple[float, float] | None = None

    def facts(self, text: str | None) -> dict[str, Fact]:
        """Return the facts of one answer of `/metrics`; None: there was no answer.

        Raises:
            ValueError: the text is not in Prometheus' format.
        """
        facts: dict[str, Fact] = {"process": self._process, "up": False}
        if text is None:
            self._before = None  # it may come back with counters of its own
            return facts
        samples = _samples(text)
        facts["up"] = any(value == 1 for _, value in samples.get(_UP, []))
        resident, limit = _sum(samples, _RESIDENT), _sum(samples, _LIMIT)
        if resident is not None and limit:
            facts["memory_share"] = resident / limit
        if (lag := _sum(samples, _LAG)) is not None:
            facts["lag"] = lag
        if ages := [value for _, value in samples.get(_OLDEST, [])]:
            facts["queue_age_s"] = max(ages)
        if (rate := self._error_rate(samples)) is not None:
            facts["error_rate"] = rate
        return {name: value for name, value in facts.items() if not isinstance(value, float) or value - value == 0}

    def _error_rate(self, samples: Samples) -> float | None:
        """Return what failed since the last reading, of what was handled: records parked, requests answered 5xx."""
        requests = samples.get(_REQUESTS, [])
        failed = (_sum(samples, _PARKED) or 0.0) + sum(
            value for labels, value in requests if labels.get("status", "").startswith("5")
        )
        handled = (_sum(samples, _CONSUMED) or 0.0) + sum(value for _, value in requests)
        now, before = (failed, handled), self._before
        self._before = now
        if before is None or now[0] < before[0] or now[1] < before[1]:
            return None  # the first reading, or the process began again
        return (now[0] - before[0]) / (now[1] - before[1]) if now[1] > before[1] else None


class System:
    """All processes that were named, each asked by itself within a time and a size."""

    def __init__(self, urls: Mapping[str, str], *, within_s: float = 3.0) -> None:
        self._urls = dict(urls)
        self._meters = {process: Meter(process) for process in urls}
        self._within_s = within_s

    async def read(self, at_ns: int) -> list[Subject]:
        """Return one subject for each process, in the order of their names."""
        async with httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=self._within_s) as client:
            texts = await asyncio.gather(*(self._ask(client, url) for url in self._urls.values()))
        answers = dict(zip(self._urls, texts, strict=True))
        return [self._subject(process, answers[process], at_ns) for process in sorted(answers)]

    def _subject(self, process: str, text: str | None, at_ns: int) -> Subject:
        try:
            facts = self._meters[process].facts(text)
        except ValueError as e:
            log.warning("metrics that cannot be read", extra={"process_name": process, "reason": str(e)[:200]})
            facts = self._meters[process].facts(None)
        key = f"{Kind.SYSTEM}|{process}"
        return Subject(
            kind=Kind.SYSTEM, venue="system", symbol=process, at_ns=at_ns, facts=facts, key=key, valid_s=_VALID_S
        )

    async def _ask(self, client: httpx.AsyncClient, url: str) -> str | None:
        body = bytearray()
        try:
            async with asyncio.timeout(self._within_s), client.stream("GET", url) as response:
                if response.status_code != 200:
                    return None
                async for chunk in response.aiter_raw(65_536):
                    body += chunk
                    if len(body) > ANSWER_BYTES:
                        log.warning("metrics that are too long", extra={"bytes": len(body)})
                        return None
        except (TimeoutError, OSError, httpx.HTTPError, httpx.InvalidURL) as e:
            log.info("no answer from one of our processes: %s", type(e).__name__)
            return None
        return body.decode("utf-8", "replace")


def _samples(text: str) -> Samples:
    found: Samples = {}
    for family in text_string_to_metric_families("\n".join(_wanted(text))):
        for sample in family.samples:
            if sample.name in _READ:
                found.setdefault(sample.name, []).append((sample.labels, float(sample.value)))
    return found


def _wanted(text: str) -> Iterator[str]:
    """Yield the few lines that are about what is read: parsing all of a gateway's would take the loop's time."""
    for line in text.split("\n"):
        if line.startswith(_READ):
            yield line
    yield ""


def _sum(samples: Samples, name: str) -> float | None:
    rows = samples.get(name)
    return sum(value for _, value in rows) if rows else None
