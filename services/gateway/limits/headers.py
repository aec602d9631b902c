"""Limits as clients read them: buckets and an admission in, RateLimit-Policy, RateLimit and Retry-After out.

Field names and syntax: draft-ietf-httpapi-ratelimit-headers-10.
"""

from functools import lru_cache

from services.gateway.limits.policy import Admission, Bucket


def headers(buckets: tuple[Bucket, ...], admission: Admission) -> dict[str, str]:
    """Return the fields of one answer; of buckets only looked at nothing is said."""
    tightest, least = -1, 2.0
    for i, bucket in enumerate(buckets):
        if bucket.cost and (share := admission.remaining[i] / bucket.quota) <= least:
            tightest, least = i, share
    if tightest < 0:
        return {}
    remaining, reset_s = admission.remaining[tightest], admission.reset_s[tightest]
    found = {
        "RateLimit-Policy": policies(buckets),
        "RateLimit": f'"{buckets[tightest].policy}";r={remaining};t={reset_s}',
    }
    if not admission.admitted:
        found["Retry-After"] = str(admission.retry_after_s)
    return found


@lru_cache(maxsize=1024)
def policies(buckets: tuple[Bucket, ...]) -> str:
    """Return the `RateLimit-Policy` field: name, quota and window in seconds of what is spent."""
    return ", ".join(f'"{one.policy}";q={one.quota};w={one.window_s}' for one in buckets if one.cost)
