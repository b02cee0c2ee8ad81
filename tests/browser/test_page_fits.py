"""The page fits into every window, with a mouse and with fingers: nothing is cut off, nothing scrolls sideways."""

import numpy as np
import pytest

from annotating import make_folder
from browsing import SIZE, Server, require_chromium

require_chromium()

pytestmark = pytest.mark.browser

WIDTHS = (360, 390, 480, 600, 752, 753, 768, 820, 1024, 1088, 1089, 1180, 1280, 1366, 1920)
LOOKS = {"mouse": {}, "touch": {"has_touch": True}, "mobile": {"has_touch": True, "is_mobile": True}}
BESIDE = """(root) => {
    const seen = [...document.querySelectorAll(`${root}, ${root} *`)]
        .filter((one) => one.checkVisibility({ visibilityProperty: true }))
        .filter((one) => !one.closest('[inert], .hidden-text, canvas, svg'));
    const name = (one) => one.id || one.className || one.outerHTML.slice(0, 60);
    const scrolls = (one) => /auto|scroll/.test(getComputedStyle(one).overflowX);
    const wide = seen.filter((one) => one.scrollWidth > one.clientWidth && scrolls(one));
    const out = seen.filter((one) => {
        const { left, right, width } = one.getBoundingClientRect();
        return width > 1 && (left < -0.5 || right > document.documentElement.clientWidth + 0.5);
    });
    const tight = seen.filter((one) => one.matches('button') && one.scrollWidth > one.clientWidth + 1);
    const faults = { 'is too small': tight, scrolls: wide, 'is cut off': out };
    return Object.entries(faults).flatMap(([fault, those]) => those.map((one) => `${name(one)} ${fault}`));
}"""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    server = Server(make_folder(tmp_path_factory.mktemp("fits") / "photos", [f"{name}.png" for name in "abc"]))
    mask = np.zeros(SIZE[::-1], bool)
    mask[10:40, 10:40] = True
    server.place(1, mask)
    yield server
    server.kill()


@pytest.mark.slow
@pytest.mark.parametrize("look", LOOKS)
def test_nothing_lies_beside_the_screen_at_any_width(opened, look):
    screen = opened(1, **LOOKS[look], reduced_motion="reduce")
    page = screen.page
    page.locator("#object-list .row").first.wait_for(state="attached")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 768})
        page.wait_for_timeout(50)
        at = page.evaluate("[scrollX, scrollY, document.documentElement.scrollWidth, innerWidth]")
        assert at == [0, 0, width, width]
        assert page.evaluate(BESIDE, "body") == [], width


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("look", LOOKS)
def test_dialogs_fit_into_a_small_phone(opened, look, language):
    screen = opened(1, **LOOKS[look], locale=language, viewport={"width": 360, "height": 740}, reduced_motion="reduce")
    page = screen.page
    for opener in ("help", "export", "import", "preannotate", "statistics", "assign"):
        page.locator(f"#{opener}").evaluate("one => one.click()")
        dialog = page.locator("dialog[open]")
        dialog.wait_for()
        if opener == "statistics":
            dialog.locator("table").first.wait_for()
        for format_name in ("coco", "cutout") if opener == "export" else ():
            dialog.locator(f"#format-{format_name}").check()
            assert page.evaluate(BESIDE, "dialog[open]") == [], format_name
        for source in ("file", "everything") if opener == "preannotate" else ():
            dialog.locator("#pre-source").select_option(source)
            assert page.evaluate(BESIDE, "dialog[open]") == [], source
        assert page.evaluate(BESIDE, "dialog[open]") == [], opener
        page.keyboard.press("Escape")
        dialog.wait_for(state="detached")


@pytest.mark.slow
def test_the_word_of_a_server_that_is_away_covers_no_tool(opened):
    screen = opened(1, has_touch=True, is_mobile=True, viewport={"width": 360, "height": 740})
    page = screen.page
    page.evaluate("document.getElementById('saved').classList.add('problem')")
    page.evaluate(
        "document.getElementById('saved').textContent = 'The server does not answer. 3 actions will be sent.'"
    )
    said = page.locator("#saved").bounding_box()
    assert said["height"] > 10
    for name in ("bar", "tools", "hint", "class-now"):
        other = page.locator(f"#{name}").bounding_box()
        assert other["y"] >= said["y"] + said["height"] or other["y"] + other["height"] <= said["y"] + 0.5, name
