"""`python -m services.gateway`: the gateway as a process."""

import logging
import sys

from libs.common.runtime.errors import CsxError
from libs.common.runtime.process import Process, run
from libs.common.runtime.settings import load
from services.gateway.app import main
from services.gateway.settings import Settings


def start() -> None:
    """Read the settings and serve until told to stop."""
    try:
        settings = load(Settings)
    except CsxError as e:
        logging.basicConfig(format="%(message)s")
        logging.getLogger(__name__).critical("gateway: %s", e)
        sys.exit(e.exit_code)

    async def service(process: Process) -> None:
        await main(process, settings)

    run("gateway", settings, service)


if __name__ == "__main__":
    start()
