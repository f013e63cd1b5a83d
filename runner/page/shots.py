"""The README's pictures, taken of a real report in a headless browser."""

import base64
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from runner.errors import ChainError
from runner.folder import REPORT

FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--force-prefers-reduced-motion")


def open_browser(**capabilities: Any):
    """A headless Chromium that asks the network for nothing."""
    from selenium import webdriver

    driver = shutil.which("chromedriver")
    if driver is None:
        raise ChainError("no chromedriver on this machine: install chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    for flag in FLAGS:
        options.add_argument(flag)
    for name, value in capabilities.items():
        options.set_capability(f"goog:{name}", value)
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))


def take_shots(run_dir: str | os.PathLike, folder: str | os.PathLike) -> list[Path]:
    """Write the main figure (default.png) and the top of the page (report.png) of a run; their paths."""
    folder = Path(folder)
    folder.mkdir(exist_ok=True)
    browser = open_browser()
    try:
        browser.get((Path(run_dir).resolve() / REPORT).as_uri())
        top = {"x": 0, "y": 0, "width": 1200, "height": 1150, "scale": 1}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                {"width": 1200, "height": 1150, "deviceScaleFactor": 1, "mobile": False})
        place = browser.execute_script(
            "const box = document.querySelector('#summary figure img').getBoundingClientRect();"
            "return {x: box.x - 8, y: box.y + scrollY - 8, width: box.width + 16, height: box.height + 16, scale: 2}")
        paths = []
        for name, clip in (("default.png", place), ("report.png", top)):
            shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
            (folder / name).write_bytes(base64.b64decode(shot["data"]))
            paths.append(folder / name)
        return paths
    finally:
        browser.quit()


if __name__ == "__main__":
    print(*take_shots(*sys.argv[1:]), sep="\n")
