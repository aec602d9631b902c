"""Limits as clients read them: buckets and an admission in, RateLimit-Policy, RateLimit and Retry-After out.

Field names and syntax: draft-ietf-httpapi-ratelimit-headers-10.
"""

from functools import lru_cache

from services.gateway.limits.policy import Admission, Bucket


def headers(buckets: tuple[Bucket, ...], admission: Admission) -> dict[str, str]:
    """Return the fields of one answer; of buckets only looked at nothing is said."""
    spent = [i for i, bucket in enumerate(buckets) if bucket.cost]
    if not spent:
        return {}
    tightest = min(spent, key=lambda i: (admission.remaining[i] / buckets[i].quota, -admission.reset_s[i]))
    found = {
        "RateLimit-Policy": policies(tuple((buckets[i].policy, buckets[i].quota, buckets[i].window_s) for i in spent)),
        "RateLimit": (
            f'"{buckets[tightest].policy}";r={admission.remaining[tightest]};t={admission.reset_s[tightest]}'
        ),
    }
    if not admission.admitted:
        found["Retry-After"] = str(admission.retry_after_s)
    return found


@lru_cache(maxsize=512)
def policies(rows: tuple[tuple[str, int, int], ...]) -> str:
    """Return the `RateLimit-Policy` field of (name, quota, window in seconds)."""
    return ", ".join(f'"{name}";q={quota};w={window_s}' for name, quota, window_s in rows)
