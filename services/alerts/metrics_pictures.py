"""What the painter of pictures counts."""

from typing import Final

from prometheus_client import Counter, Histogram

PICTURES: Final = Counter("csx_alerts_pictures_total", "Pictures asked for, by result.", ["result"])
PICTURE_SECONDS: Final = Histogram(
    "csx_alerts_picture_seconds",
    "Drawing one picture, without the wait for the pen.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
