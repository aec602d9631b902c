"""A browser for tests of the page: the system's Chromium, driven by Playwright; `tests/conftest.py` gives it to all."""

import os
import shutil
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext

QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-extensions", "--mute-audio",
)  # fmt: skip


@pytest.fixture
async def chromium() -> "AsyncIterator[BrowserContext]":
    """A fresh browser context; skipped without a browser, unless CSX_REQUIRE_BROWSER says that this is a failure."""
    from playwright.async_api import async_playwright

    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        reason = "no Chromium on this machine: install the system's package `chromium`"
        if os.environ.get("CSX_REQUIRE_BROWSER"):
            pytest.fail(reason)
        pytest.skip(reason)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(QUIET))
        context = await browser.new_context(viewport={"width": 1360, "height": 900})
        yield context
        await browser.close()
