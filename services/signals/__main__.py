"""`python -m services.signals`: the signals service, configured by its environment."""

import functools
import sys

from libs.common.runtime.errors import CsxError
from libs.common.runtime.process import run
from libs.common.runtime.settings import load
from services.signals.app import main
from services.signals.settings import Settings

if __name__ == "__main__":
    try:
        settings = load(Settings)
    except CsxError as e:
        sys.stderr.write(f"csx signals: {e}\n")
        sys.exit(e.exit_code)
    run("signals", settings, functools.partial(main, settings=settings))
