"""Findings of a proving run in, a page of Markdown and an exit code out."""

import datetime as dt
import os
import platform
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct


class Finding(Struct, frozen=True):
    """One thing that was to hold."""

    what: str
    wanted: str
    measured: str
    held: bool


def table(findings: Sequence[Finding]) -> str:
    """Return the findings as a table."""
    rows = [f"| {one.what} | {one.wanted} | {one.measured} | {'yes' if one.held else '**no**'} |" for one in findings]
    return "\n".join(["| what | wanted | measured | held |", "|---|---|---|---|", *rows])


def machine() -> str:
    """Return what the run was made on."""
    day = dt.datetime.now(tz=dt.UTC).date()
    cores = os.cpu_count()
    return f"{day}, {cores} cores ({platform.machine()}), {platform.system()}, Python {platform.python_version()}"


def write(path: Path, title: str, parts: Sequence[str]) -> None:
    """Write a page, or replace it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n\n".join([f"# {title}", *parts]) + "\n", encoding="utf-8")
