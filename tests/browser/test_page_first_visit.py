"""Who is here for the first time: three steps on the photo, an example folder; keys that each may change."""

import re

import pytest

from annotating import make_folder
from browsing import SIZE, Screen, Server, require_chromium, shot

require_chromium()

pytestmark = pytest.mark.browser

CHANGED = """async () => {
    const keys = await import('/js/state/keys.js');
    'undo finish box export next findClass merge before heat byDoubt comment carry'.split(' ')
        .forEach((id, i) => keys.changeKey(id, `Alt+${'QWERTYUIOPAS'[i]}`));
}"""
KEYS_SAID = """() => [...document.querySelectorAll('body *')].flatMap((one) =>
    [one.title, one.placeholder, one.matches('kbd, #hint') ? one.textContent : ''])
    .filter((text) => typeof text === 'string' && text)"""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    server = Server(make_folder(tmp_path_factory.mktemp("visit") / "photos", [f"{n}.png" for n in range(1, 5)]))
    yield server
    server.kill()


def visit(chromium, served, photo=1):
    """A browser that was never here."""
    page = chromium.new_context(viewport={"width": 1280, "height": 800}).new_page()
    return Screen(page, served.address, photo, first=True)


def test_three_steps_lead_to_the_first_object(chromium, served):
    screen = visit(chromium, served)
    card = screen.page.locator("#tour")
    assert "1 of 3" in card.inner_text()
    shot(screen, "tour")
    screen.click(60, 40, SIZE)
    screen.page.locator("#tour", has_text="2 of 3").wait_for()
    screen.click(5, 75, SIZE, button="right")
    screen.page.locator("#tour", has_text="3 of 3").wait_for()
    screen.page.reload()
    screen.opened()
    screen.page.locator("#tour", has_text="3 of 3").wait_for()
    screen.key("Enter")
    card.wait_for(state="detached")
    screen.saved()
    screen.page.reload()
    screen.opened()
    assert card.count() == 0
    assert not screen.wrong


def test_the_steps_can_be_skipped(chromium, served):
    screen = visit(chromium, served, 2)
    screen.page.locator("#tour-next").click()
    screen.page.locator("#tour", has_text="2 of 3").wait_for()
    screen.page.locator("#tour-skip").click()
    assert screen.page.locator("#tour").count() == 0
    assert not served.objects(2)  # a click on the card is none on the photo
    screen.page.reload()
    screen.opened()
    assert screen.page.locator("#tour").count() == 0


def test_a_key_is_changed_and_shown_wherever_it_was(opened, served):
    screen = opened(3)
    page = screen.page
    sheet = page.locator("#sheet")
    screen.key("?")
    page.locator(".keys[data-id=box]").click()
    shot(screen, "keys-change")
    screen.key("Shift", "4")
    page.locator("#keys-said", has_text="cannot be changed").wait_for()
    screen.key("Alt+k")
    page.locator("#keys-said", has_text="Alt+K now means").wait_for()
    screen.key("Escape")
    assert not sheet.is_visible()
    assert page.locator("#tool-box").get_attribute("title") == "Box (Alt+K)"
    screen.key("k")
    assert page.locator("#tool-click").get_attribute("aria-checked") == "true"
    screen.key("Alt+k")
    assert page.locator("#tool-box").get_attribute("aria-checked") == "true"
    # A key that another one has: both are told, and may swap.
    screen.key("?")
    page.locator(".keys[data-id=finish]").click()
    screen.key("b")
    page.locator("#keys-said", has_text="B is the key of: Brush").wait_for()
    page.locator("#keys-leave").click()
    page.locator(".keys[data-id=finish]").click()
    screen.key("b")
    page.locator("#keys-swap").click()
    screen.key("Escape")
    assert page.locator("#tool-brush").get_attribute("title") == "Brush (Enter)"
    page.reload()
    screen.opened()
    screen.click(60, 40, SIZE)
    screen.saved()
    assert page.locator("#hint").inner_text().endswith("B: finish.")
    screen.key("b")
    screen.is_now(lambda: [one["state"] for one in served.objects(3)], ["done"])
    # Another person has keys of their own; this one's wait for them.
    page.locator("#person summary").click()
    page.locator("#person-name").fill("Ann")
    page.locator("#person-name").press("Enter")
    screen.is_now(lambda: page.locator("#tool-brush").get_attribute("title"), "Brush (B)")
    page.locator("#person-name").fill("")
    page.locator("#person-name").press("Enter")
    screen.is_now(lambda: page.locator("#tool-brush").get_attribute("title"), "Brush (Enter)")
    page.locator("#help").click()
    page.locator("#keys-reset").click()
    screen.key("Escape")
    assert page.locator("#tool-brush").get_attribute("title") == "Brush (B)"
    assert page.locator("#tool-box").get_attribute("title") == "Box (K)"


def test_no_text_holds_a_key_that_was_changed(opened, served):
    """Whatever shows the key of a shortcut shows the present one: in the whole page, with all keys changed."""
    screen = opened(4)
    page = screen.page
    page.evaluate(CHANGED)
    page.reload()
    screen.opened()
    screen.click(60, 40, SIZE)
    screen.saved()
    said = page.evaluate(KEYS_SAID)
    old = re.compile(r"\((Ctrl\+Z|Enter|K|Ctrl\+S|D|/|G|R|:|Ctrl\+Shift\+→)\)|^(V|M)$|(?<!Ctrl\+)Enter")
    assert not [text for text in said if old.search(text)]
    assert any("Alt+Q" in text for text in said)


def test_a_folder_without_photos_offers_examples(chromium, tmp_path):
    server = Server(tmp_path)
    try:
        page = chromium.new_context().new_page()
        page.goto(server.address)
        button = page.locator("#examples")
        button.wait_for()
        assert not [path for path in tmp_path.iterdir() if not path.name.startswith(".")]
        button.click()
        page.locator("#photo-list .row").nth(4).wait_for(state="attached")
        page.locator("#tour", has_text="1 of 3").wait_for()
        (place,) = [path for path in tmp_path.iterdir() if not path.name.startswith(".")]
        assert {path.name for path in place.iterdir()} >= {"astronaut.png", "SOURCES.md"}
    finally:
        server.kill()
