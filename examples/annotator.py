"""Draw the README's picture of the annotator: the real page on the example photos, with objects cut out by clicks.

    python examples/annotator.py [--out docs/images/annotator.png]

Needs Chromium (Debian: apt install chromium) and the extra dev.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parent
PHOTO, WIDTH, HEIGHT = "astronaut.png", 512, 512
CLASSES = ("astronaut", "shuttle", "flag", "helmet")
SHUTTLE = ({"x": 412, "y": 160, "positive": True}, {"x": 440, "y": 190, "positive": True})
FLAG = ({"x": 40, "y": 150, "positive": True}, {"x": 30, "y": 60, "positive": True})
HELMET = (
    {"x": 375, "y": 440, "positive": True},
    {"x": 330, "y": 480, "positive": True},
    {"x": 450, "y": 385, "positive": True},
    {"x": 250, "y": 420, "positive": False},
)


def saved(page: Any) -> None:
    """Wait until all is saved."""
    page.locator("#saved").filter(has_text=re.compile("^Saved$")).wait_for()
    page.wait_for_timeout(200)


def click(page: Any, x: float, y: float, positive: bool) -> None:
    """Click on a pixel of the photo, which lies in the middle of the stage at the zoom that is shown."""
    stage = page.locator("#stage").bounding_box()
    scale = int(page.locator("#zoom-level").inner_text().split()[0]) / 100
    across = stage["x"] + stage["width"] / 2 + (x + 0.5 - WIDTH / 2) * scale
    down = stage["y"] + stage["height"] / 2 + (y + 0.5 - HEIGHT / 2) * scale
    page.mouse.click(across, down, button="left" if positive else "right")
    saved(page)


def draw(page: Any, address: str, out: Path) -> None:
    """Cut the objects out and take the picture."""
    page.goto(address)
    page.locator("#photo-name").filter(has_text=PHOTO).wait_for()
    saved(page)
    for name in CLASSES:
        page.locator("#class-add").fill(name)
        page.keyboard.press("Enter")
        page.locator("#class-list").get_by_text(name, exact=True).first.wait_for()
    page.locator("#stage").focus()
    demo = json.loads((EXAMPLES / "clicks.json").read_text("utf-8"))
    astronaut = next(one["clicks"] for one in demo if PHOTO in one["photo"])
    for key, clicks in (("3", SHUTTLE), ("4", FLAG), ("5", HELMET), ("2", astronaut)):
        page.keyboard.press("n")
        page.keyboard.press(key)
        for one in clicks[:-1]:
            click(page, **one)
        page.keyboard.press(">")
        page.keyboard.press(">")
        click(page, **clicks[-1])
        page.keyboard.press("<")
        page.keyboard.press("<")
    page.wait_for_timeout(1500)
    out.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=out)


def main() -> None:
    """Serve a copy of the photos, open the page, draw it."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=Path("docs/images/annotator.png"))
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        photos = shutil.copytree(EXAMPLES / "images", Path(folder) / "photos")
        command = [sys.executable, "-m", "fewclicks", "annotate", str(photos), "--no-browser", "--no-token"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout
            try:
                address = next(line for line in server.stdout if "Annotate at" in line).split()[2]
                browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
                page = browser.new_page(viewport={"width": 1440, "height": 860})
                page.set_default_timeout(120_000)
                draw(page, address, out)
                browser.close()
            finally:
                server.terminate()
    print(f"Drew {out}")


if __name__ == "__main__":
    main()
