"""The annotator as its user feels it: the real page in Chromium, the real server, the default model, on this machine.

    python benchmarks/page.py [--json results/annotator_page.json]

Run it on a machine that does nothing else. Needs Chromium (Debian: apt install chromium) and the extra dev. A click is
timed from the event of the mouse to the second frame after its mask is there: six at an object, of which the first is
refined once, and every third says "not here". A preview is timed from the move of the pointer to the same, a photo from
the click on its row, the start from the command to the photo, in a browser that runs already. `cold` is a photo that
nobody has looked at, `prepared` the one after the open one. Frames are those that Chromium without a GPU draws while
the photo is dragged and zoomed. The table says what was wanted, and whether it was reached.
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
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

import PIL.Image

from fewclicks.files.replace import write_json

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync", "--no-first-run"]
PHOTO = Path(__file__).parents[1] / "examples" / "images" / "astronaut.png"
SMALL, BIG = (854, 480), (4000, 3000)
SIZES = {
    "1-first.jpg": BIG,
    "2-next.jpg": BIG,
    "3-small.jpg": SMALL,
    "4-cold.jpg": BIG,
    "5-small.jpg": SMALL,
    "6-cold.jpg": BIG,
    "7-small.jpg": SMALL,
    "8-cold.jpg": BIG,
    "9-many.jpg": BIG,
}
CLICKS = 48
REST_MS = 500
"""Before a click, in a second run of them: a hand that aims rests, and what a click would give is shown meanwhile."""
HELD_MS = 80
"""In a third run of them: so long a hand holds the button. The time is then that from its release."""
OBJECTS = 500
SECONDS = 5
WANTED = {
    "start, first photo 480x854": {"ms": 2000},
    "start, first photo 12 MP": {"ms": 2000},
    "opening 12 MP, cold": {"median_ms": 1500},
    "opening 12 MP, prepared": {"median_ms": 400},
    "clicks on 480x854": {"median_ms": 60, "p95_ms": 300},
    "clicks on 480x854 after a rest": {"median_ms": 60, "p95_ms": 300},
    "clicks on 480x854, held, from the release": {"median_ms": 60, "p95_ms": 300},
    "clicks on 12 MP": {"median_ms": 120, "p95_ms": 600},
    "clicks on 12 MP after a rest": {"median_ms": 120, "p95_ms": 600},
    "clicks on 12 MP, held, from the release": {"median_ms": 120, "p95_ms": 600},
    "previews on 480x854": {"median_ms": 60},
    "previews on 12 MP": {"median_ms": 60},
    "500 objects, dragged and zoomed at fit": {"frames_per_s": 30},
    "500 objects, dragged and zoomed at 100 %": {"frames_per_s": 30},
    "500 objects, the same with one in hand": {"frames_per_s": 30},
    "server with 500 objects": {"memory_mb": 400, "peak_mb": 800},
}
"""At most so much; of frames at least."""
WATCH = """() => {
    window.times = [];
    window.timedFrom = 'pointerdown';
    let start = 0;
    const begin = (event) => { if (event.type === window.timedFrom) start = event.timeStamp; };
    const stage = document.getElementById('stage');
    for (const kind of ['pointerdown', 'pointerup']) stage.addEventListener(kind, begin, true);
    new MutationObserver(() => {
        if (document.getElementById('saved').textContent !== 'Saved' || !start) return;
        const began = start;
        start = 0;
        requestAnimationFrame(() => requestAnimationFrame((now) => window.times.push(now - began)));
    }).observe(document.getElementById('saved'), { childList: true, characterData: true, subtree: true });
}"""
GLIMPSE = """() => {
    window.glimpses = [];
    let start = 0;
    document.getElementById('stage').addEventListener('pointermove', (event) => { start = event.timeStamp; }, true);
    new PerformanceObserver((list) => {
        if (!start || !list.getEntries().some((entry) => entry.name.endsWith('/preview'))) return;
        const began = start;
        start = 0;
        requestAnimationFrame(() => requestAnimationFrame((now) => window.glimpses.push(now - began)));
    }).observe({ type: 'resource' });
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


NO_TOUR = "localStorage.setItem('fewclicks.tour', 'done')"
"""The steps of a first visit would lie on the photo."""


@contextmanager
def served(folder: Path, *options: str) -> Iterator[tuple[str, int]]:
    """The address of the server of a folder, and its process id."""
    command = [sys.executable, "-m", "fewclicks", "annotate", str(folder), "--no-browser", "--no-token", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            line = next(line for line in server.stdout if "Annotate at" in line)
            yield line.split()[2], server.pid
        finally:
            server.terminate()


def make_photos(folder: Path, sizes: dict[str, tuple[int, int]] = SIZES) -> Path:
    """Photos of each size, all of the same astronaut."""
    folder.mkdir(exist_ok=True)
    for name, size in sizes.items():
        PIL.Image.open(PHOTO).resize(size, PIL.Image.Resampling.BICUBIC).save(folder / name, quality=92)
    return folder


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


def times_of_clicks(page: Page, rest_ms: int = 0, held_ms: int = 0) -> dict[str, float]:
    """Milliseconds from the click to the painted mask, and of them in the server, on objects of the open photo.

    The pointer rests before it clicks for `rest_ms`, and holds the button for `held_ms`, from whose end is timed.
    """
    page.evaluate(
        "(kind) => { window.times = []; window.timedFrom = kind; }", "pointerup" if held_ms else "pointerdown"
    )
    server = []
    stage = page.locator("#stage").bounding_box()
    assert stage
    for i in range(CLICKS):
        across, down = 0.3 + 0.4 * ((i * 0.618) % 1), 0.3 + 0.4 * ((i * 0.367) % 1)
        place = stage["x"] + across * stage["width"], stage["y"] + down * stage["height"]
        page.keyboard.press("n") if i % 6 == 0 else None
        if rest_ms:
            page.mouse.move(*place)
            page.wait_for_timeout(rest_ms)
        page.mouse.click(*place, button="right" if i % 3 == 2 else "left", delay=held_ms)
        is_saved(page)
        server.append(int(page.locator("#latency").inner_text().split()[0]))
    page.keyboard.press("Enter")
    is_saved(page)
    times = page.evaluate("window.times")
    assert len(times) == CLICKS
    return {"median_ms": median(times), "p95_ms": quantiles(times, n=20)[-1], "server_median_ms": median(server)}


def times_of_previews(page: Page) -> dict[str, float]:
    """Milliseconds from the move of the pointer to the mask that a click there would give, drawn."""
    page.evaluate(GLIMPSE)
    page.keyboard.press("n")  # of a new object, whatever lies there
    stage = page.locator("#stage").bounding_box()
    assert stage
    for i in range(CLICKS):
        across, down = 0.3 + 0.4 * ((i * 0.618) % 1), 0.3 + 0.4 * ((i * 0.367) % 1)
        page.mouse.move(stage["x"] + across * stage["width"], stage["y"] + down * stage["height"])
        page.wait_for_timeout(REST_MS)
    page.keyboard.press("n")
    times = page.evaluate("window.glimpses")
    assert len(times) >= 0.9 * CLICKS
    return {"median_ms": median(times), "p95_ms": quantiles(times, n=20)[-1]}


def opening(page: Page, name: str, objects: str = "") -> float:
    """Milliseconds until the photo and its objects are there after it was chosen. Then its next is prepared."""
    page.locator("#photo-list .row").filter(has_text=name).click(no_wait_after=True)
    taken = float(page.evaluate(OPENED, [name, objects]))
    page.wait_for_timeout(3000)
    return taken


def frames(page: Page, key: str) -> dict[str, float]:
    """Frames a second while the photo is dragged and zoomed, from the view that a key gives."""
    stage = page.locator("#stage").bounding_box()
    assert stage
    x, y = stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2
    page.mouse.move(x, y)
    page.keyboard.press(key)
    page.wait_for_timeout(1000)
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
    gaps = [after - before for before, after in pairwise(stamps)]
    return {"frames_per_s": 1000 * len(gaps) / sum(gaps), "p95_frame_ms": quantiles(gaps, n=20)[-1]}


def memory_mb(process: int) -> dict[str, float]:
    """Resident memory of the server now and at its most, and with its helper processes, shared pages counted once."""
    status = Path(f"/proc/{process}/status").read_text()
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    rollups = [Path(f"/proc/{one}/smaps_rollup").read_text() for one in (process, *children)]
    return {
        "memory_mb": _kilobytes(status, "VmRSS") / 1024,
        "peak_mb": _kilobytes(status, "VmHWM") / 1024,
        "with_helpers_mb": sum(_kilobytes(text, "Pss") for text in rollups) / 1024,
    }


def _kilobytes(text: str, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)
    assert found
    return int(found[1])


def post(address: str, body: dict[str, Any]) -> None:
    """Import a COCO document."""
    data = json.dumps(body).encode()
    headers = {"Content-Type": "application/octet-stream"}
    urllib.request.urlopen(
        urllib.request.Request(f"{address}api/v1/import?name=coco.json", data, headers), timeout=600
    ).read()


def new_page(browser: Browser) -> Page:
    """A tab of a new profile."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.add_init_script(NO_TOUR)
    page.set_default_timeout(120_000)
    return page


def starting(browser: Browser, folder: Path) -> float:
    """Milliseconds from the command to the first photo, drawn."""
    page = new_page(browser)
    began = time.monotonic()
    with served(folder) as (address, _):
        page.goto(address, wait_until="domcontentloaded")
        page.evaluate(OPENED, [min(path.name for path in folder.iterdir() if path.is_file()), ""])
        taken = 1000 * (time.monotonic() - began)
    page.close()
    return taken


def measured(folder: Path, browser: Browser) -> dict[str, dict[str, float]]:
    """All numbers of the page."""
    small = make_photos(folder / "small", {f"{n}.jpg": SMALL for n in range(3)})
    photos = make_photos(folder / "photos")
    found = {
        "start, first photo 480x854": {"ms": median(starting(browser, small) for _ in range(3))},
        "start, first photo 12 MP": {"ms": median(starting(browser, photos) for _ in range(3))},
    }
    with served(photos) as (address, process):
        page = new_page(browser)
        page.goto(address, wait_until="domcontentloaded")
        page.evaluate(OPENED, ["1-first.jpg", ""])
        page.evaluate(CHOSEN)
        page.evaluate(WATCH)
        page.wait_for_timeout(3000)
        prepared = [opening(page, "2-next.jpg")]
        found["clicks on 12 MP"] = times_of_clicks(page)
        found["clicks on 12 MP after a rest"] = times_of_clicks(page, REST_MS)
        found["clicks on 12 MP, held, from the release"] = times_of_clicks(page, held_ms=HELD_MS)
        found["previews on 12 MP"] = times_of_previews(page)
        opening(page, "3-small.jpg")
        found["clicks on 480x854"] = times_of_clicks(page)
        found["clicks on 480x854 after a rest"] = times_of_clicks(page, REST_MS)
        found["clicks on 480x854, held, from the release"] = times_of_clicks(page, held_ms=HELD_MS)
        found["previews on 480x854"] = times_of_previews(page)
        # Each lies two places after the one before: it has not been prepared.
        opening(page, "1-first.jpg")
        cold = [opening(page, f"{n}-cold.jpg") for n in (4, 6, 8)]
        prepared.append(opening(page, "9-many.jpg"))
        found["opening 12 MP, cold"] = {"median_ms": median(cold), "max_ms": max(cold)}
        found["opening 12 MP, prepared"] = {"median_ms": median(prepared), "max_ms": max(prepared)}
        found.update(measured_with_many(page, address, process))
    return found


def measured_with_many(page: Page, address: str, process: int) -> dict[str, dict[str, float]]:
    """The numbers of a photo with 500 objects."""
    opening(page, "1-first.jpg")
    post(address, many_objects("9-many.jpg", SIZES["9-many.jpg"]))
    found = {"opening 500 objects on 12 MP": {"ms": opening(page, "9-many.jpg", str(OBJECTS))}}
    page.locator("#stage").focus()
    found["500 objects, dragged and zoomed at fit"] = frames(page, "f")
    found["500 objects, dragged and zoomed at 100 %"] = frames(page, "z")
    page.keyboard.press("Tab")
    found["500 objects, the same with one in hand"] = frames(page, "z")
    found["server with 500 objects"] = memory_mb(process)
    return found


def reached(name: str, unit: str, value: float) -> str:
    """What was wanted, and whether it is so."""
    wanted = WANTED.get(name, {}).get(unit)
    if wanted is None:
        return ""
    fine = value >= wanted if unit == "frames_per_s" else value <= wanted
    return f"{'at least' if unit == 'frames_per_s' else 'at most'} {wanted}: {'reached' if fine else 'NOT REACHED'}"


def main() -> None:
    """Measure and print."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        found = measured(Path(folder), browser)
        browser.close()
    found = {name: {unit: round(value, 1) for unit, value in numbers.items()} for name, numbers in found.items()}
    for name, numbers in found.items():
        for unit, value in numbers.items():
            print(f"{name:42} {unit:17} {value:8.1f}  {reached(name, unit, value)}".rstrip())
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        write_json(arguments.json, found)


if __name__ == "__main__":
    main()
