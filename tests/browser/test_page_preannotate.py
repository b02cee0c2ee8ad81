"""Pre-annotation in a real browser: what the list shows is meant, its end is told, also after a reload and a crash."""

import re

import pytest

from annotating import make_folder
from browsing import Server, require_chromium

require_chromium()

pytestmark = pytest.mark.browser


@pytest.fixture
def served(tmp_path):
    server = Server(make_folder(tmp_path / "photos", [f"{name}.png" for name in "abcd"]))
    yield server
    server.kill()


def propose(page, where="all", source="everything", file=None):
    page.locator("#preannotate").click()
    page.locator("#pre-source").select_option(source)
    page.locator("#pre-where").select_option(where)
    if source == "everything":
        page.locator("#pre-points").select_option("5")
    if file:
        page.locator("#pre-file").set_input_files(file)
    page.locator("#pre-go").click()


def said(page):
    return page.locator("#preannotation > span").first.inner_text()


@pytest.mark.slow
def test_the_photos_that_the_list_shows_are_those_of_its_filters_too(opened, served):
    server = served
    for photo in (2, 3):
        server.send("PATCH", f"/photos/{photo}", b'{"state": "returned"}')
    screen = opened(1)
    page = screen.page
    screen.is_now(lambda: page.locator("#photo-list .row").count(), 4)
    page.locator('[data-filter="accepted"]').click()
    for source in ("everything", "found"):
        propose(page, "list", source)
        page.get_by_text("The list shows no photo.").wait_for()
        page.keyboard.press("Escape")
    assert server.get("/preannotations") == []
    page.locator('[data-filter="returned"]').click()
    propose(page, "list")
    screen.is_now(lambda: said(page).startswith("Pre-annotated: "))
    assert server.get("/preannotations")[0]["photos"] == 2
    assert [len(server.objects(photo)) > 0 for photo in (1, 2, 3, 4)] == [False, True, True, False]
    page.locator("#photo-search").fill("c")
    propose(page, "list", "file", {"name": "x.json", "mimeType": "application/json", "buffer": b"no"})
    screen.is_now(lambda: server.get("/preannotations")[0]["photos"], 1)


@pytest.mark.slow
def test_the_latest_job_is_there_after_a_reload_until_it_is_closed(opened, served):
    screen = opened(1)
    page = screen.page
    propose(page)
    screen.is_now(lambda: said(page).startswith("Pre-annotated: "))
    text = said(page)
    page.reload()
    screen.opened()
    screen.is_now(lambda: page.locator("#pre-undo").is_visible())
    assert said(page) == text
    page.locator("#pre-close").click()
    page.reload()
    screen.opened()
    page.wait_for_timeout(500)
    assert not page.locator("#preannotation").is_visible()


@pytest.mark.slow
def test_a_file_that_is_none_is_told_of_by_its_name_with_the_reason(opened, served):
    screen = opened(1)
    page = screen.page
    propose(page, source="file", file={"name": "Masken (1).json", "mimeType": "application/json", "buffer": b"no"})
    screen.is_now(lambda: said(page).startswith("It did not work: "))
    assert "Masken (1).json" in said(page)
    assert "proposals" not in said(page)
    assert not re.search(r"/\w+/", said(page))
    assert not page.locator("#preannotation summary").count()


@pytest.mark.slow
def test_a_page_that_stays_open_sees_that_the_server_ended_in_the_middle(opened, served):
    server = served
    screen = opened(1)
    page = screen.page
    page.locator("#preannotate").click()
    page.locator("#pre-points").select_option("14")
    page.locator("#pre-go").click()
    screen.is_now(lambda: page.locator("#pre-cancel").is_visible())
    server.kill()
    server.start()
    screen.is_now(lambda: page.locator("#pre-resume").is_visible())
    assert said(page).startswith("Stopped")
    page.locator("#pre-resume").click()
    screen.is_now(lambda: said(page).startswith("Pre-annotated: "))
    assert server.get("/preannotations")[0]["done"] == 4
    screen.wrong = [text for text in screen.wrong if "ERR_CONNECTION" not in text and "ERR_INCOMPLETE" not in text]
