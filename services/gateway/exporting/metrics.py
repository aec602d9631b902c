"""What files are counted by."""

from typing import Final

from prometheus_client import Counter

STARTED: Final = Counter("csx_gateway_exports_started_total", "Files begun.", ["dataset", "format"])
FINISHED: Final = Counter("csx_gateway_exports_finished_total", "Files made to their end.", ["dataset", "format"])
