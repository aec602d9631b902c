"""Small state files: text in, the old or the new text on disk, never half of either."""

import os
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Replace `path` by `text`, synced, in one step."""
    fresh = path.with_name(path.name + ".new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
