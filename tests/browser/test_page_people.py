"""Several people at one folder in a real browser: who is here, what they edit, who has which photo, who may sign in."""

import json

import pytest

from annotating import make_folder, truth
from browsing import SIZE, Screen, Server, require_chromium, shot

require_chromium()

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    server = Server(make_folder(tmp_path_factory.mktemp("people") / "photos", [f"{n}.png" for n in range(1, 9)]))
    yield server
    server.kill()


def call(screen, name):
    """Have the user of a tab say who they are, and load the page again."""
    screen.page.evaluate("name => localStorage.setItem('fewclicks.settings', JSON.stringify({person: name}))", name)
    screen.page.reload()
    screen.opened()


@pytest.mark.slow
def test_who_is_here_is_seen_and_nobody_edits_what_another_edits(opened, served):
    served.place(1, truth())
    ann, bea = opened(1), opened(1)
    call(ann, "Ann")
    call(bea, "Bea")
    ann.page.locator("#company", has_text="Bea").wait_for()
    bea.page.locator("#company", has_text="Ann").wait_for()
    ann.click(60, 40, SIZE)  # takes the object up
    bea.page.locator("#company", has_text="Ann: object").wait_for()
    shot(bea, "people-company")
    bea.click(60, 40, SIZE)
    bea.page.locator(".notice", has_text="Ann is editing this object").wait_for()
    bea.is_now(lambda: bea.page.locator("#object-list .row[aria-selected=true]").count(), 0)
    bea.page.get_by_role("button", name="Take over").click()
    ann.page.locator(".notice", has_text="taken over").wait_for()
    ann.page.locator("#company", has_text="Bea: object").wait_for()
    assert all("409" in said for said in bea.wrong), "the browser notes that it was refused"
    bea.wrong.clear()
    bea.page.close()
    ann.is_now(lambda: ann.page.locator("#company").inner_text(), "")


@pytest.mark.slow
def test_a_name_that_is_said_counts_in_all_tabs_and_they_share_an_object(opened, served):
    """Nothing is locked, taken over or refused among tabs of one person, whichever of them said the name."""
    served.place(7, truth())
    first = opened(7)
    second = Screen(first.page.context.new_page(), served.address, 7)
    first.page.locator("#company", has_text="Somebody").wait_for()
    first.click(60, 40, SIZE)
    second.page.locator("#company", has_text="Somebody: object").wait_for()
    second.page.locator("#person summary").click()
    second.page.locator("#person-name").fill("Ann")
    second.key("Enter")
    for screen in (first, second):
        screen.page.locator("#company", has_text="Ann").wait_for()
    second.page.locator("#stage").focus()
    second.click(60, 40, SIZE)
    first.page.locator("#company", has_text="Ann: object").wait_for()
    for screen in (first, second):
        assert screen.page.locator("#object-list .row[aria-selected=true]").count() == 1
        assert screen.page.locator(".notice").count() == 0
    assert {(one["person"], one["object_id"] is None) for one in served.get("/presence")} == {("Ann", False)}
    assert not second.wrong


@pytest.mark.slow
def test_photos_are_assigned_and_taken_by_one_key(opened, served):
    screen = opened(2)
    call(screen, "Cleo")
    screen.page.locator("#photo-search").fill("3.png")
    screen.page.locator("#assign").click()
    screen.page.locator("#assign-other").fill("Dan")
    shot(screen, "people-assign")
    screen.page.locator("#assign-go").click()
    screen.is_now(lambda: served.get("/photos/3")["photo"]["assignee"], "Dan")
    screen.page.locator("#photo-search").fill("")
    screen.page.locator("#stage").focus()
    screen.key("y")
    screen.is_now(lambda: served.get("/photos/1")["photo"]["assignee"], "Cleo")
    screen.page.locator("#photo-about summary").click()
    screen.page.locator("#photo-tags").fill("night, rain")
    screen.key("Enter")
    screen.is_now(lambda: served.get("/photos/1")["photo"]["tags"], ["night", "rain"])
    shot(screen, "people-photo")
    screen.page.locator("#stage").focus()
    screen.page.locator(".notice", has_text="changed").wait_for()
    screen.key("u")
    screen.is_now(lambda: served.get("/photos/1")["photo"]["tags"], [])


@pytest.mark.slow
def test_an_admin_lets_people_in(opened, served):
    screen = opened(4, color_scheme="dark")
    screen.page.locator("#person summary").click()
    screen.page.locator("#people").click()
    screen.page.locator("#person-new").fill("Rob")
    screen.page.locator("#person-role").select_option("reviewer")
    screen.page.get_by_role("button", name="Add", exact=True).click()
    link = screen.page.get_by_label("Link of Rob")
    link.wait_for()
    assert "?token=" in link.input_value()
    shot(screen, "people-dialog")
    (rob,) = served.get("/people")
    assert (rob["name"], rob["role"], rob["link"]) == ("Rob", "reviewer", True)
    screen.page.get_by_role("button", name="Remove").click()
    screen.is_now(lambda: served.get("/people")[0]["active"], False)
    assert json.dumps(served.get("/journal")).count('"person"') > 1


@pytest.mark.slow
def test_photos_are_found_and_figures_are_shown(opened, served):
    served.place(5, truth())
    screen = opened(6)
    screen.page.locator("#photo-search").fill("objects:>0 5.png")
    rows = screen.page.locator("#photo-list .row")
    screen.is_now(lambda: [text.partition("\n")[0] for text in rows.all_inner_texts()], ["5.png"])
    screen.page.locator("#photo-search").fill("is:odd")
    screen.page.locator("#photo-list", has_text="nothing is 'odd'").wait_for()
    assert all("400" in said for said in screen.wrong)
    screen.wrong.clear()
    screen.page.locator("#stage").focus()
    screen.key("Shift+S")
    screen.page.locator(".statistics table").first.wait_for()
    assert "object" in screen.page.locator(".statistics").inner_text()
    shot(screen, "statistics")


@pytest.mark.slow
def test_the_export_is_of_what_is_chosen_and_that_is_remembered(opened, served):
    screen = opened(6)
    served.send("PATCH", "/photos/6", b'{"state": "accepted"}')
    for number in range(2):
        screen.key("Control+s")
        dialog = screen.page.locator("#export-dialog")
        dialog.wait_for()
        first = dialog.locator("input[name=format]").first
        assert first.is_checked()
        assert first.get_attribute("value") == ("coco", "labelme")[number]
        if number:
            assert dialog.locator("#export-which").input_value() == "is:accepted"
            shot(screen, "export")
            break
        dialog.locator("#export-which").select_option("is:accepted")
        dialog.locator("#format-labelme").check()
        with screen.page.expect_download():
            dialog.locator("#export-go").click()
        dialog.get_by_text("is downloaded").wait_for()
        screen.key("Escape")
