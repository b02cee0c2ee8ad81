"""What a role may not do in a real browser: it is not offered, and keys say why."""

import numpy as np
import pytest

from annotating import make_folder
from browsing import SIZE, Server, drag, require_chromium, shot

require_chromium()

pytestmark = pytest.mark.browser
ANN = {"person": "Ann", "named": True, "signed_in": True, "role": "annotator"}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    server = Server(make_folder(tmp_path_factory.mktemp("rights") / "photos", [f"{letter}.png" for letter in "abc"]))
    for x, y in ((5, 5), (40, 60)):
        mask = np.zeros(SIZE[::-1], bool)
        mask[y : y + 12, x : x + 12] = True
        server.place(1, mask)
    server.send("PATCH", "/photos/1", b'{"state": "accepted"}')
    server.send("PATCH", "/photos/3", b'{"assignee": "Bea"}')
    yield server
    server.kill()


def as_ann(screen):
    """Be an annotator from now on, as far as the page knows. Whatever it sends is noted."""
    sent = []
    screen.page.route("**/api/v1/session", lambda route: route.fulfill(json=ANN))
    screen.page.on("request", lambda asked: asked.method in ("PATCH", "POST", "PUT") and sent.append(asked.url))
    screen.page.reload()
    screen.opened()
    screen.page.locator("#import:disabled").wait_for()
    return [sent.clear(), sent][1]


def hinted(screen, key, text):
    """Press a key, and read what the line at the bottom says of it; another key has had it say something else."""
    screen.key("Alt+,")
    screen.page.locator("#hint", has_text="one pass only").wait_for()
    screen.key(key)
    screen.page.locator("#hint", has_text=text).wait_for()


@pytest.mark.slow
def test_an_annotator_is_not_offered_what_reviewers_do(opened, served):
    screen = opened(2)
    as_ann(screen)
    page = screen.page
    for control in ("import", "preannotate", "assign", "accept"):
        assert page.locator(f"#{control}").is_disabled()
        assert page.locator(f"#{control}").get_attribute("title").endswith(": reviewers do that")
    for key in ("Control+o", "Shift+X"):
        hinted(screen, key, "Reviewers do that.")
    assert page.locator("dialog[open]").count() == 0
    page.locator("#photo-about summary").click()
    assert page.locator("#photo-assignee").is_enabled()  # who takes what is nobody's
    page.goto(f"{served.address}#photo=3")
    page.reload()
    screen.opened()
    page.locator("#photo-assignee:disabled").wait_for(state="attached")
    assert page.locator("#photo-done").is_enabled()


@pytest.mark.slow
def test_an_accepted_photo_stays_as_it_is(opened, served):
    before = served.objects(1)
    screen = opened(1)
    sent = as_ann(screen)
    page = screen.page
    page.locator("#hint", has_text="The photo is accepted").wait_for()
    rows = page.locator("#object-list .row")
    for name in (
        "#photo-done",
        "#photo-tags",
        "#photo-note",
        "#object-list .bin >> nth=0",
        "#object-list .locked >> nth=0",
    ):
        assert page.locator(name).is_disabled()
        assert "the photo is accepted" in page.locator(name).get_attribute("title")

    screen.click(60, 40, SIZE)  # would begin an object
    screen.click(11, 11, SIZE)  # takes one up, to look at
    screen.is_now(lambda: rows.last.get_attribute("aria-selected"), "true")
    screen.click(14, 14, SIZE)
    for key in ("Delete", "PageUp", "j", "Shift+G", "Control+z", "l", "i", "F2", "Shift+H", "Control+Enter"):
        hinted(screen, key, "accepted")
    screen.key("b")
    drag(screen, (20, 20), (50, 30))
    screen.key("e")
    drag(screen, (8, 8), (12, 12))
    screen.key("Escape", "Control+a", "Delete", "Escape")
    drag(screen, (20, 20), (50, 30))
    rows.first.hover()
    shot(screen, "rights-accepted")
    rows.first.drag_to(rows.last)
    screen.saved()
    assert [url for url in sent if "/preview" not in url] == []
    assert page.locator(".notice").count() == 0
    assert served.objects(1) == before
    assert rows.count() == 2
