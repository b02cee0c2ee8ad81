"""Imports in a real browser: what came of one is said, also where its dialog was closed or the server is away."""

import json

import pytest

from annotating import make_folder
from browsing import SIZE, Server, require_chromium

require_chromium()

pytestmark = pytest.mark.browser

AWAY = "The server does not answer"
RING = {"label": "cup", "points": [[10, 10], [40, 10], [40, 40], [10, 40]], "shape_type": "polygon"}
ABOUT = {"shapes": [RING], "imagePath": "b.png", "imageHeight": SIZE[1], "imageWidth": SIZE[0]}
LABELS = json.dumps({"version": "5.0", "flags": {}, "imageData": None, **ABOUT}).encode()
FILE = {"name": "b.json", "mimeType": "application/json", "buffer": LABELS}


@pytest.fixture
def served(tmp_path):
    server = Server(make_folder(tmp_path / "photos", ["a.png", "b.png"]))
    yield server
    server.kill()


@pytest.mark.slow
def test_what_went_wrong_is_said_also_where_the_dialog_was_closed(opened, served):
    screen = opened(1)
    page = screen.page
    page.locator("#import").click()
    page.locator("#import-file").set_input_files({**FILE, "name": "x.json", "buffer": b"nothing"})
    page.get_by_text("Importing …").wait_for()
    page.keyboard.press("Escape")
    page.locator("#notices .problem").filter(has_text="x.json").wait_for()
    screen.wrong = [text for text in screen.wrong if "400" not in text]


@pytest.mark.slow
@pytest.mark.parametrize("begun", [False, True])
def test_a_server_that_is_away_is_said_at_once_and_nothing_is_imported_later(opened, served, begun):
    server = served
    screen = opened(1)
    page = screen.page
    if begun:
        screen.click(60, 40, SIZE)
        screen.saved()
    server.kill()
    page.locator("#import").click()
    page.locator("#import-file").set_input_files(FILE)
    page.locator("#import-result").filter(has_text=AWAY).wait_for()
    page.locator("#import-found:enabled").wait_for()
    page.keyboard.press("Escape")
    server.start()
    screen.saved()
    page.wait_for_timeout(3000)
    assert server.objects(2) == []
    page.locator("#import").click()
    page.locator("#import-file").set_input_files(FILE)
    page.locator("#import-result").filter(has_text="1 object imported").wait_for()
    screen.wrong = [text for text in screen.wrong if "net::ERR" not in text]
