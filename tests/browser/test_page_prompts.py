"""Boxes, strokes, whole or part, colours of objects and what is done to many, in a real browser."""

from pathlib import Path

import numpy as np
import pytest

from annotating import make_folder, truth
from browsing import SIZE, Screen, Server, drag, kinds, require_chromium, shot
from fewclicks.evaluation.metrics import iou

require_chromium()

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    server = Server(
        make_folder(tmp_path_factory.mktemp("prompts") / "photos", [f"{letter}.png" for letter in "abcdefghi"])
    )
    yield server
    server.kill()


def spots(server, photo, *corners):
    """Finished objects of 12x12 pixels."""
    for x, y in corners:
        mask = np.zeros(SIZE[::-1], bool)
        mask[y : y + 12, x : x + 12] = True
        server.place(photo, mask)


@pytest.mark.slow
def test_a_box_is_dragged_corrected_undone_and_there_after_a_reload(opened, served):
    screen = opened(1)
    drag(screen, (25, 15), (94, 64))
    (found,) = served.objects(1)
    mask = served.mask(found["id"])
    assert found["undo_kind"] == "box"
    assert found["clicks"] == []
    assert iou(mask, truth()) > 0.9
    screen.click(60, 40, SIZE, "right")
    screen.saved()
    assert not served.mask(found["id"])[40, 60]
    screen.key("Control+z")
    screen.saved()
    assert np.array_equal(served.mask(found["id"]), mask)
    screen.page.reload()
    screen.opened()
    screen.key("z")
    screen.is_now(lambda: np.array_equal(screen.drawn(), mask) if screen.drawn().shape == mask.shape else False)
    screen.key("Control+z")
    screen.saved()
    assert served.objects(1)[0]["area_px"] == 0
    # A drag that hardly moves is a click.
    drag(screen, (60, 40), (60.3, 40.2))
    assert kinds(served, served.objects(1)[0]["id"])[-1] == "click"
    # A second box, beside the object in hand, begins a new one.
    drag(screen, (2, 66), (14, 78))
    assert len(served.objects(1)) == 2


@pytest.mark.slow
def test_a_stroke_is_drawn_and_boxes_and_strokes_by_keys(opened, served):
    screen = opened(2)
    screen.key("s")
    drag(screen, (40, 30), (60, 50), (80, 30))
    (found,) = served.objects(2)
    assert len(found["clicks"]) > 1
    assert iou(served.mask(found["id"]), truth()) > 0.9
    drag(screen, (5, 5), (5, 70), button="right")
    screen.is_now(lambda: kinds(served, found["id"]), ["scribble", "scribble"])
    assert served.objects(2)[0]["clicks"][-1]["positive"] is False
    screen.key("Control+z", "Control+z")
    screen.saved()
    assert served.objects(2)[0]["area_px"] == 0
    screen.key("Escape")
    screen.saved()
    screen.key("k", *["ArrowLeft"] * 40, *["ArrowUp"] * 28, "c", *["ArrowRight"] * 80, *["ArrowDown"] * 56, "c")
    screen.saved()
    (found,) = served.objects(2)
    assert found["undo_kind"] == "box"
    assert iou(served.mask(found["id"]), truth()) > 0.85
    # Esc gives up what is being drawn, and nothing else.
    screen.key("c", *["ArrowLeft"] * 9, "Escape")
    assert kinds(served, found["id"]) == ["box"]
    assert len(served.objects(2)) == 1
    # News of the photo do not: another person's object comes while a box is drawn.
    screen.key("c", *["ArrowLeft"] * 80)
    spots(served, 2, (2, 2))
    screen.is_now(lambda: len(screen.rows()), 2)
    screen.key(*["ArrowUp"] * 56, "c")
    screen.is_now(lambda: kinds(served, found["id"]), ["box", "box"])
    # Another tool does.
    screen.key("c", *["ArrowRight"] * 40, *["ArrowDown"] * 28, "s", "k", "c", "Escape")
    screen.saved()
    assert kinds(served, found["id"]) == ["box", "box"]


@pytest.mark.slow
def test_the_meanings_of_a_first_click_are_shown_and_gone_through(chromium, tmp_path):
    import shutil

    (tmp_path / "photos").mkdir()
    shutil.copy(Path(__file__).parents[2] / "examples" / "images" / "astronaut.png", tmp_path / "photos")
    server = Server(tmp_path / "photos", method="default")
    screen = Screen(chromium.new_page(viewport={"width": 1280, "height": 800}), server.address)
    try:
        size = tuple(server.get("/photos/1")["photo"][side] for side in ("width", "height"))
        screen.click(180, 340, size)
        screen.page.locator("#filmstrip button").first.wait_for()
        strip = screen.page.locator("#filmstrip button")
        assert 2 <= strip.count() <= 3
        (found,) = server.objects()
        first = server.mask(found["id"])
        screen.key("q")
        screen.saved()
        second = server.mask(found["id"])
        assert not np.array_equal(first, second)
        assert kinds(server, found["id"]) == ["click", "choose"]
        shot(screen, "meanings")
        strip.first.click()
        screen.saved()
        assert np.array_equal(server.mask(found["id"]), first)
        screen.key("Control+z")
        screen.saved()
        assert np.array_equal(server.mask(found["id"]), second)
        screen.click(5, 5, size, "right")
        screen.saved()
        screen.is_now(lambda: screen.page.locator("#filmstrip").is_visible(), False)
        assert not screen.wrong
    finally:
        screen.page.close()
        server.kill()


@pytest.mark.slow
def test_objects_of_one_class_look_different_and_light_up_both_ways(opened, served):
    spots(served, 3, (5, 5), (40, 60), (100, 5))
    screen = opened(3)
    rows = screen.page.locator("#object-list .row")
    rows.nth(2).wait_for()
    assert [text.splitlines()[0] for text in screen.rows()] == ["object 3", "object 2", "object 1"]
    swatches = screen.page.locator("#object-list .swatch").evaluate_all("all => all.map(one => one.style.background)")
    assert len(set(swatches)) == 3
    screen.page.mouse.move(*screen.at(106, 11, SIZE))
    screen.is_now(lambda: [row.get_attribute("class").count("hovered") for row in rows.all()], [1, 0, 0])
    screen.page.mouse.move(*screen.at(60, 40, SIZE))
    screen.is_now(lambda: [row.get_attribute("class").count("hovered") for row in rows.all()], [0, 0, 0])
    screen.page.locator("#view summary").click()
    screen.page.locator("#setting-instances").uncheck()
    again = screen.page.locator("#object-list .swatch").evaluate_all("all => all.map(one => one.style.background)")
    assert len(set(again)) == 1


@pytest.mark.slow
def test_rows_are_hidden_locked_and_deleted_and_stay_so(opened, served):
    spots(served, 4, (5, 5), (40, 60))
    screen = opened(4)
    row = screen.page.locator("#object-list .row").first
    row.hover()
    row.locator(".hidden").click()
    row.hover()
    screen.saved()
    assert [one["hidden"] for one in served.objects(4)] == [False, True]
    screen.page.reload()
    screen.opened()
    screen.is_now(lambda: screen.drawn()[::4, ::4].any())
    top = screen.page.locator("#object-list .row").first
    top.hover()
    assert top.locator(".hidden").get_attribute("aria-pressed") == "true"
    top.locator(".hidden").click()
    top.locator(".locked").click()
    screen.saved()
    assert [one["locked"] for one in served.objects(4)] == [False, True]
    assert top.locator(".bin").is_disabled()
    # A locked one is not taken up by a click on it, which says why; a new one begins over it where that is asked for.
    screen.click(46, 66, SIZE)
    screen.page.locator("#hint", has_text="is locked").wait_for()
    screen.saved()
    assert len(served.objects(4)) == 2
    screen.key("n")
    screen.click(46, 66, SIZE)
    screen.saved()
    screen.is_now(lambda: len(served.objects(4)), 3)
    screen.key("Escape")
    screen.saved()
    bottom = screen.page.locator("#object-list .row").last
    bottom.hover()
    bottom.locator(".bin").click()
    screen.saved()
    assert len(served.objects(4)) == 1
    screen.key("Control+z")
    screen.saved()
    assert len(served.objects(4)) == 2


@pytest.mark.slow
def test_many_are_selected_merged_split_relabelled_and_taken_back(opened, served):
    spots(served, 5, (5, 5), (40, 60), (100, 5))
    screen = opened(5)
    rows = screen.page.locator("#object-list .row")
    rows.nth(2).wait_for()
    assert screen.page.locator("#many-merge").is_disabled()
    assert "Nothing is selected" in screen.page.locator("#many-merge").get_attribute("title")
    rows.first.click(modifiers=["Control"])
    rows.last.click(modifiers=["Shift"])
    assert rows.evaluate_all("all => all.map(one => one.getAttribute('aria-selected'))") == ["true"] * 3
    screen.page.locator("#many-merge").click()
    screen.saved()
    (one,) = served.objects(5)
    assert one["area_px"] == 3 * 144
    screen.key("Control+z")
    screen.saved()
    assert sorted(found["area_px"] for found in served.objects(5)) == [144] * 3
    screen.key("Control+a", "g")
    screen.saved()
    (one,) = served.objects(5)
    screen.page.locator("#object-list .row").click()
    screen.key("Shift+G")
    screen.saved()
    screen.is_now(lambda: len(served.objects(5)), 3)
    screen.is_now(lambda: screen.page.locator("#object-list .row").count(), 3)
    screen.key("Control+a", "Delete")
    screen.saved()
    assert served.objects(5) == []
    screen.key("Control+z")
    screen.saved()
    assert len(served.objects(5)) == 3
    # With the rubber band: those that it meets.
    screen.page.keyboard.down("Control")
    drag(screen, (1, 1), (118, 30))
    screen.page.keyboard.up("Control")
    screen.is_now(lambda: sum(row.get_attribute("aria-selected") == "true" for row in rows.all()), 2)
    screen.page.locator("#class-add").fill("cup")
    screen.page.locator("#class-add").press("Enter")
    screen.page.locator("#class-list .class", has_text="cup").click()
    screen.saved()
    assert sorted(found["class_id"] for found in served.objects(5))[0] == 1
    assert len({found["class_id"] for found in served.objects(5)}) == 2


@pytest.mark.slow
def test_the_largest_part_is_kept_and_holes_are_filled(opened, served):
    mask = np.zeros(SIZE[::-1], bool)
    mask[10:40, 10:50] = True
    mask[20:24, 20:24] = False
    mask[60:64, 90:94] = True
    served.place(6, mask)
    screen = opened(6)
    screen.page.locator("#object-list .row").click()
    screen.key("j", "Shift+J")
    screen.saved()
    assert served.objects(6)[0]["area_px"] == 30 * 40
    for key, said in (("j", "one part only"), ("Shift+J", "no holes")):  # where there is nothing, nothing is done
        screen.key(key)
        screen.page.locator("#hint", has_text=said).wait_for()
    screen.saved()
    screen.key("Control+z", "Control+z")
    screen.saved()
    assert np.array_equal(served.mask(served.objects(6)[0]["id"]), mask)


@pytest.mark.slow
def test_a_correction_of_an_imported_mask_is_local_and_the_switch_changes_that(opened, served):
    mask = truth()
    mask[65:75, 5:20] = True
    served.place(7, mask)
    screen = opened(7)
    screen.page.locator("#object-list .row").click()
    screen.click(60, 40, SIZE, "right")
    screen.saved()
    (found,) = served.objects(7)
    assert served.mask(found["id"])[66:74, 6:19].all()
    screen.key("Control+z")
    screen.page.locator("#view summary").click()
    screen.page.locator("#setting-local").select_option("never")
    screen.click(60, 40, SIZE, "right")
    screen.saved()
    assert not served.mask(found["id"])[66:74, 6:19].all()


@pytest.mark.slow
@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1024, 768), (390, 844)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_controls_that_would_do_nothing_say_why_and_the_list_has_room(opened, served, width, height, scheme):
    if not served.objects(8):
        spots(served, 8, (5, 5), (30, 60), (100, 5), (60, 30), (5, 50), (90, 60), (70, 5))
        for n in range(12):
            served.send("POST", "/classes", f'{{"name": "class {n}"}}'.encode())
    screen = opened(8, color_scheme=scheme)
    screen.page.set_viewport_size({"width": width, "height": height})
    if width < 500:
        screen.page.locator("#toggle-right").click()
    screen.page.locator("#object-list .row").first.wait_for()
    assert not screen.page.locator("#cascade").get_attribute("open")
    boxes = {
        name: screen.page.locator(f"#{name}").bounding_box()["height"]
        for name in ("classes", "objects", "cascade", "view")
    }
    assert max(boxes, key=boxes.get) == "objects"
    # However many classes there are: six whole rows, and more where the window is high.
    assert screen.page.locator("#object-list").evaluate("one => one.clientHeight") >= (7 if width == 1440 else 6) * 48
    silent = screen.page.locator("button:disabled, input:disabled").evaluate_all(
        "all => all.filter(one => !/: /.test(one.title) && !one.closest('dialog, [inert]')).map(one => one.outerHTML)"
    )
    assert silent == []
    shot(screen, f"objects-{width}-{scheme}")


@pytest.mark.slow
def test_another_method_is_chosen_and_the_object_stays(opened, served):
    screen = opened(9)
    page = screen.page
    screen.click(60, 40, SIZE)
    screen.saved()
    (found,) = served.objects(9)
    before = served.mask(found["id"])
    page.locator("#cascade summary").click()
    assert page.input_value("#method-choice") == "grow"
    page.select_option("#method-choice", "grabcut")
    page.get_by_text("grabcut answers clicks now").wait_for()
    assert page.input_value("#method-choice") == "grabcut"
    assert served.get("/folder")["method"] == "grabcut"
    (same,) = served.objects(9)
    assert same["clicks"] == found["clicks"]
    assert np.array_equal(served.mask(found["id"]), before)
    screen.click(30, 20, SIZE, "right")
    screen.saved()
    assert len(served.objects(9)[0]["clicks"]) == 2
    shot(screen, "method")
    page.select_option("#method-choice", "grow")
    page.get_by_text("grow answers clicks now").wait_for()
