"""The annotator as its user feels it: the real page in Chromium, the real server, the default model, on this machine.

    python benchmarks/page.py [--json out/page.json]

Run it on a machine that does nothing else. Needs Chromium (Debian: apt install chromium) and the extra dev. A click is
timed from the event of the mouse to the second frame after its mask is there; photos from the request to the same.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

import PIL.Image

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync", "--no-first-run"]
PHOTO = Path(__file__).parents[1] / "examples" / "images" / "astronaut.png"
SIZES = {"small.jpg": (854, 480), "big-1.jpg": (4000, 3000), "big-2.jpg": (4000, 3000), "many.jpg": (4000, 3000)}
CLICKS = 24
OBJECTS = 500
SECONDS = 5
WATCH = """() => {
    window.times = [];
    let start = 0;
    document.getElementById('stage').addEventListener('pointerdown', (event) => { start = event.timeStamp; }, true);
    new MutationObserver(() => {
        if (document.getElementById('saved').textContent !== 'Saved' || !start) return;
        const began = start;
        start = 0;
        requestAnimationFrame(() => requestAnimationFrame((now) => window.times.push(now - began)));
    }).observe(document.getElementById('saved'), { childList: true, characterData: true, subtree: true });
}"""
FRAMES = """() => {
    window.frames_ = [];
    const frame = (now) => { window.frames_.push(now); window.stop_ || requestAnimationFrame(frame); };
    window.stop_ = false;
    requestAnimationFrame(frame);
}"""
OPENED = """async ([name, objects]) => {
    const photo = document.getElementById('photo');
    const text = (id) => document.getElementById(id).textContent;
    const frame = () => new Promise(requestAnimationFrame);
    const drawn = () => photo.getContext('2d').getImageData(photo.width / 2, photo.height / 2, 1, 1).data[3];
    while (text('photo-name') !== name || text('object-count') !== objects) await frame();
    await frame();
    while (!drawn()) await frame();
    return performance.now() - (window.chosen ?? 0);
}"""
CHOSEN = """() => document.getElementById('photo-list').addEventListener('pointerdown', (event) => {
    window.chosen = event.timeStamp;
}, true)"""


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, int]]:
    """The address of the server of a folder, and its process id."""
    command = [sys.executable, "-m", "fewclicks", "annotate", str(folder), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            line = next(line for line in server.stdout if "Annotate at" in line)
            yield line.split()[2], server.pid
        finally:
            server.terminate()


def make_photos(folder: Path) -> None:
    """Photos of each size, all of the same astronaut."""
    for name, size in SIZES.items():
        PIL.Image.open(PHOTO).resize(size, PIL.Image.Resampling.BICUBIC).save(folder / name, quality=92)


def many_objects(name: str, size: tuple[int, int]) -> dict[str, Any]:
    """A COCO document of 500 stars that overlap here and there."""
    annotations = []
    for i in range(OBJECTS):
        x, y = size[0] * ((i * 0.618) % 1), size[1] * ((i + 0.5) / OBJECTS)
        radii = [(60 + i % 7 * 12) * (1 if k % 2 else 0.5) for k in range(16)]
        star = [(x + r * math.cos(k * math.pi / 8), y + r * math.sin(k * math.pi / 8)) for k, r in enumerate(radii)]
        flat = [round(value, 1) for point in star for value in point]
        ids = {"id": i + 1, "image_id": 1, "category_id": i % 5 + 1, "iscrowd": 0}
        annotations.append({**ids, "segmentation": [flat]})
    image = {"id": 1, "file_name": name, "width": size[0], "height": size[1]}
    categories = [{"id": k + 1, "name": f"class {k + 1}"} for k in range(5)]
    return {"images": [image], "categories": categories, "annotations": annotations}


def is_saved(page: Page) -> None:
    """Wait until all is saved and drawn."""
    page.locator("#saved").filter(has_text=re.compile("^Saved$")).wait_for(state="attached")
    page.wait_for_timeout(100)


def times_of_clicks(page: Page) -> dict[str, float]:
    """Milliseconds from the click to the painted mask, and of them in the server, on four objects of the open photo."""
    page.evaluate("window.times = []")
    server = []
    stage = page.locator("#stage").bounding_box()
    assert stage
    for i in range(CLICKS):
        across, down = 0.3 + 0.4 * ((i * 0.618) % 1), 0.3 + 0.4 * ((i * 0.367) % 1)
        place = stage["x"] + across * stage["width"], stage["y"] + down * stage["height"]
        page.keyboard.press("n") if i % 6 == 0 else None
        page.mouse.click(*place, button="right" if i % 3 == 2 else "left")
        is_saved(page)
        server.append(int(page.locator("#latency").inner_text().split()[0]))
    page.keyboard.press("Enter")
    is_saved(page)
    times = page.evaluate("window.times")
    assert len(times) == CLICKS
    return {"median_ms": median(times), "p95_ms": quantiles(times, n=20)[-1], "server_median_ms": median(server)}


def opening(page: Page, name: str, objects: str = "") -> float:
    """Milliseconds until the photo and its objects are there after it was chosen in the list."""
    page.locator("#photo-list .row").filter(has_text=name).click(no_wait_after=True)
    return float(page.evaluate(OPENED, [name, objects]))


def frames(page: Page, zoomed: bool) -> float:
    """Frames a second while the photo is moved and zoomed."""
    stage = page.locator("#stage").bounding_box()
    assert stage
    x, y = stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2
    page.keyboard.press("z" if zoomed else "f")
    page.wait_for_timeout(1000)
    page.mouse.move(x, y)
    page.evaluate(FRAMES)
    page.mouse.down(button="middle")
    end, step = time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        step += 1
        page.mouse.move(x + 200 * math.sin(step / 20), y + 120 * math.sin(step / 13))
        if step % 10 == 0:
            page.mouse.wheel(0, 120 if step % 20 else -120)
    page.mouse.up(button="middle")
    page.evaluate("window.stop_ = true")
    stamps = page.evaluate("window.frames_")
    return 1000 * (len(stamps) - 1) / (stamps[-1] - stamps[0])


def memory_mb(process: int) -> float:
    """Resident memory of a process."""
    text = Path(f"/proc/{process}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) / 1024


def post(address: str, body: dict[str, Any]) -> None:
    """Import a COCO document."""
    data = json.dumps(body).encode()
    headers = {"Content-Type": "application/octet-stream"}
    urllib.request.urlopen(
        urllib.request.Request(f"{address}api/v1/import?name=coco.json", data, headers), timeout=600
    ).read()


def measured(folder: Path) -> dict[str, Any]:
    """All numbers of the page."""
    from playwright.sync_api import sync_playwright

    make_photos(folder)
    found: dict[str, Any] = {}
    with served(folder) as (address, process), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(120_000)
        page.goto(address, wait_until="domcontentloaded")
        found["first photo (12 MP), from the start of the page"] = {"ms": page.evaluate(OPENED, ["big-1.jpg", ""])}
        page.evaluate(CHOSEN)
        page.evaluate(WATCH)
        page.wait_for_timeout(3000)
        found["next photo (12 MP), prepared"] = {"ms": opening(page, "big-2.jpg")}
        found["clicks on 12 MP"] = times_of_clicks(page)
        found["opening many.jpg (12 MP)"] = {"ms": opening(page, "many.jpg")}
        found["opening small.jpg"] = {"ms": opening(page, "small.jpg")}
        found["clicks on 480x854"] = times_of_clicks(page)
        post(address, many_objects("many.jpg", SIZES["many.jpg"]))
        found[f"opening {OBJECTS} objects"] = {"ms": opening(page, "many.jpg", str(OBJECTS))}
        page.wait_for_timeout(2000)
        found[f"{OBJECTS} objects, moving at fit"] = {"frames_per_s": frames(page, zoomed=False)}
        found[f"{OBJECTS} objects, moving at 100 %"] = {"frames_per_s": frames(page, zoomed=True)}
        found["server"] = {"memory_mb": memory_mb(process)}
        browser.close()
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Path(folder))
    for what, numbers in found.items():
        print(f"{what:45}", ", ".join(f"{name} {value:.1f}" for name, value in numbers.items()))
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
