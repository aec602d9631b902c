"""The coverage that must be reached: the data of the last run in, exit 0 or one line a gate that was missed out."""

import io
import sys
from typing import Final

from coverage import Coverage

PURE: Final = (
    "libs/common/events/*",
    "libs/common/bus/topics.py",
    "libs/common/bus/codec.py",
    "services/ingest/vendors/*",
    "services/ingest/venues/*",
    "services/signals/engine/*",
    "services/alerts/policy/*",
    "libs/common/conditions/*",
    "services/gateway/limits/policy.py",
    "services/gateway/limits/local.py",
    "services/gateway/perimeter/proxies.py",
    "services/gateway/schemas/*",
    "services/gateway/store/cursor.py",
    "services/gateway/store/structures.py",
    "services/gateway/stream/envelope.py",
    "services/gateway/stream/index.py",
    "services/gateway/stream/tail.py",
)
GATES: Final[dict[str, tuple[float, tuple[str, ...]]]] = {
    "pure packages": (95.0, PURE),
    "everything": (85.0, ("services/*", "libs/*", "deploy/*")),
}


def main() -> int:
    """Print the report and hold it against the gates."""
    coverage = Coverage()
    coverage.load()
    coverage.report(file=sys.stdout)
    missed = 0
    for name, (least, where) in GATES.items():
        reached = coverage.report(include=list(where), file=io.StringIO())
        word = "reached" if reached >= least else "MISSED"
        missed += reached < least
        sys.stdout.write(f"coverage of {name}: {reached:.2f} %, at least {least:g} % is needed: {word}\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
