"""Polygons, lassos and outlines whose vertices are dragged, in a real browser: by mouse and keys, undone, reloaded."""

import numpy as np
import pytest

from annotating import make_folder
from browsing import SIZE, Server, drag, kinds, require_chromium, shot

require_chromium()

pytestmark = pytest.mark.browser
SQUARE = (20, 20), (60, 20), (60, 60), (20, 60)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    server = Server(make_folder(tmp_path_factory.mktemp("drawing") / "photos", [f"{letter}.png" for letter in "abcd"]))
    yield server
    server.kill()


@pytest.mark.slow
def test_a_polygon_is_clicked_corner_by_corner_cut_from_undone_and_there_after_a_reload(opened, served):
    screen = opened(1)
    screen.key("p")
    for point in (*SQUARE, SQUARE[0]):
        screen.click(*point, SIZE)
    screen.saved()
    (found,) = served.objects(1)
    mask = served.mask(found["id"])
    assert abs(int(mask.sum()) - 1600) < 90
    assert mask[22:58, 22:58].all()
    # With the other button it cuts away; Enter closes it; Backspace takes a wrong corner back.
    for point in ((40, 10), (70, 10), (5, 5)):
        screen.click(*point, SIZE, "right")
    screen.key("Backspace")
    screen.click(70, 40, SIZE, "right")
    screen.page.mouse.move(*screen.at(40, 40, SIZE))
    shot(screen, "polygon")
    # Esc gives it up, and Ctrl+Z brings it back.
    screen.key("Escape")
    assert kinds(served, found["id"]) == ["polygon"]
    screen.key("Control+z")
    screen.click(40, 40, SIZE, "right")
    screen.key("Enter")
    screen.saved()
    cut = served.mask(found["id"])
    assert not cut[22:38, 42:58].any()
    assert cut[42:58, 22:58].all()
    # A click afterwards respects what hands drew.
    screen.key("q")
    screen.click(30, 50, SIZE)
    screen.saved()
    assert not served.mask(found["id"])[22:38, 42:58].any()
    screen.key("Control+z", "Control+z")
    screen.saved()
    assert np.array_equal(served.mask(found["id"]), mask)
    screen.page.reload()
    screen.opened()
    screen.key("z")
    screen.is_now(lambda: np.array_equal(screen.drawn(), mask) if screen.drawn().shape == mask.shape else False)


@pytest.mark.slow
def test_a_lasso_is_drawn_and_polygons_by_keys(opened, served):
    screen = opened(2)
    screen.key("Shift+P")
    drag(screen, (20, 20), (60, 20), (60, 60), (20, 60), (20, 22))
    (found,) = served.objects(2)
    assert kinds(served, found["id"]) == ["polygon"]
    assert served.mask(found["id"])[24:56, 24:56].all()
    drag(screen, (15, 15), (40, 15), (40, 40), (15, 40), button="right")
    assert not served.mask(found["id"])[22:38, 22:38].any()
    screen.key("Enter")
    screen.saved()
    screen.key("p", *["ArrowRight"] * 20, "c", *["ArrowRight"] * 20, "c", *["ArrowDown"] * 20, "c", "Enter")
    screen.saved()
    screen.is_now(lambda: len(served.objects(2)), 2)
    assert served.objects(2)[1]["area_px"] > 100


@pytest.mark.slow
def test_vertices_of_the_outline_are_dragged_added_and_taken_away(opened, served):
    mask = np.zeros(SIZE[::-1], bool)
    mask[20:60, 20:60] = True
    mask[35:45, 35:45] = False
    mask[70:74, 100:110] = True
    served.place(3, mask)
    screen = opened(3)
    screen.page.locator("#object-list .row").click()
    screen.key("Shift+O")
    screen.page.mouse.move(*screen.at(59.5, 19.5, SIZE))
    shot(screen, "outline-vertices")
    drag(screen, (59.5, 19.5), (80, 5))
    (found,) = served.objects(3)
    after = served.mask(found["id"])
    assert kinds(served, found["id"])[-1] == "reshape"
    assert after[10, 72]
    assert after[50, 30]
    # What does not lie between the outlines is as it was, to the pixel.
    assert np.array_equal(after[61:], mask[61:])
    assert not after[35:45, 35:45].any()
    # An edge that is dragged gets a vertex; a hole grows when its corner is pulled out.
    drag(screen, (19.5, 40), (5, 40))
    assert served.mask(found["id"])[40, 10]
    drag(screen, (44.5, 44.5), (52, 52))
    assert not served.mask(found["id"])[48, 48]
    before = served.objects(3)[0]["area_px"]
    screen.click(79.5, 4.5, SIZE, "right")
    screen.saved()
    assert served.objects(3)[0]["area_px"] < before
    for _ in range(4):
        screen.key("Control+z")
    screen.saved()
    assert np.array_equal(served.mask(found["id"]), mask)
    # Esc lets go without a change.
    screen.page.mouse.move(*screen.at(59.5, 59.5, SIZE))
    screen.page.mouse.down()
    screen.page.mouse.move(*screen.at(80, 75, SIZE), steps=3)
    screen.key("Escape")
    screen.page.mouse.up()
    screen.saved()
    assert np.array_equal(served.mask(found["id"]), mask)
