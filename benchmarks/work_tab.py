"""The page as the robot of the work test has it: what it does is counted, and timed until it is painted."""

from __future__ import annotations

import io
import json
import time
import urllib.request
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.Image
from work_photos import Job

from fewclicks.clicks import Click
from fewclicks.geometry import Box
from fewclicks.types import Mask

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

POINT_S, PRESS_S, KEY_S, HOME_S = 1.1, 0.1, 0.28, 0.4
HAND_S = {
    "click": POINT_S + 2 * PRESS_S,
    "drag": 2 * POINT_S + 2 * PRESS_S,
    "key": KEY_S + 2 * HOME_S,
}
SETTINGS = {"hoverPreview": False}
"""Of the page; without previews under the pointer, which the robot does not look at."""
PAINTED = """() => new Promise((done) => {
    const saved = document.getElementById('saved');
    const watch = new MutationObserver(() => look());
    const look = () => {
        if (saved.textContent !== 'Saved') return;
        watch.disconnect();
        requestAnimationFrame(() => requestAnimationFrame(() => done()));
    };
    watch.observe(saved, { childList: true, characterData: true, subtree: true });
    look();
})"""
PLACE = """() => {
    const canvas = document.getElementById('photo');
    const {data, width, height} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const row = Math.floor(height / 2), column = Math.floor(width / 2);
    const solid = (x, y) => data[(y * width + x) * 4 + 3] > 0;
    let [x0, x1, y0, y1] = [column, column, row, row];
    if (!solid(column, row)) return null;
    while (x0 > 0 && solid(x0 - 1, row)) x0--;
    while (x1 < width - 1 && solid(x1 + 1, row)) x1++;
    while (y0 > 0 && solid(column, y0 - 1)) y0--;
    while (y1 < height - 1 && solid(column, y1 + 1)) y1++;
    return [x0, y0, x1 + 1, y1 + 1];
}"""


@dataclass
class Effort:
    """What one object, or the ways between them, took."""

    actions: Counter[str] = field(default_factory=Counter)
    hand_s: float = 0.0
    waits_s: float = 0.0
    iou: float = 0.0
    prompts: int = 0

    def told(self) -> dict[str, Any]:
        """As it is written down."""
        times = {"hand_s": round(self.hand_s, 2), "waits_s": round(self.waits_s, 2)}
        kinds = {kind: self.actions[kind] for kind in HAND_S}
        return {"iou": round(self.iou, 4), "actions": self.actions.total(), **times, **kinds}


class Tab:
    """The page as the robot has it: points are pixels of the photo; every action is counted."""

    def __init__(self, browser: Browser, address: str, settings: dict[str, Any]) -> None:
        self.address = address
        self.page: Page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        self.page.add_init_script("localStorage.setItem('fewclicks.tour', 'done')")
        self.page.set_default_timeout(120_000)
        text = json.dumps(json.dumps({**SETTINGS, **settings}))
        self.page.add_init_script(f"localStorage.setItem('fewclicks.settings', {text})")
        self.effort = Effort()
        self.scale = (1.0, 0.0, 0.0)

    def done(self, kind: str, began: float, hand_s: float | None = None) -> None:
        """Count an action, when what it does is painted."""
        self.page.evaluate(PAINTED)
        self.effort.waits_s += time.monotonic() - began
        self.effort.hand_s += HAND_S[kind] if hand_s is None else hand_s
        self.effort.actions[kind] += 1

    def look(self, job: Job, name: str) -> None:
        """Wait for the photo, and find where it lies."""
        self.page.locator("#photo-name").filter(has_text=name).wait_for()
        self.page.evaluate(PAINTED)
        place = None
        while place is None:
            self.page.wait_for_timeout(50)
            place = self.page.evaluate(PLACE)
        stage = self.page.locator("#stage").bounding_box()
        assert stage
        self.scale = ((place[2] - place[0]) / job.image.shape[1], stage["x"] + place[0], stage["y"] + place[1])

    def at(self, x: float, y: float) -> tuple[float, float]:
        """The place on the page of a point of the photo."""
        scale, left, top = self.scale
        return left + (x + 0.5) * scale, top + (y + 0.5) * scale

    def click(self, click: Click) -> None:
        """Click on a pixel: left on the object, right beside it."""
        began = time.monotonic()
        self.page.mouse.click(*self.at(click.x, click.y), button="left" if click.positive else "right")
        self.done("click", began)

    def press(self, selector: str, nth: int = 0) -> None:
        """Click on a control."""
        began = time.monotonic()
        self.page.locator(selector).nth(nth).click()
        self.done("click", began)

    def key(self, key: str) -> None:
        """Press a key."""
        began = time.monotonic()
        self.page.keyboard.press(key)
        self.done("key", began)

    def drag(self, points: Sequence[Sequence[float]], button: Any = "left", hand_s: float | None = None) -> None:
        """Drag from point to point."""
        began = time.monotonic()
        mouse = self.page.mouse
        mouse.move(*self.at(*points[0]))
        mouse.down(button=button)
        for point in points[1:]:
            mouse.move(*self.at(*point))
        mouse.up(button=button)
        self.done("drag", began, hand_s)

    def box(self, box: Box) -> None:
        """Draw a box from corner to corner."""
        self.drag([(box.x0 - 0.4, box.y0 - 0.4), (box.x1 - 0.6, box.y1 - 0.6)])

    def send(self, method: str, path: str, body: dict[str, Any]) -> None:
        """A request of the API: no action of the robot."""
        headers = {"Content-Type": "application/json"}
        data = json.dumps(body).encode()
        request = urllib.request.Request(f"{self.address}api/v1{path}", data, headers, method=method)
        urllib.request.urlopen(request, timeout=60).read()

    def get(self, path: str) -> Any:
        """What the API says; a mask as an array. The robot looks: no action."""
        with urllib.request.urlopen(f"{self.address}api/v1{path}", timeout=60) as answer:
            body = answer.read()
        return json.loads(body) if body[:1] in b"[{" else np.asarray(PIL.Image.open(io.BytesIO(body))) > 0

    def objects(self, photo: int) -> list[dict[str, Any]]:
        """The objects of a photo."""
        found: list[dict[str, Any]] = self.get(f"/photos/{photo}")["objects"]
        return found

    def mask(self, object_id: str) -> Mask:
        """The mask of an object."""
        found: Mask = self.get(f"/objects/{object_id}/mask")
        return found
