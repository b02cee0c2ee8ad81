"""From photo to photo, and where a mask is in doubt, in a real browser; rows that are dragged."""

import numpy as np
import PIL.Image
import pytest

from annotating import photo, truth
from browsing import Server, require_chromium, shot, slow

require_chromium()

pytestmark = pytest.mark.browser
SHIFT = 6


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Three frames of a box that moves, one of nothing, and photos for what needs no sequence; a test has its own."""
    root = tmp_path_factory.mktemp("frames")
    # 8 to 92 are for what is selected, a and b for what is run by mouse.
    for n in range(3):
        PIL.Image.fromarray(np.roll(photo(), n * SHIFT, axis=1)).save(root / f"{n + 1}.png")
    noise = np.random.default_rng(0).integers(0, 255, photo().shape).astype(np.uint8)
    PIL.Image.fromarray(noise).save(root / "4.png")
    for n in (5, 6, 7, 8, 9, 91, 92, "a", "b"):
        PIL.Image.fromarray(photo()).save(root / f"{n}.png")
    server = Server(root)
    yield server
    server.kill()


def named(screen):
    return screen.page.locator("#photo-name").inner_text()


@pytest.mark.slow
def test_objects_run_ahead_until_one_has_changed_too_much_and_are_taken_back(opened, served):
    served.place(1, truth())
    screen = opened(1)
    screen.page.locator("#object-list .row").wait_for()
    screen.key("Control+Shift+ArrowRight")
    screen.is_now(lambda: named(screen), "2.png")
    screen.is_now(lambda: len(screen.rows()), 1)
    (found,) = served.objects(2)
    assert [line["kind"] for line in served.get(f"/objects/{found['id']}/journal")["items"]] == ["mask", "fit"]
    there = np.roll(truth(), SHIFT, axis=1)
    mask = served.mask(found["id"])
    assert (mask & there).sum() / (mask | there).sum() > 0.9
    # Ctrl+Z takes all of it back.
    screen.key("Control+z")
    screen.is_now(lambda: len(served.objects(2)), 0)
    screen.key("a")
    screen.is_now(lambda: named(screen), "1.png")
    screen.page.locator("#object-list .row").wait_for()
    screen.key("Alt+Shift+ArrowRight")
    screen.is_now(lambda: named(screen), "4.png")
    screen.is_now(lambda: "look at it" in screen.page.locator("#hint").inner_text())
    assert [len(served.objects(n)) for n in (2, 3, 4)] == [1, 1, 1]
    shot(screen, "run-ahead")
    # The whole run is one thing to take back.
    screen.page.locator("#notices").get_by_text("3 objects taken over to 3 photos").wait_for()
    screen.key("Enter", "u")
    screen.is_now(lambda: [len(served.objects(n)) for n in (1, 2, 3, 4)], [1, 0, 0, 0])


@pytest.mark.slow
def test_objects_are_copied_and_pasted_on_another_photo(opened, served):
    served.place(5, truth())
    screen = opened(5)
    screen.key("Control+v")
    assert "Nothing was copied" in screen.page.locator("#hint").inner_text()
    screen.page.locator("#object-list .row").click()
    screen.key("Control+c", "d")
    screen.is_now(lambda: named(screen), "6.png")
    screen.key("Control+v")
    screen.is_now(lambda: len(screen.rows()), 1)
    assert np.array_equal(served.mask(served.objects(6)[0]["id"]), truth())
    screen.key("Control+v")
    screen.page.locator("#notices").get_by_text("there already").wait_for()
    assert len(served.objects(6)) == 1


@pytest.mark.slow
def test_the_next_place_in_doubt_is_shown_and_the_list_is_ordered_by_it(opened, served):
    bad = truth()
    bad[2:10, 2:30] = True
    small = np.zeros_like(bad)
    small[66:76, 100:112] = True
    other = np.zeros_like(bad)
    other[64:74, 4:20] = True
    for mask in (bad, small, other):
        served.place(7, mask)
    screen = opened(7)
    screen.page.locator("#object-list .row").first.wait_for()
    screen.key(".")
    screen.is_now(lambda: "in doubt (1 of" in screen.page.locator("#hint").inner_text())
    assert screen.page.locator("#object-list .row[aria-selected=true]").count() == 1
    shot(screen, "doubt")
    screen.key("Enter")
    screen.page.locator("#by-doubt").click()
    screen.is_now(lambda: all("±" in row for row in screen.rows()))
    shares = [float(row.split("±")[1].split("%")[0]) for row in screen.rows()]
    assert shares == sorted(shares, reverse=True)
    # What is moved in the stack meanwhile cannot be seen, and is said.
    screen.page.locator("#object-list .row").first.click()
    screen.key("PageUp")
    if "moved in the stack" not in screen.page.locator("#hint").inner_text():  # it lay on top
        screen.key("PageDown")
    assert "moved in the stack" in screen.page.locator("#hint").inner_text()
    screen.saved()
    screen.key("Enter")
    screen.page.locator("#by-doubt").click()
    # A row is dragged to the top of the stack, and Ctrl+Z puts it back.
    order = [one["id"] for one in served.objects(7)]
    rows = screen.page.locator("#object-list .row")
    last, first = (rows.nth(n).bounding_box() for n in (len(order) - 1, 0))
    screen.page.mouse.move(last["x"] + 60, last["y"] + 20)
    screen.page.mouse.down()
    screen.page.mouse.move(last["x"] + 60, last["y"] - 10, steps=3)
    screen.page.mouse.move(first["x"] + 60, first["y"] + 4, steps=3)
    shot(screen, "dragged-row")
    screen.page.mouse.up()
    screen.saved()
    screen.is_now(lambda: [one["id"] for one in served.objects(7)], [*order[1:], order[0]])
    screen.key("Control+z")
    screen.is_now(lambda: [one["id"] for one in served.objects(7)], order)


@pytest.mark.slow
def test_the_row_that_is_selected_is_what_is_taken_over_and_with_none_all_are(opened, served):
    other = np.zeros_like(truth())
    other[64:76, 4:20] = True
    served.place(8, truth())
    served.place(8, other)
    screen = opened(8)
    screen.page.locator("#object-list .row").last.click()
    screen.key("Control+Shift+ArrowRight")
    screen.is_now(lambda: named(screen), "9.png")
    screen.page.locator("#notices").get_by_text("1 object taken over").wait_for()
    (found,) = served.objects(9)
    assert found["box"][1] < 60
    screen.key("a")
    screen.is_now(lambda: named(screen), "8.png")
    screen.page.locator("#object-list .row").first.wait_for()
    screen.key("Control+Shift+ArrowRight")
    screen.is_now(lambda: len(served.objects(9)), 2)
    screen.is_now(lambda: named(screen), "9.png")
    screen.is_now(screen.page.locator("#many-carry").is_enabled)
    screen.key("Enter")  # with nothing in hand

    # What a run stopped at is in hand: from there all go on.
    def doubted(route):
        answer = route.fetch().json()
        answer["items"][0]["problem"] = "look at it"
        route.fulfill(json=answer)

    screen.page.route("**/photos/10/copies", doubted)
    screen.key("Alt+Shift+ArrowRight")
    screen.is_now(lambda: "look at it" in screen.page.locator("#hint").inner_text())
    assert screen.page.locator("#object-list .row[aria-selected=true]").count() == 1
    screen.key("Control+Shift+ArrowRight")
    screen.is_now(lambda: len(served.objects(11)), 2)


@pytest.mark.slow
def test_a_run_is_begun_and_stopped_by_mouse_and_says_nothing_more_when_it_fails(opened, served):
    served.place(12, truth())
    screen = opened(12)
    run = screen.page.locator("#many-carry-on")
    screen.is_now(run.is_enabled)
    with slow(screen, "**/copies") as held:
        run.click()
        screen.is_now(lambda: "Esc stops" in screen.page.locator("#hint").inner_text())
        assert run.get_attribute("aria-pressed") == "true"
        assert "being taken over" in screen.page.locator("#many-carry").get_attribute("title")
        screen.is_now(lambda: len(held), 1)
        run.click()
        assert "Stopped" in screen.page.locator("#hint").inner_text()
        assert run.is_disabled()
    screen.is_now(lambda: named(screen), "b.png")
    screen.is_now(lambda: run.get_attribute("aria-pressed"), "false")
    screen.is_now(lambda: "last photo" in run.get_attribute("title"))
    screen.key("u", "a")
    screen.is_now(lambda: named(screen), "a.png")
    screen.is_now(run.is_enabled)
    screen.page.route("**/copies", lambda route: route.fulfill(status=400, json={"detail": "No room."}))
    run.click()
    screen.page.locator("#notices").get_by_text("No room.").wait_for()
    screen.is_now(lambda: "stops" in screen.page.locator("#hint").inner_text(), False)
    assert run.get_attribute("aria-pressed") == "false"
    screen.wrong.clear()  # the browser tells of the 400
