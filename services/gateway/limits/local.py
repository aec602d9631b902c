"""The same buckets in this process alone, while Redis is away: time and buckets in, an admission out."""

from collections import OrderedDict
from typing import Final

from services.gateway.limits.policy import MICROSECONDS, Admission, Bucket

_SUBJECTS: Final = 20_000


class LocalBuckets:
    """Generic cell rate algorithm; each quota is divided by the replicas, so that all together admit no more.

    Bounded: beyond `subjects` the bucket that was asked for longest ago is forgotten, which is to say full.
    """

    def __init__(self, replicas: int = 1, *, subjects: int = _SUBJECTS) -> None:
        self._replicas = replicas
        self._subjects = subjects
        self._empty_until_us: OrderedDict[str, int] = OrderedDict()

    def take(self, buckets: tuple[Bucket, ...], now_us: int) -> Admission:
        """Take of all buckets or of none."""
        remaining, reset_s, kept, wait_us = [], [], [], 0
        rows = [self._row(bucket, now_us) for bucket in buckets]
        for bucket, (emission_us, tolerance_us, held_us) in zip(buckets, rows, strict=True):
            if bucket.cost:
                wait_us = max(wait_us, held_us + emission_us * bucket.cost - now_us - tolerance_us)
        admitted = wait_us <= 0
        for bucket, (emission_us, tolerance_us, held_us) in zip(buckets, rows, strict=True):
            then_us = held_us + emission_us * bucket.cost if admitted else held_us
            if admitted and bucket.cost:
                kept.append((bucket.key, then_us))
            remaining.append((tolerance_us - (then_us - now_us)) // emission_us)
            reset_s.append(-((now_us - then_us) // MICROSECONDS))
        for key, then_us in kept:
            self._empty_until_us[key] = then_us
            self._empty_until_us.move_to_end(key)
        while len(self._empty_until_us) > self._subjects:
            self._empty_until_us.popitem(last=False)
        return Admission(
            admitted,
            tuple(remaining),
            tuple(reset_s),
            retry_after_s=0 if admitted else seconds(wait_us),
            degraded=True,
        )

    def _row(self, bucket: Bucket, now_us: int) -> tuple[int, int, int]:
        quota = max(1, bucket.quota // self._replicas)
        emission_us = bucket.window_s * MICROSECONDS // quota
        tolerance_us = emission_us * quota
        at_us = self._empty_until_us.get(bucket.key, 0)
        return emission_us, tolerance_us, min(max(at_us, now_us), now_us + tolerance_us)


def seconds(wait_us: int) -> int:
    """Return whole seconds after which the wait is over; one at least."""
    return max(1, -(-wait_us // MICROSECONDS))
