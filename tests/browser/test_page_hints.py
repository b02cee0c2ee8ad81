"""Nothing is silent: keys that can do nothing say why, so does what an empty folder disables; fingers read of taps."""

import pytest

from annotating import make_folder
from browsing import SIZE, Server, require_chromium

require_chromium()

pytestmark = pytest.mark.browser

SMALL = """() => [...document.querySelectorAll('#sheet button')]
    .map((one) => one.getBoundingClientRect())
    .filter(({ width, height }) => width < 43.5 || height < 43.5).length"""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    server = Server(make_folder(tmp_path_factory.mktemp("hints") / "photos", ["a.png", "b.png", "c.png"]))
    yield server
    server.kill()


def hint(screen):
    return screen.page.locator("#hint").inner_text()


@pytest.mark.slow
def test_keys_that_can_do_nothing_say_why(opened):
    screen = opened(1)
    for key, said in [("PageUp", "to move in the stack"), ("PageDown", "to move in the stack"), ("F2", "to rename")]:
        screen.key(key)
        assert said in hint(screen)
    screen.click(60, 40, SIZE)
    screen.saved()
    screen.key("PageUp")
    assert "on top already" in hint(screen)
    screen.key("PageDown")
    assert "at the bottom already" in hint(screen)
    screen.key("Escape")


@pytest.mark.slow
def test_in_an_empty_folder_what_does_nothing_says_so(started, tmp_path):
    (tmp_path / "empty").mkdir()
    server = Server(tmp_path / "empty")
    context = started.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.add_init_script("localStorage.setItem('fewclicks.tour', 'done')")
    page.goto(server.address)
    page.get_by_text("There are no photos in this folder").wait_for()
    for name in ("tool-click", "tool-brush", "new", "export", "preannotate", "zoom-in", "zoom-level", "by-doubt"):
        control = page.locator(f"#{name}")
        assert control.is_disabled(), name
        assert control.get_attribute("title").endswith("there are no photos"), name
    make_folder(tmp_path / "full", ["a.png"])
    (tmp_path / "full" / "a.png").rename(tmp_path / "empty" / "a.png")
    page.locator("#tool-brush:enabled").wait_for()  # it appears by itself
    for name in ("tool-brush", "export", "by-doubt"):
        assert "no photos" not in page.locator(f"#{name}").get_attribute("title")
    context.close()
    server.kill()


@pytest.mark.slow
def test_photos_that_cannot_be_assigned_say_why(opened):
    page = opened(1).page
    page.locator("#assign").click()
    page.locator("#assign-said").get_by_text("Choose who is to do them").wait_for()
    assert "Choose who" in page.locator("#assign-go").get_attribute("title")
    page.locator("#assign-other").fill("Ann")
    page.locator("#assign-go:enabled").wait_for()
    assert page.locator("#assign-said").inner_text() == ""


@pytest.mark.slow
def test_fingers_read_of_taps_and_see_no_keys(opened):
    screen = opened(1, has_touch=True, is_mobile=True, viewport={"width": 1180, "height": 820})
    page = screen.page
    page.locator("#cascade summary").evaluate("one => one.click()")
    assert page.evaluate("[...document.querySelectorAll('kbd')].filter((one) => one.checkVisibility()).length") == 0
    screen.key("Enter")
    assert hint(screen) == "Nothing is selected. Tap on an object."
    page.locator("#preannotate").click()
    text = page.locator("#preannotate-dialog p").first.inner_text()
    assert "tap" in text
    assert not any(word in text for word in ("Enter", "Delete", "Shift", "click"))
    screen.key("Escape")
    page.locator("#help").click()
    page.locator("#sheet kbd").first.wait_for()
    assert page.evaluate(SMALL) == 0


@pytest.mark.slow
def test_one_action_that_waits_is_one(opened, served):
    screen = opened(2, locale="de")
    served.kill()
    screen.click(60, 40, SIZE)
    saved = screen.page.locator("#saved")
    screen.is_now(lambda: "gesendet" in saved.inner_text())
    count = int(saved.inner_text().split(". ")[1].split()[0])
    assert ("wird gesendet" in saved.inner_text()) == (count == 1)
    served.start()
    saved.filter(has_text="Gespeichert").wait_for()
    screen.wrong = [text for text in screen.wrong if "net::ERR" not in text]
