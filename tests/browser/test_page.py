"""The annotator's page in a real browser: real mouse and keys, a real server."""

import json
import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from annotating import BOX, make_folder, truth
from browsing import SIZE, Screen, Server, drag, require_chromium, shot
from fewclicks.clicks import Clicks
from fewclicks.evaluation.metrics import iou
from fewclicks.evaluation.robot import deepest_error
from fewclicks.images.reading import read_mask

require_chromium()

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
CENTRE = (60, 40)
"""Of the bright box in the photos of `make_folder`."""
CONTROLS = {"application", "button", "checkbox", "ColorWell", "combobox", "dialog", "DisclosureTriangle", "img",
            "listbox", "option", "progressbar", "radio", "radiogroup", "slider", "spinbutton", "searchbox", "textbox",
            "toolbar"}  # fmt: skip
"""Roles whose elements need a name."""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A folder of small photos, served with the method `grow`; each test takes a photo of its own."""
    names = [f"{letter}.png" for letter in "abcdefghijklmnop"]
    server = Server(make_folder(tmp_path_factory.mktemp("page") / "photos", names))
    yield server
    server.kill()


def test_a_photo_is_cut_out_corrected_undone_reloaded_and_exported(chromium, tmp_path):
    (tmp_path / "photos").mkdir()
    shutil.copy(EXAMPLES / "images" / "coffee.png", tmp_path / "photos")
    server = Server(tmp_path / "photos", method="default")
    screen = Screen(chromium.new_page(viewport={"width": 1280, "height": 800}, accept_downloads=True), server.address)
    try:
        best = cut_out(screen, server, (read_mask(EXAMPLES / "masks" / "coffee.png", (400, 600)) > 0).astype(np.int8))
        clicks = len(server.objects()[0]["clicks"])
        shot(screen, "cut-out")
        screen.key("Control+z", "Control+z")
        screen.saved()
        assert len(server.objects()[0]["clicks"]) == clicks - 2
        screen.page.reload()
        screen.opened()
        screen.key("Control+Shift+z", "Control+Shift+z")
        screen.saved()
        assert len(server.objects()[0]["clicks"]) == clicks
        screen.key("z")
        screen.is_now(lambda: screen.drawn().shape, best.shape)
        screen.is_now(lambda: np.array_equal(screen.drawn(), best))
        screen.key("Enter")
        screen.saved()
        assert server.objects()[0]["state"] == "done"
        assert np.array_equal(exported(screen, tmp_path), best)
        assert not screen.wrong
    finally:
        screen.page.close()
        server.kill()


def cut_out(screen, server, wanted):
    """Click where the mask is most wrong, as a user would, until it is right. Returns the mask."""
    mask, clicks = np.zeros(wanted.shape, bool), Clicks()
    while iou(mask, wanted > 0) < 0.9 or len(clicks) < 3:
        assert len(clicks) < 15
        clicks += deepest_error(wanted, mask, clicks)
        screen.click(clicks[-1].x, clicks[-1].y, wanted.shape[::-1], "left" if clicks[-1].positive else "right")
        screen.saved()
        mask = server.mask(server.objects()[0]["id"])
    assert [click["positive"] for click in server.objects()[0]["clicks"]] == [click.positive for click in clicks]
    return mask


def exported(screen, folder):
    """The mask of the index PNG that the page's dialog gives."""
    screen.key("Control+s")
    screen.page.locator("#format-index_png").check()
    with screen.page.expect_download() as download:
        screen.page.locator("#export-go").click()
    path = folder / "export.zip"
    download.value.save_as(path)
    shutil.unpack_archive(path, folder / "export")
    (file,) = [found for found in (folder / "export").rglob("*.png") if "coffee" in found.name]
    with PIL.Image.open(file) as picture:
        return np.asarray(picture) == 1


def test_all_of_it_by_keyboard(opened, served):
    screen = opened(1)
    screen.key(*["ArrowRight"] * 3, "c")
    screen.saved()
    (found,) = served.objects(1)
    assert iou(served.mask(found["id"]), truth()) > 0.9
    screen.key(*["ArrowLeft"] * 30, "Shift+C")
    screen.saved()
    assert [click["positive"] for click in served.objects(1)[0]["clicks"]] == [True, False]
    screen.key("Backspace", "Enter")
    screen.saved()
    assert served.objects(1)[0]["state"] == "done"
    assert len(served.objects(1)[0]["clicks"]) == 1
    screen.key("Tab", "b", *["ArrowLeft"] * 10, "c")  # paints a dot
    screen.saved()
    assert served.objects(1)[0]["undo_kind"] == "brush"
    screen.key("Control+z", "q", "F2")
    screen.page.keyboard.type("the box")
    screen.key("Enter")
    screen.saved()
    assert served.objects(1)[0]["name"] == "the box"
    screen.key("F6")
    assert screen.page.evaluate("document.activeElement.id") == "right"
    screen.key("Shift+F6", "?")
    assert screen.page.locator("#sheet").is_visible()
    shot(screen, "keys")
    screen.key("Escape", "Control+Enter")
    screen.page.locator("#photo-name").filter(has_text="b.png").wait_for()
    assert served.get("/photos")["items"][0]["state"] == "done"


@pytest.mark.slow
def test_clicks_made_while_the_model_works_are_all_done_in_order(opened, served):
    screen = opened(2)
    points = [(40 + 8 * i, 30 + 3 * i) for i in range(6)]
    for x, y in points:
        screen.click(x, y, SIZE)
    screen.saved()
    found = [(round(click["x"]), round(click["y"])) for click in served.objects(2)[0]["clicks"]]
    assert found == points


@pytest.mark.slow
def test_every_way_to_say_background(opened, served):
    screen = opened(3)
    screen.click(*CENTRE, SIZE)
    screen.click(5, 5, SIZE, "right")
    for y, modifier in ((60, "Shift"), (70, "Alt")):
        screen.page.keyboard.down(modifier)
        screen.click(10, y, SIZE)
        screen.page.keyboard.up(modifier)
    screen.key("x")
    screen.click(110, 70, SIZE)
    screen.key("x")
    screen.saved()
    assert [click["positive"] for click in served.objects(3)[0]["clicks"]] == [True, False, False, False, False]


@pytest.mark.slow
def test_undo_touches_only_the_object_in_hand_and_drop_gives_it_back(opened, served):
    screen = opened(4)
    screen.click(*CENTRE, SIZE)
    screen.key("Enter")
    screen.saved()
    (first,) = served.objects(4)
    assert (first["area_px"] > 0, first["state"]) == (True, "done")
    screen.click(*CENTRE, SIZE)  # takes it up
    screen.click(50, 30, SIZE, "right")
    screen.saved()
    assert len(served.objects(4)[0]["clicks"]) == 2
    screen.key("Escape")
    screen.saved()
    after = served.objects(4)[0]
    assert (len(after["clicks"]), after["area_px"], after["state"]) == (1, first["area_px"], "done")
    screen.key("n")
    screen.click(*CENTRE, SIZE)  # a new one, on top of it
    screen.saved()
    assert len(served.objects(4)) == 2
    screen.key("Escape")
    screen.page.locator(".notice").filter(has_text="deleted").get_by_role("button", name="Undo").click()
    screen.saved()
    assert len(served.objects(4)) == 2


@pytest.mark.slow
def test_an_undone_first_click_leaves_no_row_and_a_click_said_twice_is_one(opened, served):
    screen = opened(4)
    before = len(screen.rows())
    screen.key("n")
    for _ in range(2):
        screen.click(*CENTRE, SIZE)
        screen.saved()
    assert len(screen.rows()) == before + 1
    assert len(served.objects(4)[-1]["clicks"]) == 1
    screen.key("Control+z")
    screen.saved()
    assert served.objects(4)[-1]["area_px"] == 0, "one undo, of the one click"
    assert len(screen.rows()) == before
    screen.key("Control+Shift+z")
    screen.saved()
    assert len(screen.rows()) == before + 1
    screen.key("Enter")
    screen.click(*CENTRE, SIZE)  # taken up again
    screen.click(*CENTRE, SIZE)  # said already
    screen.click(50, 30, SIZE, "right")
    screen.click(50, 30, SIZE, "right")
    screen.saved()
    screen.key("Escape")
    screen.saved()
    assert len(served.objects(4)[-1]["clicks"]) == 1, "what was done since it was taken up is undone, and no more"
    screen.key("Delete")
    screen.saved()


@pytest.mark.slow
def test_the_class_is_that_of_the_object_in_hand_and_stays(opened, served):
    screen = opened(2)
    for name in ("cat", "dog"):
        screen.page.locator("#class-add").fill(name)
        screen.key("Enter")
        screen.page.locator("#class-list").get_by_text(name, exact=True).wait_for()
        # It may stand there by the server's word before it is the chosen one.
        screen.page.locator("#hint").get_by_text(name).wait_for()
    screen.page.locator("#stage").focus()
    names = {one["id"]: one["name"] for one in served.get("/classes")}

    def labels():
        screen.saved()
        return [names[one["class_id"]] for one in served.objects(2)]

    before = len(served.objects(2))
    screen.key("n", "2")
    screen.click(*CENTRE, SIZE)
    assert labels()[before:] == ["cat"]
    screen.key("Enter", "n")
    screen.click(*CENTRE, SIZE)
    assert labels()[before:] == ["cat", "cat"]
    screen.key("3", "Control+z")
    assert labels()[before:] == ["cat", "cat"]
    screen.key("Control+z")  # now the click
    screen.saved()
    assert served.objects(2)[-1]["area_px"] == 0
    screen.key("Control+Shift+z", "Control+Shift+z", "n", "1")
    assert labels()[before:] == ["cat", "dog"]
    assert served.objects(2)[-1]["area_px"] > 0
    screen.page.locator("#object-list .row").nth(1).click()
    screen.key("3", "PageUp")
    assert labels()[before:] == ["dog", "dog"]
    assert "Saved" in screen.page.locator("#saved").inner_text()


@pytest.mark.slow
def test_brush_and_eraser_change_what_they_touch_and_can_be_undone(opened, served):
    screen = opened(5)
    screen.click(*CENTRE, SIZE)
    screen.saved()
    before = served.mask(served.objects(5)[0]["id"])
    screen.key("b")
    drag(screen, (5, 5), (25, 5))
    screen.key("e")
    drag(screen, (60, 25), (60, 55))
    found = served.objects(5)[0]
    mask = served.mask(found["id"])
    assert mask[5, 5:26].all()
    assert not mask[25:56, 60].any()
    assert np.array_equal(screen_mask(screen), mask)
    screen.key("f", "q")
    screen.click(85, 30, SIZE)  # respects them
    screen.saved()
    assert [round(click["x"]) for click in served.objects(5)[0]["clicks"]] == [85]  # the eraser overruled the first
    mask = served.mask(found["id"])
    assert mask[5, 5:26].all()
    assert not mask[25:56, 60].any()
    screen.key("Control+z", "Control+z", "Control+z")
    screen.saved()
    assert np.array_equal(served.mask(found["id"]), before)
    shot(screen, "brush")


def screen_mask(screen):
    """The mask on the screen once the photo is shown pixel by pixel."""
    screen.key("z")
    screen.is_now(lambda: screen.drawn().shape, SIZE[::-1])
    previous = None
    while previous is None or not np.array_equal(previous, screen.drawn()):
        previous = screen.drawn()
        screen.page.wait_for_timeout(300)
    return previous


@pytest.mark.slow
def test_the_cascade_is_shown_and_controlled(opened, served):
    screen = opened(6)
    screen.page.locator("#cascade summary").click()
    screen.key(">", ">", ">", ">")  # from what the model does by itself to none, one, two, three
    screen.click(*CENTRE, SIZE)
    screen.saved()
    assert len(served.objects(6)[0]["passes"]) == 4
    assert screen.page.locator("#spark rect").count() == 4
    screen.key("Alt+,")
    screen.is_now(lambda: screen.page.locator("#pass").input_value(), "2")
    screen.page.locator("#threshold").fill("0.8")
    screen.saved()
    assert served.objects(6)[0]["threshold"] == 0.8
    screen.key("m")
    screen.is_now(lambda: bool(screen.drawn().any()))
    shot(screen, "cascade")
    screen.page.keyboard.down("h")
    assert not screen.page.locator("#masks").is_visible()
    screen.page.keyboard.up("h")
    assert screen.page.locator("#masks").is_visible()


@pytest.mark.slow
def test_a_mask_is_imported_and_refined(opened, served, tmp_path):
    mask = truth()
    mask[:, 60:] = False
    (tmp_path / "coco.json").write_text(json.dumps(coco("g.png", mask)))
    screen = opened(7)
    screen.key("Control+o")
    screen.page.locator("#import-file").set_input_files(tmp_path / "coco.json")
    screen.page.locator("#import-result").filter(has_text="1 object imported").wait_for()
    screen.page.locator("#import-undo").wait_for()
    screen.key("Escape")
    screen.opened()
    screen.key("Control+z")
    screen.page.locator(".notice").filter(has_text="Import taken back: 1 object").wait_for()
    assert served.objects(7) == []
    screen.key("u")
    screen.is_now(lambda: len(served.objects(7)) == 1)
    screen.key("Control+o")
    screen.page.locator("#import-file").set_input_files(tmp_path / "coco.json")
    screen.page.locator("#import-result").filter(has_text="1 object identical to what is there: skipped").wait_for()
    shot(screen, "imported")
    screen.key("Escape")
    screen.opened()
    (found,) = served.objects(7)
    assert np.array_equal(served.mask(found["id"]), mask)
    screen.click(BOX[0] + 10, 40, SIZE)  # takes it up
    screen.click(80, 40, SIZE)
    screen.saved()
    assert iou(served.mask(found["id"]), truth()) > 0.9


def coco(name, mask):
    """A COCO document of one mask, as uncompressed RLE: runs down the columns, the first of zeros."""
    flat = mask.T.reshape(-1)
    starts = np.flatnonzero(np.diff(flat, prepend=False))
    counts = np.diff([0, *starts, flat.size]).tolist()
    image = {"id": 1, "file_name": name, "width": mask.shape[1], "height": mask.shape[0]}
    rle = {"size": list(mask.shape), "counts": counts}
    one = {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "segmentation": rle}
    return {"images": [image], "categories": [{"id": 1, "name": "box"}], "annotations": [one]}


@pytest.mark.slow
def test_the_second_tab_sees_the_first_and_no_change_is_lost(opened, served):
    first, second = opened(8), opened(8)
    first.click(*CENTRE, SIZE)
    first.saved()
    second.is_now(lambda: len(second.rows()), 1)
    second.is_now(lambda: np.array_equal(second.drawn(), first.drawn()))  # a row comes before its mask
    second.click(*CENTRE, SIZE)  # takes it up
    for screen, place in ((first, (5, 75)), (second, (8, 70))):
        screen.click(*place, SIZE, "right")
    first.saved()
    second.saved()
    (found,) = served.objects(8)
    assert len(found["clicks"]) == 3
    for screen in (first, second):
        screen.is_now(lambda screen=screen: f"{found['area_px']:,} px" in screen.rows()[0])
    assert not any("409" not in text for text in first.wrong + second.wrong)
    first.wrong.clear()
    second.wrong.clear()


@pytest.mark.slow
def test_a_click_is_not_lost_where_another_is_faster_again_and_again(opened, served):
    screen = opened(10)
    screen.click(*CENTRE, SIZE)
    screen.saved()
    path = f"/objects/{served.objects(10)[0]['id']}"
    faster = ["one", "two", "three"]

    def change_first(route):
        if faster:
            served.send("PATCH", path, json.dumps({"name": faster.pop()}).encode())
        route.continue_()

    unreachable = [1, 2]  # the mask that the others have left cannot be fetched at first

    def mask(route):
        if unreachable:
            unreachable.pop()
            route.abort()
        else:
            route.continue_()

    screen.page.route("**/actions", change_first)
    screen.page.route("**/mask", mask)
    screen.click(5, 75, SIZE, "right")
    screen.saved()
    assert not faster
    assert not unreachable
    assert [click["positive"] for click in served.objects(10)[0]["clicks"]] == [True, False]
    assert all("409" in text or "ERR_FAILED" in text for text in screen.wrong)
    screen.wrong.clear()
    served.send("PATCH", path, json.dumps({"deleted": True}).encode())  # another test uses this photo


def test_a_new_object_and_its_first_click_go_together(opened):
    screen = opened(9)
    sent = []
    screen.page.on("request", lambda asked: "/objects/" in asked.url and sent.append((asked.method, asked.url)))
    screen.key("n")
    screen.click(*CENTRE, SIZE)
    screen.saved()
    assert [(method, url.rpartition("/")[2]) for method, url in sent if method != "GET" and "/preview" not in url] == [
        ("POST", "actions")
    ]


@pytest.mark.slow
def test_a_server_that_dies_costs_nothing(opened, served):
    screen = opened(9)
    screen.click(*CENTRE, SIZE)
    screen.saved()
    served.kill()
    screen.click(110, 70, SIZE, "right")
    screen.page.locator("#saved").filter(has_text="1 action").wait_for(state="attached")
    screen.key("d")
    screen.page.locator("#message").filter(has_text="does not answer").wait_for()
    served.start()
    screen.saved()
    screen.page.locator("#message").wait_for(state="hidden")
    screen.opened()
    assert [click["positive"] for click in served.objects(9)[0]["clicks"]] == [True, False]
    screen.wrong.clear()  # the browser itself tells of each request that was refused


@pytest.mark.slow
def test_a_browser_that_dies_sends_what_waited_when_it_comes_back(chromium, served):
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    screen = Screen(context.new_page(), served.address, 10)
    screen.click(*CENTRE, SIZE)
    screen.saved()
    context.route("**/actions", lambda route: route.abort())
    screen.click(110, 70, SIZE, "right")
    screen.page.locator("#saved").filter(has_text="1 action").wait_for(state="attached")
    screen.page.close()
    context.unroute("**/actions")
    again = Screen(context.new_page(), served.address, 10)
    again.saved()
    again.is_now(lambda: len(served.objects(10)[0]["clicks"]), 2)
    context.close()


@pytest.mark.slow
def test_fingers_tap_press_and_pinch(opened, served):
    screen = opened(1, has_touch=True)
    screen.key("n")
    touches = screen.page.context.new_cdp_session(screen.page)

    def touch(kind, *points):
        points = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
        touches.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})

    screen.page.touchscreen.tap(*screen.at(*CENTRE, SIZE))
    screen.saved()
    touch("Start", screen.at(10, 70, SIZE))
    screen.page.wait_for_timeout(900)
    touch("End")
    screen.saved()
    newest = max(served.objects(1), key=lambda one: one["z"])
    assert [click["positive"] for click in newest["clicks"]] == [True, False]
    before = screen.page.locator("#zoom-level").inner_text()
    x, y = screen.at(*CENTRE, SIZE)
    touch("Start", (x - 30, y), (x + 30, y))
    for far in (50, 70, 90):
        touch("Move", (x - far, y), (x + far, y))
    touch("End")
    screen.is_now(lambda: int(screen.page.locator("#zoom-level").inner_text().split()[0]) > 2 * int(before.split()[0]))
    screen.saved()
    assert len(max(served.objects(1), key=lambda one: one["z"])["clicks"]) == 2


@pytest.mark.slow
def test_it_fits_windows_and_light(opened):
    screen = opened(1)
    for width, scheme in [(390, "dark"), (700, "light"), (1000, "dark"), (1440, "light")]:
        screen.page.emulate_media(color_scheme=scheme)
        screen.page.set_viewport_size({"width": width, "height": 700})
        for percent in (125, 100):
            screen.page.evaluate(f"document.documentElement.style.fontSize = '{percent}%'")
            shot(screen, f"{width}-{scheme}-{percent}")
            inside = """() => [...document.querySelectorAll('.bar button, .tools button, .status button')]
                .filter((one) => one.checkVisibility())
                .every((one) => one.getBoundingClientRect().right <= innerWidth + 0.5)"""
            assert screen.page.evaluate(inside)
            # The drawers slide to where they belong.
            wide = "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"
            screen.is_now(lambda wide=wide, width=width: screen.page.evaluate(wide) <= width)
        background = screen.page.evaluate("getComputedStyle(document.body).backgroundColor")
        shades = background.removeprefix("rgb(").removesuffix(")").split(",")
        assert (sum(map(int, shades)) < 200) == (scheme == "dark")
        for name in ("import", "export", "help", "next-open"):
            assert screen.page.locator(f"#{name}").is_visible()
        if width < 750:
            screen.page.locator("#toggle-right").click()
            screen.page.locator("#object-list").wait_for(state="visible")
            shot(screen, f"{width}-{scheme}-drawer")
            screen.page.locator("#toggle-right").click()


@pytest.mark.slow
def test_what_was_begun_is_known_after_a_reload(opened, served):
    screen = opened(11)
    screen.click(*CENTRE, SIZE)
    screen.saved()
    before = screen.drawn()
    screen.key("b")
    drag(screen, (5, 5), (25, 5))
    screen.page.reload()
    screen.page.locator("#object-list .row").filter(has_text="selected").wait_for()
    screen.opened()
    after = screen.drawn()
    assert (after & ~before).any()
    screen.page.keyboard.down("v")
    screen.is_now(lambda: np.array_equal(screen.drawn(), before))
    screen.page.keyboard.up("v")
    screen.is_now(lambda: np.array_equal(screen.drawn(), after))
    screen.key("Control+z")
    screen.saved()
    screen.is_now(lambda: np.array_equal(screen.drawn(), before))
    screen.key("Escape")
    screen.saved()
    assert served.objects(11) == []


@pytest.mark.slow
def test_clean_rename_and_delete_can_be_undone(opened, served):
    rough = truth()
    rough[40:44, 60:64], rough[5:8, 5:8] = False, True
    served.place(12, rough)
    screen = opened(12)
    screen.click(50, 30, SIZE)  # takes it up
    screen.key("l")
    screen.saved()
    (found,) = served.objects(12)
    assert np.array_equal(served.mask(found["id"]), truth())
    screen.key("Control+z")
    screen.saved()
    assert np.array_equal(served.mask(found["id"]), rough)
    screen.page.locator("#object-list .row").dblclick()
    screen.page.keyboard.type("my box")
    screen.key("Enter")
    screen.saved()
    assert served.objects(12)[0]["name"] == "my box"
    screen.key("Control+z")
    screen.saved()
    assert served.objects(12)[0]["name"] == found["name"]
    screen.key("Control+Shift+z")
    screen.is_now(lambda: served.objects(12)[0]["name"], "my box")
    screen.key("Control+z")
    screen.is_now(lambda: served.objects(12)[0]["name"], found["name"])
    screen.key("Delete")
    screen.saved()
    assert served.objects(12) == []
    screen.key("Control+z")
    screen.saved()
    assert [one["id"] for one in served.objects(12)] == [found["id"]]
    assert "selected" in screen.rows()[0]
    screen.key("Delete")
    screen.saved()
    screen.page.reload()
    screen.opened()
    screen.key("Control+z")
    screen.is_now(lambda: len(screen.rows()), 1)
    assert np.array_equal(served.mask(found["id"]), rough)


@pytest.mark.slow
def test_a_preview_is_shown_and_slow_answers_lose_no_click(opened, served):
    screen = opened(13)
    screen.key("w")
    screen.page.mouse.move(*screen.at(*CENTRE, SIZE))
    lines = """() => {
        const {width, height} = document.getElementById('overlay');
        const {data} = document.getElementById('overlay').getContext('2d').getImageData(0, 0, width, height);
        return data.some((value, i) => i % 4 === 3 && value > 0);
    }"""
    screen.is_now(lambda: screen.page.evaluate(lines))
    assert served.objects(13) == []
    screen.key("w")
    screen.is_now(lambda: screen.page.evaluate(lines), False)
    screen.page.route("**/actions", lambda route: (screen.page.wait_for_timeout(600), route.continue_()))
    screen.click(*CENTRE, SIZE)
    screen.click(50, 30, SIZE)
    screen.page.locator("#working").wait_for()
    screen.saved()
    screen.page.locator("#working").wait_for(state="hidden")
    assert len(served.objects(13)[0]["clicks"]) == 2
    screen.page.unroute("**/actions")
    places = [screen.at(x, 40, SIZE) for x in (55, 65)]
    screen.key("d")
    screen.page.locator("#photo-name").filter(has_text="n.png").wait_for()
    screen.is_now(screen.rows, [])
    screen.page.route("**/masks", lambda route: (screen.page.wait_for_timeout(500), route.continue_()))
    screen.key("a")  # the picture is there at once, its objects are not
    for place in places:
        screen.page.mouse.click(*place)
    screen.is_now(lambda: len(served.objects(13)[0]["clicks"]), 4)
    assert len(served.objects(13)) == 1


@pytest.mark.slow
def test_the_view_is_moved_and_the_next_photo_is_ready(opened, served):
    screen = opened(14)
    asked = []
    screen.page.on("request", lambda request: asked.append(request.url))
    screen.click(*CENTRE, SIZE)
    screen.key("Enter")
    screen.saved()
    assert screen.drawn().any()
    place = screen.at(100, 60, SIZE)
    screen.page.mouse.move(*place)
    screen.page.mouse.wheel(0, -360)
    where = screen.page.locator("#position")
    screen.page.locator("#navigator").wait_for()
    screen.is_now(where.inner_text, "100, 60")
    screen.page.keyboard.down(" ")
    screen.page.mouse.down()
    screen.page.mouse.move(place[0] - 100, place[1] - 60, steps=4)
    screen.page.mouse.up()
    screen.page.keyboard.up(" ")
    screen.is_now(where.inner_text, "100, 60")
    screen.page.mouse.down(button="middle")
    screen.page.mouse.move(place[0] - 20, place[1] - 60, steps=4)
    screen.page.mouse.up(button="middle")
    screen.is_now(where.inner_text, "100, 60")
    box = screen.page.locator("#navigator").bounding_box()
    screen.page.mouse.click(box["x"] + box["width"] - 2, box["y"] + box["height"] - 2)
    level = screen.page.locator("#zoom-level").inner_text()
    screen.key("f")
    screen.is_now(lambda: screen.page.locator("#navigator").is_visible(), False)
    assert screen.page.locator("#zoom-level").inner_text() != level
    screen.key("a")  # and back, so that all that is asked for is heard
    screen.page.locator("#photo-name").filter(has_text="m.png").wait_for()
    screen.is_now(lambda: any(url.endswith("/photos/14/prepare") for url in asked))
    screen.key("d", "d")
    screen.page.locator("#photo-name").filter(has_text="o.png").wait_for()
    screen.opened()
    screen.is_now(lambda: any(url.endswith("/photos/16/prepare") for url in asked))
    assert not screen.drawn().any()  # of the photo before
    assert len(served.objects(14)) == 1


@pytest.mark.slow
def test_the_list_is_filtered_searched_and_gone_through(opened, served):
    screen = opened(15)
    rows = screen.page.locator("#photo-list .row")
    counts = served.get("/folder")["counts"]
    for state in ("untouched", "begun", "done"):
        screen.page.locator(f"#photo-filter [data-filter={state}]").click()
        screen.is_now(rows.count, min(counts[state], rows.count()))
        assert rows.count() == counts[state]
    screen.page.locator("#photo-filter [data-filter=all]").focus()
    screen.key("ArrowRight", "ArrowLeft")
    screen.page.locator("#photo-search").fill("O.P")
    screen.is_now(rows.count, 1)
    screen.page.locator("#photo-search").fill("")
    screen.page.locator("#stage").focus()
    screen.key("Control+Enter")
    screen.page.locator("#photo-name").filter(has_text="p.png").wait_for()
    done = counts["done"] + 1
    assert screen.page.locator("#photo-counts").inner_text() == f"{done} of 16 done"
    assert screen.page.locator("#progress").get_attribute("aria-valuenow") == str(done)
    screen.key("a")
    screen.page.locator("#photo-name").filter(has_text="o.png").wait_for()
    screen.key("Shift+D")
    screen.page.locator("#photo-name").filter(has_text="p.png").wait_for()


@pytest.mark.slow
def test_what_is_imported_elsewhere_is_shown_and_said(opened, served):
    screen = opened(16)
    document = json.dumps(coco("p.png", truth())).encode()
    served.send("POST", "/import?name=coco.json", document, "application/octet-stream")
    screen.page.locator(".notice").filter(has_text="1 object on 1 photo imported").wait_for()
    screen.is_now(lambda: len(screen.rows()), 1)
    screen.is_now(lambda: bool(screen.drawn().any()))


@pytest.mark.slow
def test_every_control_has_a_name_and_a_ring_and_is_reached_by_keys(opened):
    """As the browser tells them to screen readers."""
    screen = opened(1)
    tree = screen.page.context.new_cdp_session(screen.page)
    tree.send("DOM.enable")

    def nameless():
        nodes = [node for node in tree.send("Accessibility.getFullAXTree")["nodes"] if not node["ignored"]]
        roles = [node["role"]["value"] for node in nodes if not node.get("name", {}).get("value", "").strip()]
        return sorted(set(roles) & CONTROLS), len(nodes)

    screen.click(*CENTRE, SIZE)
    screen.page.locator("#cascade summary").click()
    screen.page.locator("#view summary").click()
    screen.page.locator("[aria-label='Edit the classes']").click()
    screen.saved()
    found = [nameless()]
    for opens in ("?", "Control+s", "Control+o"):
        screen.key(opens)
        found.append(nameless())
        screen.key("Escape")
    assert [roles for roles, _ in found] == [[]] * 4
    assert all(count > 20 for _, count in found[:3])
    screen.page.locator("#stage").focus()
    focus = """() => {
        const { id, tagName } = document.activeElement;
        return [id || tagName, getComputedStyle(document.activeElement).outlineStyle !== 'none'];
    }"""
    panes, controls = [], []
    for _ in range(4):
        screen.key("F6")
        panes.append(screen.page.evaluate(focus))
    assert panes == [["right", True], ["next", True], ["left", True], ["stage", True]]
    screen.key("F6")
    while (not controls or controls[-1][0] != "BODY") and len(controls) < 60:
        screen.key("Tab")
        controls.append(screen.page.evaluate(focus))
    assert {"class-add", "object-list", "cfr", "threshold", "opacity", "setting-theme"} <= {
        name for name, _ in controls
    }
    assert [name for name, ring in controls if not ring and name != "BODY"] == []


def test_masks_are_read_patched_and_outlined_exactly(opened, tmp_path):
    """The page's own PNG reader and bit masks against Pillow and numpy."""
    import base64
    import io

    rng = np.random.default_rng(3)
    cases = []
    for height, width, x, y in [(1, 1, 0, 0), (7, 9, 3, 2), (40, 64, 8, 1), (33, 71, 13, 5), (64, 130, 1, 0)]:
        mask = rng.random((height, width)) > 0.6
        file = io.BytesIO()
        PIL.Image.fromarray(mask).save(file, "PNG")
        box = [x, y, x + width, y + height]
        cases.append({"box": box, "png": base64.b64encode(file.getvalue()).decode(), "sum": int(mask.sum())})
    found = opened(1).page.evaluate(
        """async (cases) => {
        const { Mask } = await import('/js/canvas/mask.js');
        const { loops } = await import('/js/canvas/outline.js');
        const png = await import('/js/canvas/png.js');
        const count = (mask) => mask.bits.reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0);
        const area = (lines) => lines.reduce((sum, line) => sum + line.reduce((part, x, i) => i % 2 ? part
            : part + x * line[(i + 3) % line.length] - line[(i + 2) % line.length] * line[i + 1], 0) / 2, 0);
        return Promise.all(cases.map(async ({ box, png: text }) => {
            const mask = Mask.of([0, 0, 200, 100], await png.decodeGrey(png.fromBase64(empty)));
            mask.put(box, await png.decodeGrey(png.fromBase64(text)));
            return [count(mask), area(loops(mask)), count(mask.crop(box))];
        }));
    }""".replace("empty", json.dumps(blank_png())),
        cases,
    )
    assert found == [[case["sum"]] * 3 for case in cases]


def blank_png():
    import base64
    import io

    file = io.BytesIO()
    PIL.Image.fromarray(np.zeros((100, 200), bool)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()
