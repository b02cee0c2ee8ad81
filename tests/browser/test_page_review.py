"""Reviewing in a real browser: comments pinned to the photo, sent back, corrected, accepted; what others see of it."""

import json
from uuid import uuid4

import pytest

from annotating import make_folder, truth
from browsing import SIZE, Server, require_chromium, shot

require_chromium()

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    server = Server(make_folder(tmp_path_factory.mktemp("review") / "photos", [f"{n}.png" for n in range(1, 9)]))
    yield server
    server.kill()


def state(server, photo):
    return server.get(f"/photos/{photo}")["photo"]["state"]


def finish(server, photo):
    server.place(photo, truth())
    server.send("PATCH", f"/photos/{photo}", json.dumps({"state": "done"}).encode())


def test_what_others_write_leaves_the_pin_that_is_held_in_place(opened, served):
    def comment(text, x):
        body = {"photo_id": 6, "text": text, "x": x, "y": 40}
        served.send("PUT", f"/comments/{uuid4()}", json.dumps(body).encode())

    comment("one", 30)
    screen = opened(6)
    screen.page.get_by_role("button", name="Comment 1: one").focus()
    screen.page.get_by_label("Comment 1 is resolved").evaluate("tick => (tick.dataset.mine = '1')")
    comment("two", 60)
    screen.page.get_by_role("button", name="Comment 2: two").wait_for()
    assert "one" in screen.page.evaluate("document.activeElement.title")
    assert screen.page.locator("[data-mine]").count() == 1


def test_a_tick_that_the_server_does_not_get_is_taken_back(opened, served):
    served.send("PUT", f"/comments/{uuid4()}", b'{"photo_id": 7, "text": "here", "x": 5, "y": 5}')
    screen = opened(7)
    tick = screen.page.get_by_label("Comment 1 is resolved")
    screen.page.route("**/comments/*", lambda route: route.abort())
    tick.click()
    screen.page.locator(".notice").first.wait_for()
    assert not tick.is_checked()
    screen.wrong.clear()  # the browser itself tells of the request that failed


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_a_reviewer_pins_sends_back_and_accepts_by_keys(opened, served, scheme):
    photo = 1 if scheme == "light" else 3
    for number in (photo, photo + 1):
        finish(served, number)
    screen = opened(photo, color_scheme=scheme)
    other = opened(photo)
    screen.page.mouse.move(*screen.at(60, 40, SIZE))
    screen.key("Shift+R")
    assert state(served, photo) == "done", "it is said first what for"
    screen.page.locator("#stage").focus()
    screen.page.mouse.move(*screen.at(61, 40, SIZE))
    screen.key("r")
    screen.page.locator("#pin-text").fill("The corner is missing.")
    screen.key("Enter")
    screen.page.locator(".pin").wait_for()
    other.page.locator(".pin").wait_for()
    (comment,) = served.get(f"/photos/{photo}/comments")
    assert (comment["x"], comment["y"], comment["text"]) == (61, 40, "The corner is missing.")
    box = screen.page.locator(".pin").bounding_box()
    x, y = screen.at(61, 40, SIZE)
    assert abs(box["x"] - x) < 6
    assert abs(box["y"] + box["height"] - y) < 6
    screen.page.locator(".pin").click()  # no click on the photo, which would select the object
    assert screen.page.locator("#finish").is_disabled()
    shot(screen, f"review-{scheme}")
    screen.key("Shift+R")
    screen.is_now(lambda: state(served, photo), "returned")
    screen.page.locator("#photo-name", has_text=f"{photo + 1}.png").wait_for()
    other.page.locator("#review-state", has_text="sent back").wait_for()
    other.page.get_by_label("Comment 1 is resolved").check()
    other.page.locator(".pin").wait_for(state="detached")
    other.page.locator("#photo-done").check()
    other.is_now(lambda: state(served, photo), "done")
    screen.key("Shift+Y")  # the second photo
    screen.is_now(lambda: state(served, photo + 1), "accepted")
    screen.page.locator("#photo-name", has_text=f"{photo}.png").wait_for()
    screen.page.get_by_role("button", name="Accept").click()
    screen.is_now(lambda: state(served, photo), "accepted")
    screen.page.locator(".notice", has_text=f"{photo}.png is accepted").wait_for()
    screen.key("u")  # what the notice tells of is taken back
    screen.is_now(lambda: state(served, photo), "done")
    title = screen.page.locator("#progress").get_attribute("title")
    assert "1 accepted" in title or "accepted" in title
    shot(screen, f"review-done-{scheme}")
    served.send("PATCH", f"/photos/{photo}", b'{"state": "begun"}')
