"""What the user does before the answers are there: to the last thing that was said, to the photo that is opened."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from annotating import make_folder, truth
from browsing import SIZE, Screen, Server, draw, kinds, require_chromium, slow
from fewclicks.evaluation.metrics import iou

require_chromium()

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    server = Server(
        make_folder(tmp_path_factory.mktemp("early") / "photos", [f"{letter}.png" for letter in "abcdefghij"])
    )
    yield server
    server.kill()


def places(screen, *points):
    """Where points of the photo are on the page, also while the next one of the same size is opened."""
    return [screen.at(*point, SIZE) for point in points]


def hint(screen):
    return screen.page.locator("#hint").inner_text()


@pytest.mark.slow
def test_a_box_beside_one_that_is_under_way_begins_a_new_object(opened, served):
    screen = opened(1)
    first, second, within = (
        places(screen, *corners) for corners in (((25, 15), (94, 64)), ((2, 66), (14, 78)), ((4, 68), (12, 76)))
    )
    with slow(screen, "**/actions"):
        for corners in (first, second, within):
            draw(screen, *corners)
    screen.saved()
    # Which of the two comes first to the server is open.
    found = sorted(served.objects(1), key=lambda one: len(kinds(served, one["id"])))
    assert [kinds(served, one["id"]) for one in found] == [["box"], ["box", "box"]]
    assert iou(served.mask(found[0]["id"]), truth()) > 0.9
    # Of a click that has one meaning, Q says so when that is known.
    screen.key("Enter")
    screen.click(110, 8, SIZE)
    screen.key("q")
    screen.is_now(lambda: "one meaning" in hint(screen))


@pytest.mark.slow
def test_what_is_drawn_and_pressed_while_a_photo_is_opened_is_done_when_it_is_there(opened, served):
    screen = opened(2)
    inside, box, corners = (
        places(screen, *points)
        for points in (((40, 30), (60, 50), (80, 30)), ((2, 66), (14, 78)), ((100, 4), (116, 4), (116, 16), (100, 16)))
    )
    for n, key in ((3, "s"), (4, "k"), (5, "b"), (6, "Shift+P")):
        with slow(screen, f"**/photos/{n}"):
            screen.key("d", key)
            draw(screen, *{"s": inside, "k": box, "b": inside, "Shift+P": corners}[key])
            screen.key("Enter")
            draw(screen, *{"s": box, "k": inside[::2], "b": box, "Shift+P": box}[key])
        screen.is_now(lambda n=n: len(served.objects(n)), 2)
        screen.saved()
        said = {"s": "scribble", "k": "box", "b": "brush", "Shift+P": "polygon"}[key]
        assert [kinds(served, one["id"]) for one in served.objects(n)][:1] == [[said]]
        screen.key("Escape")
        screen.saved()
        screen.key("Escape")
    # A stroke that goes on while the photo comes is one stroke.
    screen.key("b")
    mouse = screen.page.mouse
    with slow(screen, "**/photos/7"):
        screen.key("d")
        mouse.move(*inside[0])
        mouse.down()
        mouse.move(*inside[1], steps=4)
    screen.is_now(lambda: len(screen.rows()), 1)
    mouse.move(*inside[2], steps=4)
    mouse.up()
    screen.saved()
    (found,) = served.objects(7)
    assert kinds(served, found["id"]) == ["brush"]
    assert all(served.mask(found["id"])[y, x] for x, y in ((40, 30), (60, 50), (80, 30)))


@pytest.mark.slow
def test_keys_that_need_the_objects_wait_for_the_photo(opened, served):
    served.place(9, truth())
    screen = opened(8)
    with slow(screen, "**/photos/9"):
        screen.key("d", "Control+Shift+ArrowRight")
        assert "no objects" not in hint(screen)
    screen.is_now(lambda: len(served.objects(10)), 1)
    screen.is_now(lambda: screen.page.locator("#photo-name").inner_text(), "j.png")
    screen.saved()
    with slow(screen, "**/photos/9"):
        screen.key("a", ".")
        assert "No mask" not in hint(screen)
    screen.is_now(lambda: "mask" in hint(screen))


@pytest.fixture(scope="module")
def astronaut(tmp_path_factory):
    """A photo whose first click means several masks, with the default model."""
    folder = tmp_path_factory.mktemp("meanings") / "photos"
    folder.mkdir()
    shutil.copy(Path(__file__).parents[2] / "examples" / "images" / "astronaut.png", folder)
    server = Server(folder, method="default")
    yield server
    server.kill()


def shown(screen):
    """Which of the meanings is pressed."""
    buttons = screen.page.locator("#filmstrip button")
    return buttons.evaluate_all("all => all.findIndex(one => one.getAttribute('aria-pressed') === 'true')")


@pytest.mark.slow
def test_whole_or_part_asked_for_early_is_done_and_another_tab_follows(chromium, astronaut):
    server, size = astronaut, (512, 512)
    screen, other = (Screen(chromium.new_page(viewport={"width": 1280, "height": 800}), server.address) for _ in "ab")
    with slow(screen, "**/candidates"), slow(screen, "**/actions"):
        screen.click(180, 340, size)
        screen.key("q")
        assert "Looking for" in hint(screen)
    screen.is_now(lambda: shown(screen), 1)
    screen.saved()
    (found,) = server.objects()
    assert kinds(server, found["id"]) == ["click", "choose"]
    assert "Looking for" not in hint(screen)
    # The other tab takes it up, and goes with it.
    other.page.locator("#object-list .row").click()
    other.is_now(lambda: shown(other), 1)
    screen.key("q")
    all_of_them = screen.page.locator("#filmstrip button").count()
    screen.is_now(lambda: shown(screen), 2 % all_of_them)
    other.is_now(lambda: shown(other), 2 % all_of_them)
    before = server.mask(found["id"])
    other.key("q")
    other.saved()
    assert not np.array_equal(server.mask(found["id"]), before)
    # Alt and the wheel: a notch is one, the fingers on a trackpad take several events for one, and none sideways.
    screen.is_now(lambda: shown(screen), 3 % all_of_them)
    did = len(kinds(server, found["id"]))
    screen.page.keyboard.down("Alt")
    screen.page.mouse.wheel(120, 0)
    for _ in range(20):
        screen.page.mouse.wheel(0, 3)
    assert shown(screen) == 3 % all_of_them
    for _ in range(20):
        screen.page.mouse.wheel(0, 3)
    screen.is_now(lambda: shown(screen), 4 % all_of_them)
    screen.page.mouse.wheel(0, -120)
    screen.page.keyboard.up("Alt")
    screen.is_now(lambda: shown(screen), 3 % all_of_them)
    screen.saved()
    assert len(kinds(server, found["id"])) == did + 2
    # A box, or a click more, has no other meaning.
    screen.click(5, 5, size, "right")
    screen.key("q")
    assert "Only a first click" in hint(screen)
    screen.key("Enter")
    draw(screen, screen.at(2, 2, size), screen.at(90, 90, size))
    screen.key("q")
    assert "Only a first click" in hint(screen)
    screen.saved()
    assert not screen.wrong
    assert not other.wrong
