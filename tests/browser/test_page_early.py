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
