"""Data of the command line: NDJSON lines to stdout; logs and progress belong on stderr."""

import os
import sys
from typing import NoReturn

from libs.common.bus.codec import encode
from libs.common.events import Event


def emit(line: Event | bytes) -> None:
    """Write one line to stdout; an event becomes its JSON.

    Raises:
        BrokenPipeError: the reader has gone; `closed_pipe` ends the command as a pipe's writer should.
    """
    data = line if isinstance(line, bytes) else encode(line)
    out = sys.stdout.buffer
    out.write(data)
    out.write(b"\n")


def flush() -> None:
    """Push everything out."""
    sys.stdout.buffer.flush()


def closed_pipe() -> NoReturn:
    """End quietly after the reader of our output has gone (`| head`)."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the interpreter's last flush complains
    sys.exit(0)
