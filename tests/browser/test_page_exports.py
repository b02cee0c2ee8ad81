"""The dialog of exports in a real browser: what would be exported is said before, what was chosen is remembered."""

import json

import numpy as np
import pytest

from annotating import make_folder
from browsing import SIZE, Server, require_chromium

require_chromium()

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Three photos, an object on one of them, two classes."""
    server = Server(make_folder(tmp_path_factory.mktemp("exports") / "photos", [f"{name}.png" for name in "abc"]))
    server.send("POST", "/classes", json.dumps({"name": "boat"}).encode())
    mask = np.zeros(SIZE[::-1], bool)
    mask[10:40, 10:40] = True
    server.place(1, mask)
    for photo in (1, 2):
        server.get(f"/photos/{photo}/view")
    server.send("PATCH", "/photos/2", b'{"state": "done"}')
    yield server
    server.kill()


def dialog_of(screen):
    screen.page.locator("#export").click()
    dialog = screen.page.locator("#export-dialog")
    dialog.locator("#export-count").filter(has_text=" ").wait_for()
    return dialog


@pytest.mark.slow
def test_how_much_will_be_exported_is_said_and_nothing_cannot_be(opened, served):
    screen = opened(1)
    dialog = dialog_of(screen)
    count, go = dialog.locator("#export-count"), dialog.locator("#export-go")
    count.get_by_text("with 1 object.").wait_for()
    dialog.locator("#export-which").select_option(label="Accepted photos")
    count.get_by_text("there is nothing to export").wait_for()
    assert go.is_disabled()
    assert "nothing to export" in go.get_attribute("title")
    dialog.locator("#export-which").select_option(label="Photos that are done or accepted")
    count.get_by_text("1 photo, but no object").wait_for()
    assert go.is_enabled()
    dialog.locator("#export-classes summary").click()
    for box in dialog.locator("#export-classes input").all():
        box.uncheck()
    count.get_by_text("at least one class").wait_for()
    assert go.is_disabled()


@pytest.mark.slow
def test_what_was_chosen_is_remembered(opened, served):
    screen = opened(1)
    dialog = dialog_of(screen)
    text = dialog.inner_text()
    assert "filled polygons" in text
    assert not any(name in text for name in ("tolerance_px", "shapes=", "filled_polygons"))
    dialog.locator("#export-classes summary").click()
    dialog.locator("#export-classes input[value=boat]").uncheck()
    dialog.locator("#format-labelme").check()
    dialog.locator('[name="labelme.split"]').select_option("80/10/10")
    dialog.locator('[name="labelme.tolerance_px"]').fill("2.5")
    dialog.locator('[name="labelme.visible"]').check()
    with screen.page.expect_download():
        dialog.locator("#export-go").click()
    screen.page.reload()
    screen.opened()
    dialog = dialog_of(screen)
    assert dialog.locator("#format-labelme").is_checked()
    assert not dialog.locator("#export-classes input[value=boat]").is_checked()
    assert dialog.locator("#export-classes input[value=object]").is_checked()
    assert dialog.locator('[name="labelme.split"]').input_value() == "80/10/10"
    assert dialog.locator('[name="labelme.tolerance_px"]').input_value() == "2.5"
    assert dialog.locator('[name="labelme.visible"]').is_checked()
    assert dialog.locator('[name="coco.split"]').input_value() == ""
