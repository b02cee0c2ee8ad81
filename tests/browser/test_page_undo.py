"""What can be taken back: across photos, after Esc; the heat map says what it shows, and previews come at once."""

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest

from annotating import make_folder, truth
from browsing import SIZE, Screen, Server, require_chromium, shot

require_chromium()

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    server = Server(make_folder(tmp_path_factory.mktemp("undo") / "photos", ["a.png", "b.png", "c.png", "d.png"]))
    yield server
    server.kill()


@pytest.mark.slow
def test_undo_goes_to_where_the_last_thing_was_done(opened, served):
    screen = opened(1)
    screen.click(60, 40, SIZE)
    screen.saved()
    area = served.objects(1)[0]["area_px"]
    screen.click(5, 5, SIZE)
    screen.key("Enter", "d")
    screen.is_now(lambda: screen.page.locator("#photo-name").inner_text(), "b.png")
    screen.click(60, 40, SIZE)
    screen.key("Enter")
    screen.saved()
    screen.key("Control+z")
    screen.is_now(lambda: served.objects(2)[0]["area_px"], 0)
    screen.saved()
    screen.key("Enter", "Control+z")
    screen.is_now(lambda: screen.page.locator("#photo-name").inner_text(), "a.png")
    screen.is_now(lambda: served.objects(1)[0]["area_px"], area)
    screen.saved()
    screen.key("Control+Shift+z")
    screen.saved()
    assert len(served.objects(1)[0]["clicks"]) == 2


@pytest.mark.slow
def test_what_esc_discards_ctrl_z_brings_back(opened, served):
    served.place(3, truth())
    screen = opened(3)
    screen.page.locator("#object-list .row").click()
    screen.click(60, 40, SIZE, "right")
    screen.saved()
    (found,) = served.objects(3)
    changed = served.mask(found["id"])
    assert not np.array_equal(changed, truth())
    screen.key("Escape")
    screen.saved()
    screen.is_now(lambda: np.array_equal(served.mask(found["id"]), truth()))
    screen.key("Control+z")
    screen.saved()
    screen.is_now(lambda: np.array_equal(served.mask(found["id"]), changed))


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_heat_map_has_a_legend(opened, served, scheme):
    if not served.objects(4):
        served.place(4, truth())
    screen = opened(4, color_scheme=scheme)
    screen.page.locator("#object-list .row").click()
    assert not screen.page.locator("#heat-legend").is_visible()
    screen.key("m")
    screen.page.locator("#heat-legend").wait_for()
    assert "object above 0.50" in screen.page.locator("#heat-legend").inner_text()
    shot(screen, f"heat-{scheme}")
    screen.key("m")
    screen.is_now(lambda: screen.page.locator("#heat-legend").is_visible(), False)


@pytest.mark.slow
def test_a_preview_comes_while_the_pointer_moves(chromium, tmp_path):
    (tmp_path / "photos").mkdir()
    shutil.copy(Path(__file__).parents[2] / "examples" / "images" / "coffee.png", tmp_path / "photos")
    server = Server(tmp_path / "photos", method="default")
    screen = Screen(chromium.new_page(viewport={"width": 1280, "height": 800}), server.address)
    asked = []
    screen.page.on("request", lambda sent: sent.url.endswith("/preview") and asked.append(sent.post_data_json["quick"]))
    try:
        screen.is_now(lambda: screen.page.locator("#preview").get_attribute("aria-pressed"), "true")
        places = itertools.cycle(range(200, 300, 10))

        def moved():
            screen.page.mouse.move(*screen.at(next(places), 200, (600, 400)))
            return True in asked

        screen.is_now(moved)
        screen.is_now(lambda: asked[-1:], [False])
        assert not server.objects()
        shot(screen, "preview")
        # Off is off, also after a reload.
        screen.key("w")
        screen.page.reload()
        screen.opened()
        assert screen.page.locator("#preview").get_attribute("aria-pressed") == "false"
        assert not screen.wrong
    finally:
        screen.page.close()
        server.kill()


@pytest.mark.slow
def test_a_click_is_computed_while_the_button_is_held(opened, served):
    screen = opened(3)
    before = {made["id"] for made in served.objects(3)}
    asked = []
    screen.page.on("request", lambda sent: sent.url.endswith("/preview") and asked.append(sent.post_data_json))
    screen.key("w")  # also where no previews are shown
    screen.key("n")
    screen.page.mouse.move(*screen.at(60, 40, SIZE))
    screen.page.mouse.down()
    screen.is_now(lambda: screen.page.wait_for_timeout(20) is None and len(asked), 1)
    assert {made["id"] for made in served.objects(3)} == before
    screen.page.mouse.up()
    screen.saved()
    (made,) = [one for one in served.objects(3) if one["id"] not in before]
    (click,) = made["clicks"]
    assert (asked[0]["x"], asked[0]["y"], asked[0]["quick"]) == (click["x"], click["y"], False)
    assert made["area_px"] > 0
    # A drag is no click but a box: what was foretold is left.
    screen.key("n")
    screen.page.mouse.move(*screen.at(20, 20, SIZE))
    screen.page.mouse.down()
    screen.page.mouse.move(*screen.at(50, 50, SIZE), steps=4)
    screen.page.mouse.up()
    screen.is_now(lambda: any(one["undo_kind"] == "box" for one in served.objects(3)))
    screen.key("w")
    assert not screen.wrong
