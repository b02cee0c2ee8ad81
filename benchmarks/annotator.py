"""The work test: how many actions, and how long, a robot annotator needs in the real page to IoU 0.90 on each object.

    python benchmarks/annotator.py [--json results/annotator_work.json] [--quick] [--only MODE]

It works on the 30 jobs of work_photos.py in Chromium, three times: with the clicks of version 0.1 (its weights, refined
once a click), with the same clicks and today's model, and with today's prompts. An action is a click, a drag or a key
that is pressed; also those that begin an object, go to the next photo or choose a tool. The robot has the truth before
its eyes, and decides by the rules that stand in `Prompts`: it never tries a prompt and takes it back.

    clicks    the deepest error is clicked, as in the benchmarks of the field; New begins the next object
    prompts   a box first; on a thin object a click, and the best of the pictures that it gives; then the deepest
              error; after clicks that brought little the lasso, round errors or round all of the object, whichever
              takes fewer, with as few corners as will do. Small objects by the lasso. Bad masks are corrected locally,
              and begun anew by a box where they are worse than that. In a sequence the objects are taken over from
              frame to frame.

After LIMIT prompts an object is given up; it counts with what it took. `waits_s` is measured: from an action to the
painted mask. `hand_s` is the time of a hand by the Keystroke-Level Model (Card, Moran and Newell 1980): 1.1 s to point,
0.1 s to press or release, 0.28 s a key, 0.4 s from mouse to keys and back; a lasso points at each of its corners.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import uuid
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import zip_longest
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, TypeAlias

import cv2
import numpy as np
import PIL.Image
from page import CHROMIUM, FLAGS, served
from work_photos import KINDS, Job, iou, jobs, write_photos
from work_tab import HAND_S, POINT_S, PRESS_S, Effort, Tab

from fewclicks.clicks import Click, Clicks
from fewclicks.evaluation.robot import deepest_error
from fewclicks.files.replace import write_json
from fewclicks.geometry import Box
from fewclicks.types import Mask

if TYPE_CHECKING:
    from playwright.sync_api import Browser

GOAL = 0.90
LIMIT = 20
"""Prompts for an object; then it is given up."""
LASSOS, SEEN = 8, 5
"""So many are drawn at most, each round one of so many pieces that are seen: missed ones, and pixels too many."""
TURNS = 3
"""So often the hand looks again at what is still wrong."""
OFF_PX = (12, 8, 6, 4, 3, 2, 1.5, 1, 0.75)
"""The polygon of a lasso is so far from the outline, in pixels: the first that is near enough."""
SURE = 0.02
"""IoU above the goal that the hand aims at, because it is not the mouse that says what is inside."""
Lasso: TypeAlias = tuple[list[list[int]], bool]
"""Corners (x, y), and whether what lies within joins the object; else it leaves it."""
QUICK = {"photo": 1, "crowd": 0, "bad masks": 1, "sequence": 0}
"""Photos of each kind, for a quick look."""


class ClicksOnly:
    """A robot that has clicks and New, as version 0.1 had."""

    def __init__(self, tab: Tab) -> None:
        self.tab = tab
        self.photo = 0
        self.open: str | None = None
        """The object in hand."""

    def enter(self, job: Job, number: int) -> None:
        """Go to the photo; what is in hand is finished by that."""
        self.photo, self.open = number, None
        if number == 1:
            self.tab.page.goto(f"{self.tab.address}#photo=1", wait_until="commit")
        else:
            self.tab.press("#next")
        self.tab.look(job, f"{number:03}.png")

    def work(self, truth: Mask, known: str | None) -> None:
        """Bring one object to the goal; `known`: the id of the mask that is there."""
        if known is None:
            known = self.make(truth)
        elif iou(self.tab.mask(known), truth) < GOAL:
            self.correct(truth, known)
        self.tab.effort.iou = iou(self.tab.mask(known), truth)

    def make(self, truth: Mask) -> str:
        """Make an object by clicks."""
        click = error_of(truth, np.zeros_like(truth))
        made = self.begin(click)
        self.improve(truth, made, [click])
        return made

    def begin(self, click: Click) -> str:
        """Begin an object by a click. While another one is in hand, or lies there, New comes first."""
        if self.open or self.covers(click):
            self.tab.press("#new")
        return self.begun(lambda: self.tab.click(click))

    def begun(self, prompt: Callable[[], None]) -> str:
        """Give the first prompt, and look which object it has made."""
        before = {one["id"] for one in self.tab.objects(self.photo)}
        prompt()
        self.tab.effort.prompts += 1
        (self.open,) = {one["id"] for one in self.tab.objects(self.photo)} - before
        return self.open

    def covers(self, click: Click) -> str | None:
        """The topmost object at a pixel."""
        stack = sorted(self.tab.objects(self.photo), key=lambda one: -int(one["z"]))
        return next((one["id"] for one in stack if self.tab.mask(one["id"])[int(click.y), int(click.x)]), None)

    def correct(self, truth: Mask, known: str) -> None:
        """Correct a mask that is there. A click on pixels that are too many takes it up as well."""
        click = error_of(truth, self.tab.mask(known))
        if self.open != known and not (self.open is None and not click.positive and self.covers(click) == known):
            self.select(known)
        self.open = known
        self.improve(truth, known, [])

    def select(self, known: str) -> None:
        """Take up an object by its row."""
        stack = sorted(self.tab.objects(self.photo), key=lambda one: -int(one["z"]))
        self.tab.press("#object-list .row", [one["id"] for one in stack].index(known))

    def improve(self, truth: Mask, made: str, clicks: list[Click], most: int = LIMIT) -> Mask:
        """Click on the deepest error until the mask is right."""
        mask = self.tab.mask(made)
        while iou(mask, truth) < GOAL and self.tab.effort.prompts < most:
            clicks.append(error_of(truth, mask, clicks))
            self.tab.click(clicks[-1])
            self.tab.effort.prompts += 1
            mask = self.tab.mask(made)
        return mask


class Prompts(ClicksOnly):
    """A robot that has the prompts of today."""

    WIDE = 0.35
    """A box is drawn round an object that fills so much of it; a thinner one is clicked."""
    BETTER = 0.03
    """Another meaning of the click is chosen where its IoU is so much higher."""
    PATIENCE, STUCK = 5, 0.05
    """Prompts without the goal, or what two clicks bring at least; then the hand draws."""
    HOPELESS = 0.5
    """A mask from elsewhere with a lower IoU is begun anew, by a box."""
    SMALL_PX = 1600
    """An object of fewer pixels is drawn by the lasso from the beginning: what a network sees of it is little."""

    def __init__(self, tab: Tab) -> None:
        super().__init__(tab)
        self.tool = "click"

    def use(self, tool: str) -> None:
        """Choose a tool, where it is not the chosen one."""
        if self.tool != tool:
            self.tab.press(f"#tool-{tool}")
        self.tool = tool

    def enter(self, job: Job, number: int) -> None:
        """Go to the photo; in a sequence with the objects of the one before."""
        if not job.goes_on:
            return super().enter(job, number)
        self.tab.key("Control+Shift+ArrowRight")
        self.photo, self.open = number, None
        self.tab.look(job, f"{number:03}.png")
        # What has changed too much is in hand.
        if self.tab.page.locator("#object-list .row[aria-selected=true]").count():
            self.open = str(self.tab.objects(number)[0]["id"])

    def make(self, truth: Mask) -> str:
        """Make an object by a box or a click, and what they leave to be done; a small one by the lasso."""
        if truth.sum() < self.SMALL_PX:
            return self.draw(truth)
        self.use("click")
        box = Box.around(truth)
        assert box
        if truth.sum() >= self.WIDE * (box.x1 - box.x0) * (box.y1 - box.y0):
            if self.meets(box):
                self.tab.press("#new")
            made = self.begun(lambda: self.tab.box(box))
            self.improve(truth, made, [])
            return made
        click = error_of(truth, np.zeros_like(truth))
        made = self.begin(click)
        self.choose(truth, made)
        self.improve(truth, made, [click])
        return made

    def draw(self, truth: Mask) -> str:
        """Make an object by the lasso."""
        self.use("lasso")
        if self.open:
            self.tab.press("#new")
        first, *rest = whole(truth, np.zeros_like(truth))
        made = self.begun(lambda: self.trace(first))
        self.finish(truth, made, rest)
        return made

    def trace(self, lasso: Lasso) -> None:
        """Draw round something, from corner to corner: what lies within joins the object, or leaves it."""
        corners, adds = lasso
        self.tab.drag([*corners, corners[0]], "left" if adds else "right", len(corners) * POINT_S + 2 * PRESS_S)

    def meets(self, box: Box) -> bool:
        """Whether the box meets that of the object in hand; one beside it begins a new object."""
        own = next((one["box"] for one in self.tab.objects(self.photo) if one["id"] == self.open), None)
        return own is not None and own[0] < box.x1 and own[2] > box.x0 and own[1] < box.y1 and own[3] > box.y0

    def choose(self, truth: Mask, made: str) -> None:
        """Look at the small pictures of what a click can mean, and take the best where it is better."""
        now = iou(self.tab.mask(made), truth)
        if now >= GOAL:
            return
        items = self.tab.get(f"/objects/{made}/candidates")["items"]
        values = [iou(unpacked(item["patch"], truth), truth) for item in items]
        if len(values) > 1 and max(values) >= now + self.BETTER:
            self.tab.press("#filmstrip button", int(np.argmax(values)))
            self.tab.effort.prompts += 1

    def correct(self, truth: Mask, known: str) -> None:
        """Correct a mask from elsewhere; a hopeless one is begun anew by a box."""
        self.use("click")
        if iou(self.tab.mask(known), truth) >= self.HOPELESS:
            return super().correct(truth, known)
        if self.open != known:
            self.select(known)
        self.open = known
        box = Box.around(truth)
        assert box
        self.tab.box(box)
        self.tab.effort.prompts += 1
        self.improve(truth, known, [])

    def improve(self, truth: Mask, made: str, clicks: list[Click], most: int = LIMIT) -> Mask:
        """Click on the deepest error; draw round what clicks do not reach."""
        mask = self.tab.mask(made)
        gains = [iou(mask, truth)]
        while gains[-1] < GOAL and self.tab.effort.prompts < self.PATIENCE:
            if len(gains) > 2 and gains[-1] - gains[-3] < self.STUCK:
                break
            mask = super().improve(truth, made, clicks, self.tab.effort.prompts + 1)
            gains.append(iou(mask, truth))
        if gains[-1] >= GOAL:
            return mask
        self.draw_rest(truth, made)
        if iou(self.tab.mask(made), truth) < GOAL:
            self.use("click")
        return super().improve(truth, made, clicks)

    def draw_rest(self, truth: Mask, made: str) -> None:
        """Draw round what is still wrong, or all of the object anew: what takes fewer lassos, and fewer corners."""
        for _ in range(TURNS):  # the mouse is not as exact as it was meant to be
            mask = self.tab.mask(made)
            ways = [way for way in (errors(truth, mask), whole(truth, mask)) if enough(truth, mask, way)]
            way = min(ways, key=lambda way: (len(way), sum(len(one) for one, _ in way)), default=errors(truth, mask))
            if not way or iou(mask, truth) >= GOAL:
                break
            self.finish(truth, made, way)

    def finish(self, truth: Mask, made: str, lassos: Sequence[Lasso]) -> None:
        """Draw the lassos until the mask is right."""
        for lasso in lassos:
            if iou(self.tab.mask(made), truth) >= GOAL:
                break
            self.use("lasso")
            self.trace(lasso)
            self.tab.effort.prompts += 1


def whole(truth: Mask, mask: Mask) -> list[Lasso]:
    """The lassos that draw an object anew, in place of a mask: what there is goes, then piece by piece is drawn."""
    lassos: list[Lasso] = []
    if box := Box.around(mask):
        x0, y0, x1, y1 = box.x0 - 2, box.y0 - 2, box.x1 + 1, box.y1 + 1
        lassos.append(([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], False))
    for adds, wrong in ((True, truth), (False, ~truth)):
        for piece in pieces(wrong):
            drawn = after(np.zeros_like(truth), lassos)
            if len(lassos) < LASSOS and iou(drawn, truth) < GOAL + SURE and (piece & (drawn ^ adds)).any():
                better = [*lassos, (outline(piece), adds)]
                lassos = better if iou(after(mask, better), truth) > iou(after(mask, lassos), truth) else lassos
    return lassos


def errors(truth: Mask, mask: Mask) -> list[Lasso]:
    """The lassos round the errors of a mask, always the one that brings most."""
    lassos: list[Lasso] = []
    while len(lassos) < LASSOS and iou(mask, truth) < GOAL + SURE:
        seen = [(piece, True) for piece in pieces(truth & ~mask)] + [(piece, False) for piece in pieces(mask & ~truth)]
        found = [(outline(piece), adds) for piece, adds in seen]
        best = max(found, key=lambda lasso: iou(after(mask, [lasso]), truth), default=None)
        if best is None or iou(after(mask, [best]), truth) <= iou(mask, truth):
            break
        lassos.append(best)
        mask = after(mask, [best])
    return lassos


def enough(truth: Mask, mask: Mask, lassos: Sequence[Lasso]) -> bool:
    """Whether the mask is right after them."""
    return iou(after(mask, lassos), truth) >= GOAL


def after(mask: Mask, lassos: Sequence[Lasso]) -> Mask:
    """The mask when they are drawn."""
    for corners, adds in lassos:
        inside = cv2.fillPoly(np.zeros(mask.shape, np.uint8), [np.array(corners, np.int32)], 1) > 0
        mask = mask | inside if adds else mask & ~inside
    return mask


def pieces(mask: Mask) -> list[Mask]:
    """The largest connected pieces of a mask, the largest first."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    order = sorted(range(1, count), key=lambda n: -int(stats[n, cv2.CC_STAT_AREA]))
    return [np.asarray(labels == n) for n in order[:SEEN]]


def outline(piece: Mask) -> list[list[int]]:
    """The fewest corners of a polygon that holds a piece, without its holes, well enough."""
    contour = max(cv2.findContours(piece.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0], key=len)
    filled = cv2.fillPoly(np.zeros(piece.shape, np.uint8), [contour], 1) > 0
    for off_px in OFF_PX:
        corners = cv2.approxPolyDP(contour, off_px, True)[:, 0].tolist()
        if len(corners) > 2 and iou(after(np.zeros_like(piece), [(corners, True)]), filled) >= GOAL + 2 * SURE:
            break
    return corners


def error_of(truth: Mask, mask: Mask, clicks: Sequence[Click] = ()) -> Click:
    """The deepest error."""
    return deepest_error(truth.astype(np.int8), mask, Clicks(tuple(clicks)))


def unpacked(patch: dict[str, Any] | None, like: Mask) -> Mask:
    """The mask of a patch of the API."""
    mask = np.zeros_like(like)
    if patch:
        x0, y0, x1, y1 = patch["box"]
        mask[y0:y1, x0:x1] = np.asarray(PIL.Image.open(io.BytesIO(b64decode(patch["png"])))) > 0
    return mask


def place_masks(tab: Tab, number: int, masks: Sequence[Mask]) -> list[str]:
    """Put masks of another tool on a photo, as an import does; return their ids."""
    made = []
    for mask in masks:
        file = io.BytesIO()
        PIL.Image.fromarray(mask).save(file, "PNG")
        path = f"/objects/{uuid.uuid4()}"
        action = {"action_id": str(uuid.uuid4()), "kind": "mask", "png": b64encode(file.getvalue()).decode()}
        tab.send("PUT", path, {"photo_id": number, "class_id": 1})
        tab.send("POST", f"{path}/actions", action)
        tab.send("PATCH", path, {"state": "done"})
        made.append(path.rpartition("/")[2])
    return made


def worked(mode: str, found: Sequence[Job], browser: Browser, folder: Path) -> list[dict[str, Any]]:
    """Annotate all photos in one mode; return a row for each object."""
    robot_type, settings, options = MODES[mode]
    rows: list[dict[str, Any]] = []
    with served(write_photos(found, folder), *options) as (address, _):
        tab = Tab(browser, address, settings)
        robot = robot_type(tab)
        there = {n: place_masks(tab, n, job.bad) for n, job in enumerate(found, 1)}
        for number, job in enumerate(found, 1):
            tab.effort = Effort()
            robot.enter(job, number)
            known = there[number] or [one["id"] for one in tab.objects(number)]
            for truth, object_id in zip_longest(job.truths, known):
                robot.work(truth, object_id)
                rows.append({"kind": job.kind, "photo": job.name, **tab.effort.told()})
                print(json.dumps({"mode": mode, **rows[-1]}), flush=True)
                tab.effort = Effort()
        tab.page.close()
    return rows


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The means of an object, in all and of each kind of job."""
    kinds = {"all": rows, **{kind: [row for row in rows if row["kind"] == kind] for kind in KINDS}}
    return {kind: means(some) for kind, some in kinds.items() if some}


def means(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The means of an object, and how many are right in the end."""
    mean = {name: round(fmean(row[name] for row in rows), 2) for name in ("actions", "hand_s", "waits_s")}
    kinds = {kind: round(fmean(row[kind] for row in rows), 2) for kind in HAND_S}
    return {"objects": len(rows), "right": sum(row["iou"] >= GOAL for row in rows), **mean, **kinds}


MODES: dict[str, tuple[type[ClicksOnly], dict[str, Any], tuple[str, ...]]] = {
    "clicks of version 0.1": (ClicksOnly, {"local": "never"}, ("--method", "default-0.1", "--cfr", "1")),
    "clicks, today's model": (ClicksOnly, {}, ("--method", "default")),
    "today's prompts": (Prompts, {}, ("--method", "default")),
}
"""Name -> who works, the page's settings, what the server is started with."""


def main() -> None:
    """Work, print, and write if asked."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true", help="a photo of two kinds only")
    parser.add_argument("--only", choices=MODES, help="one mode; the others stay in the file as they are")
    asked = parser.parse_args()
    found = jobs(QUICK if asked.quick else {})
    about = {"goal": GOAL, "limit": LIMIT, "jobs": dict(Counter(job.kind for job in found if not job.goes_on))}
    earlier = json.loads(asked.json.read_text()) if asked.json and asked.json.exists() else {}
    told: dict[str, Any] = earlier.get("modes", {}) if asked.only else {}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for number, mode in enumerate(MODES):
            if asked.only in (None, mode):
                rows = worked(mode, found, browser, Path(folder) / str(number))
                told[mode] = {"means": summary(rows), "objects": rows}
                if asked.json:
                    write_json(asked.json, {"about": about, "modes": told})
        browser.close()
    print(json.dumps({mode: one["means"] for mode, one in told.items()}, indent=1))


if __name__ == "__main__":
    main()
