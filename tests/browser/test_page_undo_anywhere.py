"""What was done last is taken back, step by step: deletions, names, merges, what was done to several, other photos."""

import json

import numpy as np
import pytest

from annotating import make_folder
from browsing import SIZE, Screen, Server, require_chromium

require_chromium()

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    photos = make_folder(
        tmp_path_factory.mktemp("anywhere") / "photos", [f"{letter}.png" for letter in "abcdefghijklmn"]
    )
    server = Server(photos)
    yield server
    server.kill()


@pytest.fixture
def placed(opened, served):
    """Opens a photo with three finished objects of 100, 121 and 144 pixels; the list shows the last one first."""

    def open_photo(photo):
        for side, x in ((10, 5), (11, 40), (12, 80)):
            mask = np.zeros(SIZE[::-1], bool)
            mask[5 : 5 + side, x : x + side] = True
            served.place(photo, mask)
        screen = opened(photo)
        screen.page.locator("#object-list .row").nth(2).wait_for()
        return screen

    return open_photo


def areas(served, photo):
    return sorted(found["area_px"] for found in served.objects(photo))


def add_class(screen, name):
    screen.page.locator("#class-add").fill(name)
    screen.page.locator("#class-add").press("Enter")


def undo(screen, served, photo, wanted):
    """Ctrl+Z gives the objects of a photo these areas."""
    screen.key("Control+z")
    screen.is_now(lambda: areas(served, photo), wanted)
    screen.saved()


def test_deletions_come_back_one_after_another_from_another_photo_and_after_a_reload(placed, served):
    screen = placed(1)
    rows = screen.page.locator("#object-list .row")
    for _ in range(2):
        rows.first.click()
        screen.key("Delete")
    screen.saved()
    undo(screen, served, 1, [100, 121])
    undo(screen, served, 1, [100, 121, 144])
    for _ in range(2):
        rows.first.click()
        screen.key("Delete")
    screen.saved()
    rows.first.click()
    screen.key("Escape", "d")
    screen.is_now(lambda: screen.page.locator("#photo-name").inner_text(), "b.png")
    assert screen.page.locator("#undo").is_enabled(), "also for those who have no keyboard"
    screen.page.locator("#undo").click()
    screen.is_now(lambda: screen.page.locator("#photo-name").inner_text(), "a.png")
    screen.is_now(lambda: areas(served, 1), [100, 121])
    screen.saved()
    screen.page.reload()
    screen.opened()
    screen.key("Escape")
    undo(screen, served, 1, [100, 121, 144])


def test_a_name_that_was_given_is_taken_back_when_nothing_is_selected_any_more(placed, served):
    screen = placed(3)
    screen.page.locator("#object-list .row").first.click()
    screen.key("F2")
    screen.page.keyboard.type("Anna")
    screen.key("Enter", "Escape")
    screen.is_now(lambda: [found["name"] for found in served.objects(3)], ["", "", "Anna"])
    screen.saved()
    screen.key("Control+z")
    screen.is_now(lambda: [found["name"] for found in served.objects(3)], ["", "", ""])


def test_a_merge_and_a_split_are_undone_after_a_reload_in_the_object_itself(placed, served):
    screen = placed(4)
    row = screen.page.locator("#object-list .row").first
    screen.key("Control+a", "g")
    screen.is_now(lambda: areas(served, 4), [365])
    screen.saved()
    row.click()
    screen.key("Shift+G")
    screen.is_now(lambda: len(areas(served, 4)), 3)
    screen.saved()
    screen.page.reload()
    screen.opened()
    (kept,) = [found for found in served.objects(4) if found["can_redo"] or found["undo_kind"] == "mask"][:1]
    screen.page.locator("#object-list .row").last.click()
    undo(screen, served, 4, [365])
    undo(screen, served, 4, [100, 121, 144])
    screen.key("Control+Shift+z")
    screen.is_now(lambda: areas(served, 4), [365])
    assert served.objects(4)[0]["id"] == kept["id"]


def test_what_was_done_to_several_is_one_step(placed, served):
    screen = placed(5)
    rows = screen.page.locator("#object-list .row")
    add_class(screen, "cup")
    rows.first.click()
    rows.last.click(modifiers=["Shift"])
    screen.page.locator("#class-list .class", has_text="cup").click()
    screen.is_now(lambda: len({found["class_id"] for found in served.objects(5)} - {1}), 1)
    screen.is_now(lambda: 1 in {found["class_id"] for found in served.objects(5)}, False)
    screen.saved()
    screen.page.locator("#stage").focus()
    screen.key("Control+z")
    screen.is_now(lambda: {found["class_id"] for found in served.objects(5)}, {1})


def test_what_was_done_elsewhere_is_taken_back_before_what_is_selected_changes(placed, served):
    screen = placed(6)
    rows = screen.page.locator("#object-list .row")
    rows.last.click()
    rows.first.hover()
    rows.first.locator(".delete, [data-deed=delete], button[aria-label^=Delete]").first.click()
    screen.is_now(lambda: areas(served, 6), [100, 121])
    screen.saved()
    screen.page.locator("#stage").focus()
    undo(screen, served, 6, [100, 121, 144])


def test_a_notice_takes_back_what_it_tells_of_or_says_why_not(placed, served):
    screen = placed(7)
    screen.key("Control+a", "g")
    screen.is_now(lambda: areas(served, 7), [365])
    screen.saved()
    screen.page.locator("#object-list .row").first.click()
    screen.click(10, 10, SIZE, "right")
    screen.is_now(lambda: areas(served, 7) != [365])
    screen.saved()
    after = areas(served, 7)
    screen.key("u")
    screen.page.locator("#hint").get_by_text("More was done to").wait_for()
    assert areas(served, 7) == after
    undo(screen, served, 7, [365])
    screen.key("u")
    screen.is_now(lambda: areas(served, 7), [100, 121, 144])


def test_copies_and_imports_are_taken_back_from_another_photo(placed, served, tmp_path):
    screen = placed(8)
    screen.key("Control+a", "Control+c", "Escape", "d")
    screen.is_now(lambda: screen.page.locator("#photo-name").inner_text(), "i.png")
    screen.key("Control+v")
    screen.is_now(lambda: areas(served, 9), [100, 121, 144])
    screen.saved()
    screen.key("Escape", "a")
    screen.is_now(lambda: screen.page.locator("#photo-name").inner_text(), "h.png")
    undo(screen, served, 9, [])
    assert areas(served, 8) == [100, 121, 144]
    known = {"images": [{"id": 1, "file_name": "j.png", "width": SIZE[0], "height": SIZE[1]}]}
    known |= {"categories": [{"id": 1, "name": "object"}]}
    known |= {
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[5, 5, 25, 5, 25, 25, 5, 25]]}]
    }
    file = tmp_path / "coco.json"
    file.write_text(json.dumps(known))
    screen.page.locator("#import").click()
    screen.page.locator("#import-file").set_input_files(file)
    screen.is_now(lambda: len(areas(served, 10)), 1)
    screen.page.locator("#import-undo").wait_for()
    screen.key("Escape", "a")
    undo(screen, served, 10, [])


def test_proposals_that_were_all_discarded_come_back_after_a_reload(opened, served):
    screen = opened(11)
    page = screen.page
    page.locator("#preannotate").click()
    page.locator("#pre-where").select_option("photo")
    page.locator("#pre-points").select_option("5")
    page.locator("#pre-go").click()
    page.locator("#preannotation").get_by_text("Pre-annotated: ").wait_for()
    screen.is_now(lambda: page.locator("#object-list .row.proposal").count() > 0)
    before = areas(served, 11)
    page.locator("#proposal-none").click()
    screen.is_now(lambda: areas(served, 11), [])
    screen.saved()
    page.reload()
    screen.opened()
    undo(screen, served, 11, before)
    assert all(found["proposal"] for found in served.objects(11))


def test_what_the_server_refuses_leaves_nothing_to_undo(placed, served):
    screen = placed(12)
    screen.page.locator("#object-list .row").first.click()
    screen.click(60, 60, SIZE)
    screen.is_now(lambda: areas(served, 12) != [100, 121, 144])
    screen.saved()
    screen.key("Control+z")
    screen.is_now(lambda: areas(served, 12), [100, 121, 144])
    screen.page.locator("#object-list .row").last.click()
    screen.key("Shift+G")
    screen.page.locator("#notices").get_by_text("one piece").wait_for()
    screen.is_now(lambda: screen.page.locator("#notices").get_by_text("split").count(), 0)
    screen.wrong.clear()  # the browser tells of the refusal
    screen.key("Control+z")
    screen.page.wait_for_timeout(200)
    assert areas(served, 12) == [100, 121, 144]


def test_undo_that_is_asked_for_fast_takes_back_one_after_another(placed, served):
    screen = placed(13)
    rows = screen.page.locator("#object-list .row")
    add_class(screen, "jug")
    rows.first.click()
    screen.page.locator("#class-list .class", has_text="jug").click()
    screen.page.locator("#stage").focus()
    screen.key("Control+a", "g")
    screen.is_now(lambda: areas(served, 13), [365])
    screen.saved()
    screen.key("Control+z", "Control+z")
    screen.is_now(lambda: areas(served, 13), [100, 121, 144])
    screen.is_now(lambda: {found["class_id"] for found in served.objects(13)}, {1})


def test_what_was_done_to_several_selects_none_of_them_after_a_reload(placed, served):
    screen = placed(14)
    screen.key("Control+a", "Shift+j")
    screen.saved()
    screen.page.reload()
    screen.opened()
    assert not [text for text in screen.rows() if "selected" in text]
    assert {found["state"] for found in served.objects(14)} == {"done"}


def test_undo_waits_for_a_server_that_is_away(chromium, tmp_path):
    server = Server(make_folder(tmp_path / "photos", ["a.png", "b.png"]))
    mask = np.zeros(SIZE[::-1], bool)
    mask[5:15, 5:15] = True
    server.place(1, mask)
    screen = Screen(chromium.new_page(viewport={"width": 1280, "height": 800}), server.address)
    screen.page.locator("#object-list .row").click()
    screen.key("Delete")
    screen.saved()
    screen.key("d")
    screen.is_now(lambda: screen.page.locator("#photo-name").inner_text(), "b.png")
    server.kill()
    try:
        screen.key("Control+z")
        screen.page.wait_for_timeout(500)
        server.start()
        screen.is_now(lambda: screen.page.locator("#photo-name").inner_text(), "a.png")
        screen.opened()
        screen.is_now(lambda: screen.page.locator("#undo").is_enabled())
        screen.key("Control+z")
        screen.is_now(lambda: areas(server, 1), [100])
    finally:
        screen.page.close()
        server.kill()
