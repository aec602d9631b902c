"""Takes the README's pictures: runs the sandbox market, waits for a judged signal, photographs the page in Chromium.

`make picture`; needs the system's Chromium and the development dependencies.
"""

import asyncio
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Page, async_playwright

from deploy.local.children import free_port

_ROOT: Final = Path(__file__).resolve().parents[2]
_PICTURES: Final = _ROOT / "docs" / "pictures"
_ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_PATIENCE_S: Final = 240


async def main() -> int:
    """Write docs/pictures/page.png and evidence.png; return 0, or 5 where something needed is missing."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.stderr.write("no Chromium on this machine: install the system's package `chromium`\n")
        return 5
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="csx-picture-") as folder:
        command = [str(Path(sys.executable).parent / "csx"), "up", "--port", str(port), "--data-dir", folder]
        system = await asyncio.create_subprocess_exec(
            *command, cwd=_ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            row = await asyncio.wait_for(_judged(f"http://127.0.0.1:{port}"), _PATIENCE_S)
            async with async_playwright() as playwright:
                chromium = await playwright.chromium.launch(executable_path=browser, args=list(_ARGUMENTS))
                page = await chromium.new_page(viewport={"width": 1360, "height": 1180}, color_scheme="dark")
                await _photograph(page, f"http://127.0.0.1:{port}/", row)
                await chromium.close()
        finally:
            system.send_signal(signal.SIGINT)
            await asyncio.wait_for(system.wait(), 60)
    return 0


async def _judged(url: str) -> dict[str, Any]:
    """Return a published signal as soon as there is one."""
    while True:
        try:
            rows = await asyncio.to_thread(_get, f"{url}/v1/signals?limit=50")
        except OSError:
            rows = []
        published = [row for row in rows if row["decision"] == "publish"]
        if published:
            return dict(max(published, key=lambda row: abs(row["score"])))
        await asyncio.sleep(1)


def _get(url: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  (loopback, our own)
        return list(json.load(answer)["data"])


async def _photograph(page: Page, url: str, row: dict[str, Any]) -> None:
    await page.goto(url)
    await page.get_by_test_id("market-picker").select_option(label=f"{row['symbol']} · {row['venue']}")
    await page.get_by_test_id("reading-cvd").first.wait_for(state="visible")
    await page.get_by_test_id("show-evidence").wait_for(state="visible")
    await page.wait_for_timeout(3_000)  # a few prices, so that the chart's forming bar is drawn
    await page.screenshot(path=_PICTURES / "page.png")
    await page.get_by_test_id("show-evidence").click()
    await page.get_by_test_id("signal-evidence").wait_for(state="visible")
    await page.screenshot(path=_PICTURES / "evidence.png")


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
