"""The pictures of docs/screens.md: the annotator's main situations, with the photos of examples/, in Chromium.

    python benchmarks/screenshots.py [--only NAME ...] [--out docs/images/annotator]

Look at each one afterwards: that nothing overlaps or is cut, and that all can be read.
"""

from __future__ import annotations

import argparse
import io
import re
import shutil
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import PIL.Image
from annotate_server import Client
from page import CHROMIUM, FLAGS, NO_TOUR, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[1]
OUT = ROOT / "docs" / "images" / "annotator"
PHOTOS = {
    name: n for n, name in enumerate(("astronaut.png", "camera.png", "chelsea.png", "coffee.png", "rocket.jpg"), 1)
}
"""Name -> id: they are found in the order of the names."""
CLASSES = ("person", "flag", "spacecraft", "cat", "eye", "cup", "spoon", "rocket")
QUALITY = 80
SAVED = re.compile("^(Saved|Gespeichert)$")
PLACE = """() => {
    const canvas = document.getElementById('photo');
    const {data, width, height} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const solid = (x, y) => data[(y * width + x) * 4 + 3] > 0;
    const [column, row] = [width >> 1, height >> 1];
    let [x0, x1, y] = [column, column, row];
    while (x0 > 0 && solid(x0 - 1, row)) x0--;
    while (x1 < width - 1 && solid(x1 + 1, row)) x1++;
    while (y > 0 && solid(column, y - 1)) y--;
    const box = canvas.getBoundingClientRect();
    const dpr = canvas.width / box.width;
    return [box.x + x0 / dpr, box.y + y / dpr, box.x + (x1 + 1) / dpr];
}"""
"""Left, top and right of the photo on the page."""
Boxed = tuple[str, str, tuple[int, int, int, int]]
OBJECTS: tuple[Boxed, ...] = (
    ("astronaut.png", "flag", (0, 0, 118, 290)),
    ("astronaut.png", "spacecraft", (374, 60, 455, 345)),
    ("astronaut.png", "person", (5, 5, 440, 512)),
    ("chelsea.png", "cat", (0, 0, 395, 300)),
    ("chelsea.png", "eye", (150, 88, 202, 130)),
    ("chelsea.png", "eye", (258, 92, 318, 140)),
    ("coffee.png", "cup", (130, 55, 470, 330)),
    ("coffee.png", "spoon", (40, 275, 560, 395)),
    ("rocket.jpg", "rocket", (300, 85, 345, 385)),
)


class Screen:
    """A tab on a photo; points are pixels of the photo."""

    def __init__(self, page: Page, address: str, photo: str) -> None:
        self.page = page
        page.set_default_timeout(120_000)
        page.goto(f"{address}#photo={PHOTOS[photo]}", wait_until="commit")
        page.locator("#photo-name").filter(has_text=photo).wait_for(state="attached")
        self.settled()

    def settled(self) -> None:
        """Wait until all is saved, and drawn."""
        self.page.locator("#saved").filter(has_text=SAVED).wait_for(state="attached")
        self.page.wait_for_timeout(900)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """The place of a pixel on the page: the photo lies as it is fitted."""
        left, top, right = self.page.evaluate(PLACE)
        name = self.page.locator("#photo-name").inner_text()
        with PIL.Image.open(ROOT / "examples" / "images" / name) as photo:
            one = (right - left) / photo.width
        return left + (x + 0.5) * one, top + (y + 0.5) * one

    def click(self, x: float, y: float, button: Any = "left") -> None:
        """Click on a pixel."""
        self.page.mouse.click(*self.at(x, y), button=button)
        self.settled()

    def take(self, name: str) -> None:
        """Select an object by its row."""
        self.page.locator("#object-list .row").filter(has_text=name).first.click()
        self.settled()


@dataclass(frozen=True, slots=True)
class Situation:
    """What is done on which photo before the picture is taken."""

    photo: str
    what: str
    do: Callable[[Screen], None] = lambda _: None
    size: tuple[int, int] = (1440, 900)
    scheme: Any = "light"
    touch: bool = False
    first: bool = False
    """By who was never there."""
    locale: str = "en-GB"


def _meanings(screen: Screen) -> None:
    screen.click(205, 150)
    screen.page.locator("#filmstrip button").first.wait_for()
    screen.settled()


def _box(screen: Screen) -> None:
    screen.page.mouse.move(*screen.at(150, 40))
    screen.page.mouse.down()
    screen.page.mouse.move(*screen.at(300, 200), steps=4)
    screen.page.mouse.move(*screen.at(470, 330), steps=4)


def _keys(*keys: str) -> Callable[[Screen], None]:
    def press(screen: Screen) -> None:
        for key in keys:
            screen.page.keyboard.press(key)
        screen.settled()

    return press


def _outline(screen: Screen) -> None:
    screen.take("flag")
    _keys("Shift+O")(screen)


def _heat(screen: Screen) -> None:
    screen.take("cat")
    _keys("m")(screen)


def _doubt(screen: Screen) -> None:
    _keys(":", ".")(screen)
    screen.page.wait_for_timeout(4000)


def _review(screen: Screen) -> None:
    screen.page.locator("#review summary").click()
    screen.settled()


def _drawer(screen: Screen) -> None:
    screen.page.locator("#class-now").click()
    screen.settled()


def _several(screen: Screen) -> None:
    for name in ("flag", "spacecraft"):
        screen.page.locator("#object-list .row").filter(has_text=name).click(modifiers=["Control"])
    screen.settled()


def _proposed(screen: Screen) -> None:
    screen.page.locator("#preannotate").click()
    screen.page.locator("#pre-where").select_option("photo")
    screen.page.locator("#pre-points").select_option("5")
    screen.page.locator("#pre-go").click()
    screen.page.locator("#preannotation").get_by_text("Pre-annotated: ").wait_for()
    screen.page.locator("#object-list .row.proposal").first.wait_for()
    _keys("Shift+N")(screen)


SITUATIONS = {
    "first-visit": Situation("rocket.jpg", "The first of three steps on the photo", first=True),
    "whole-or-part": Situation("camera.png", "Whole or part: what the first click can mean", _meanings),
    "box": Situation("camera.png", "A box is drawn", _box, scheme="dark"),
    "objects": Situation("astronaut.png", "Several objects, two of them selected", _several),
    "instances": Situation("chelsea.png", "Two of one class have a number and a colour each", scheme="dark"),
    "outline": Situation("astronaut.png", "The outline with its vertices", _outline),
    "heat": Situation("chelsea.png", "The probability, and its legend", _heat, scheme="dark"),
    "doubt": Situation("coffee.png", "By doubt; the next place in doubt", _doubt),
    "review": Situation("coffee.png", "Sent back, with a comment at its place", _review, scheme="dark"),
    "export": Situation("astronaut.png", "Export", _keys("Control+s")),
    "statistics": Situation("astronaut.png", "Statistics", _keys("Shift+S"), scheme="dark"),
    "keys": Situation("astronaut.png", "All keys", _keys("?")),
    "laptop": Situation("astronaut.png", "A laptop of 1024x768", size=(1024, 768)),
    "laptop-dark": Situation("coffee.png", "The same, dark", size=(1024, 768), scheme="dark"),
    "german": Situation("coffee.png", "The page in German", locale="de-DE", size=(1440, 900)),
    "phone": Situation("chelsea.png", "A phone: one thumb", size=(390, 844), touch=True),
    "phone-objects": Situation("chelsea.png", "Its list", _drawer, size=(390, 844), scheme="dark", touch=True),
    "preannotate": Situation("camera.png", "Pre-annotate: proposals, of which one is looked at", _proposed),
}
"""Name of the file -> what it shows."""


def prepared(address: str) -> None:
    """Draw the objects, and send a photo back."""
    client = Client(address)
    classes = {one["name"]: one["id"] for one in client.ask("GET", "/classes")}
    first = next(iter(classes.values()))
    client.ask("PATCH", f"/classes/{first}", {"name": CLASSES[0]})
    classes = {CLASSES[0]: first}
    for name in CLASSES[1:]:
        classes[name] = client.ask("POST", "/classes", {"name": name})["id"]
    for photo, name, (x0, y0, x1, y1) in OBJECTS:
        path = f"/objects/{uuid.uuid4()}"
        client.ask("PUT", path, {"photo_id": PHOTOS[photo], "class_id": classes[name]})
        box = {"action_id": str(uuid.uuid4()), "kind": "box", "x0": x0, "y0": y0, "x1": x1, "y1": y1}
        client.ask("POST", f"{path}/actions", box)
        client.ask("PATCH", path, {"state": "done"})
    comment = {"photo_id": PHOTOS["coffee.png"], "text": "The handle of the spoon is missing.", "x": 430, "y": 350}
    client.ask("PUT", f"/comments/{uuid.uuid4()}", comment)
    client.ask("PATCH", f"/photos/{PHOTOS['coffee.png']}", {"state": "returned"})
    client.ask("PATCH", f"/photos/{PHOTOS['chelsea.png']}", {"state": "done"})


def taken(browser: Browser, address: str, one: Situation) -> bytes:
    """The picture of a situation, as WebP."""
    context = browser.new_context(
        viewport={"width": one.size[0], "height": one.size[1]},
        color_scheme=one.scheme,
        has_touch=one.touch,
        is_mobile=one.touch,
        device_scale_factor=2 if one.touch else 1,
        locale=one.locale,
    )
    try:
        if not one.first:
            context.add_init_script(NO_TOUR)
        screen = Screen(context.new_page(), address, one.photo)
        one.do(screen)
        picture = PIL.Image.open(io.BytesIO(screen.page.screenshot()))
        screen.page.keyboard.press("Escape")
        file = io.BytesIO()
        picture.convert("RGB").save(file, "WEBP", quality=QUALITY, method=6)
        return file.getvalue()
    finally:
        context.close()


def main() -> None:
    """Take the pictures."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=SITUATIONS)
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        for name in PHOTOS:
            shutil.copy(ROOT / "examples" / "images" / name, Path(folder) / name)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        with served(Path(folder), "--no-import") as (address, _):
            prepared(address)
            for name in asked.only or SITUATIONS:
                data = taken(browser, address, SITUATIONS[name])
                (asked.out / f"{name}.webp").write_bytes(data)
                print(f"{name}.webp  {len(data) // 1024} KB", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
