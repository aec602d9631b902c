"""Fixtures for every test: where the recordings lie."""

import os
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The shared recordings (`CSX_TEST_DATA`, else ../shared/data); the test is skipped where there are none."""
    folder = Path(os.environ.get("CSX_TEST_DATA", _ROOT.parent / "shared" / "data"))
    if not (folder / "raw").is_dir():
        pytest.skip(f"no recordings in {folder}: set CSX_TEST_DATA")
    return folder
