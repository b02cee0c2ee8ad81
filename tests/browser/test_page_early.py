"""What the user does before the answers are there: to the last thing that was said, to the photo that is opened."""

import pytest

from annotating import make_folder, truth
from browsing import SIZE, Server, draw, kinds, require_chromium, slow
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
    found = served.objects(1)
    assert [kinds(served, one["id"]) for one in found] == [["box"], ["box", "box"]]
    assert iou(served.mask(found[0]["id"]), truth()) > 0.9


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
