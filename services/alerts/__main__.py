"""`python -m services.alerts`: run the service until SIGTERM."""

import sys

from libs.common.runtime.errors import CsxError
from libs.common.runtime.process import Process, run
from libs.common.runtime.settings import load
from services.alerts.app import build
from services.alerts.settings import Settings


def main() -> None:
    """Read the settings and serve; settings that cannot work end with exit 3 and one line."""
    try:
        settings = load(Settings)
    except CsxError as e:
        sys.stderr.write(f"alerts: {e}\n")
        sys.exit(e.exit_code)

    async def serve(process: Process) -> None:
        await build(process, settings)

    run("alerts", settings, serve)


if __name__ == "__main__":
    main()
