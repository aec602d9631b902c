"""Takes the pictures of docs/howto-alerts.md: the scenes of a new subscriber's chat, photographed in Chromium.

`make chats`; needs the system's Chromium and the development dependencies. The market is invented, and says so.
"""

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from playwright.async_api import async_playwright

from deploy.local.chat_cards import Item, page
from deploy.local.chat_scenes import played

_PICTURES: Final = Path(__file__).resolve().parents[2] / "docs" / "pictures"
_ARGUMENTS: Final = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")


async def photograph(browser: str, found: dict[str, list[Item]]) -> None:
    """Write one picture of each scene."""
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=browser, args=list(_ARGUMENTS))
        for name, items in found.items():
            sheet = await chromium.new_page(viewport={"width": 494, "height": 800}, device_scale_factor=1.25)
            await sheet.set_content(page(items))
            await sheet.locator(".chat").screenshot(path=_PICTURES / f"{name}.png")
            await sheet.close()
        await chromium.close()


def main() -> int:
    """Write the pictures; return 0, or 5 where something needed is missing."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.stderr.write("no Chromium on this machine: install the system's package `chromium`\n")
        return 5
    with tempfile.TemporaryDirectory(prefix="csx-chats-") as folder:
        found = asyncio.run(played(Path(folder)))
    asyncio.run(photograph(browser, found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
