"""What fingers and eyes need of the page in a real browser: sizes, the bottom of a phone, no silent controls."""

import numpy as np
import pytest

from annotating import make_folder
from browsing import SIZE, Server, require_chromium, shot

require_chromium()

pytestmark = pytest.mark.browser

FINGER_PX = 44
SMALL = f"""(root) => [...document.querySelectorAll(`${{root}} :is(button, input, select, summary, a[href])`)]
    .filter((one) => one.checkVisibility({{ visibilityProperty: true, opacityProperty: true }}))
    .filter((one) => !one.closest('[inert]'))
    .map((one) => (one.matches('[type=checkbox], [type=radio]') && one.closest('label')) || one)
    .map((one) => [one.id || one.className || one.outerHTML, one.getBoundingClientRect()])
    .filter(([, box]) => box.width && (box.width < {FINGER_PX} - 0.5 || box.height < {FINGER_PX} - 0.5))
    .map(([name, box]) => `${{name}} ${{box.width.toFixed(1)}}x${{box.height.toFixed(1)}}`)"""
OUTSIDE = """() => [...document.querySelectorAll('.bar button, .tools button, .status button')]
    .filter((one) => one.checkVisibility({ visibilityProperty: true }))
    .map((one) => [one.id, one.getBoundingClientRect()])
    .filter(([, box]) => box.left < 0 || box.right > 390.5 || box.bottom > 844.5)
    .map(([id]) => id)"""
PRESS = """async (id) => {
    const control = document.querySelector(`[data-walk="${id}"]`);
    if (!control?.checkVisibility({ visibilityProperty: true }) || control.disabled) return 'skipped';
    let news = 0;
    const watch = new MutationObserver((all) => (news += all.length));
    watch.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
    control.click();
    for (let i = 0; i < 40 && !news; i++) await new Promise((done) => setTimeout(done, 50));
    watch.disconnect();
    return news ? '' : control.outerHTML;
}"""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    server = Server(make_folder(tmp_path_factory.mktemp("controls") / "photos", [f"{name}.png" for name in "abcd"]))
    for x, y in [(5, 5), (40, 60), (100, 5), (60, 30), (5, 50), (90, 60), (70, 5)]:
        mask = np.zeros(SIZE[::-1], bool)
        mask[y : y + 12, x : x + 12] = True
        server.place(1, mask)
    yield server
    server.kill()


@pytest.mark.slow
def test_a_phone_has_what_a_thumb_needs_at_its_bottom(opened, served):
    screen = opened(1, has_touch=True, is_mobile=True, viewport={"width": 390, "height": 844})
    page = screen.page
    page.locator("#object-list .row").first.wait_for(state="attached")
    assert page.evaluate(SMALL, "body") == []
    assert page.evaluate(OUTSIDE) == []
    stage, tools = (page.locator(name).bounding_box() for name in ("#stage", "#tools"))
    assert stage["y"] + stage["height"] <= tools["y"]
    assert stage["height"] >= 844 / 2
    assert page.locator("#hint").inner_text().startswith("Tap")
    assert page.locator("#class-now").inner_text().split() == ["object", "7"]
    shot(screen, "phone")
    page.locator("#class-now").tap()
    page.locator("#class-list").wait_for(state="visible")
    assert page.locator("#object-list").evaluate("one => one.clientHeight") >= 6 * 48
    assert page.evaluate(SMALL, "#right") == []
    shot(screen, "phone-list")
    # A tap on a row takes the object up; one on the photo closes the list.
    page.locator("#object-list .row .text").first.tap()
    page.locator("#stage").tap(position={"x": 5, "y": 5})
    page.locator("#finish:enabled").wait_for()
    screen.is_now(lambda: page.locator("#hint").inner_text().split()[0], "Tap:")
    assert page.evaluate(SMALL, "body") == []
    page.locator("#finish").tap()
    page.locator("#finish:disabled").wait_for(state="attached")


@pytest.mark.slow
@pytest.mark.parametrize("chosen", [False, True])
def test_every_control_that_can_be_pressed_does_something(opened, served, chosen):
    """Whatever is enabled changes what is seen; what is not says why."""
    screen = opened(2 if chosen else 3)
    page = screen.page
    if chosen:
        screen.click(60, 40, SIZE)
        screen.saved()
    for summary in page.locator("#right summary").all():
        summary.click()
    walk = """() => [...document.querySelectorAll('body button')].map((one, i) => one.dataset.walk = String(i))"""
    silent = []
    for name in page.evaluate(walk):
        # What is chosen already is a choice, not a deed; that of the browser's own dialogs is not seen here.
        if page.locator(
            f'[data-walk="{name}"]:is([aria-checked="true"], dialog *, #classes-save, #classes-load)'
        ).count():
            continue
        found = page.evaluate(PRESS, name)
        if found not in ("", "skipped"):
            silent.append(found)
        page.evaluate("document.querySelectorAll('dialog[open]').forEach((one) => one.close())")
        screen.opened()
    assert silent == []
