"""Pre-annotation in a real browser: the dialog, the bar of progress, proposals that are accepted or discarded."""

import PIL.Image
import pytest

from annotating import photo
from browsing import SIZE, Server, require_chromium, shot

require_chromium()

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Two photos of a bright box."""
    root = tmp_path_factory.mktemp("proposed")
    for n in (1, 2):
        PIL.Image.fromarray(photo()).save(root / f"{n}.png")
    server = Server(root)
    yield server
    server.kill()


@pytest.mark.slow
def test_proposals_come_in_the_background_and_are_accepted_corrected_and_taken_back(opened, served):
    screen = opened(1)
    page = screen.page
    page.locator("#preannotate").click()
    page.locator("#pre-points").select_option("5")
    shot(screen, "preannotate")
    page.locator("#pre-go").click()
    page.locator("#preannotation").get_by_text("Pre-annotated: ").wait_for()
    screen.is_now(lambda: len(served.objects(1)) > 1, True)
    count = len(served.objects(1))
    page.locator("#proposals").get_by_text(f"{count} proposals").wait_for()
    screen.is_now(lambda: page.locator("#object-list .row.proposal").count() > 1)
    shot(screen, "proposals")
    # Looking at them accepts none.
    screen.key("Shift+N", "Shift+N", "Shift+N", "Escape")
    screen.saved()
    assert all(one["proposal"] for one in served.objects(1))
    # Enter accepts, and goes to the next; Delete discards; a click corrects.
    screen.key("Shift+N", "Enter")
    screen.is_now(lambda: sum(one["proposal"] for one in served.objects(1)), count - 1)
    screen.is_now(lambda: page.locator("#object-list .row.selected, #object-list [aria-selected=true]").count(), 1)
    screen.key("Delete")
    screen.is_now(lambda: len(served.objects(1)), count - 1)
    screen.key("Control+z")
    screen.is_now(lambda: len(served.objects(1)), count)
    screen.key("Control+z")
    screen.is_now(lambda: sum(one["proposal"] for one in served.objects(1)), count)
    screen.key("Enter")
    screen.is_now(lambda: sum(one["proposal"] for one in served.objects(1)), count - 1)
    # All that nobody has accepted goes, on both photos, and comes back.
    page.locator("#pre-undo").click()
    screen.is_now(lambda: (len(served.objects(1)), len(served.objects(2))), (1, 0))
    page.locator("#notices").get_by_text("that you accepted or corrected stay").wait_for()
    screen.is_now(lambda: page.locator("#proposals").is_visible(), False)
    screen.key("u")
    screen.is_now(lambda: (len(served.objects(1)), len(served.objects(2))), (count, count))
    page.locator("#proposal-none").click()
    screen.is_now(lambda: len(served.objects(1)), 1)
    screen.key("Control+z")
    screen.is_now(lambda: len(served.objects(1)), count)
    page.locator("#proposal-all").click()
    screen.is_now(lambda: sum(one["proposal"] for one in served.objects(1)), 0)
    screen.click(5, 5, SIZE)
    screen.saved()
