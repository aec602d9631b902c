"""`python -m services.ingest`: one venue's ingest, configured by its environment, until SIGTERM."""

import functools
import sys

from libs.common.runtime.errors import CsxError
from libs.common.runtime.process import run
from libs.common.runtime.settings import load
from services.ingest.app import main
from services.ingest.settings import Settings

if __name__ == "__main__":
    try:
        loaded = load(Settings)
    except CsxError as e:
        sys.stderr.write(f"ingest: {e}\n")
        sys.exit(e.exit_code)
    run("ingest", loaded, functools.partial(main, settings=loaded))
