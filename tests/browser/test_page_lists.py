"""The lists of objects and classes in a real browser: ranges, rows that are dragged, filters."""

import json

import cv2
import numpy as np
import pytest

from annotating import make_folder
from browsing import SIZE, Server, require_chromium, shot

require_chromium()

pytestmark = pytest.mark.browser
PLACES = ((5, 5), (40, 60), (100, 5), (60, 30), (5, 50))


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    server = Server(make_folder(tmp_path_factory.mktemp("lists") / "photos", [f"{letter}.png" for letter in "abcdefg"]))
    yield server
    server.kill()


def spots(server, photo, count=5):
    """Finished objects of 12x12 pixels."""
    for x, y in PLACES[:count]:
        mask = np.zeros(SIZE[::-1], bool)
        mask[y : y + 12, x : x + 12] = True
        server.place(photo, mask)


def selected(screen):
    """The places of the rows that are selected."""
    found = screen.page.locator("#object-list .row").evaluate_all("all => all.map(one => one.ariaSelected)")
    return [at for at, one in enumerate(found) if one == "true"]


@pytest.mark.slow
def test_a_range_begins_at_the_row_that_was_clicked_last(opened, served):
    spots(served, 1)
    screen = opened(1)
    rows = screen.page.locator("#object-list .row .text")
    rows.nth(4).wait_for()
    rows.nth(4).click(modifiers=["Control"])
    screen.key("Escape")
    screen.is_now(lambda: selected(screen), [])
    rows.nth(0).click()
    rows.nth(2).click(modifiers=["Shift"])
    screen.is_now(lambda: selected(screen), [0, 1, 2])
    assert screen.page.evaluate("String(getSelection())") == ""
    # A click on the row in hand ends the selection too, and another range begins there.
    rows.nth(0).click()
    screen.is_now(lambda: selected(screen), [0])
    rows.nth(3).click(modifiers=["Shift"])
    rows.nth(1).click(modifiers=["Shift"])
    screen.is_now(lambda: selected(screen), [0, 1])
    # Esc forgets where it would begin.
    screen.key("Escape", "Escape")
    screen.is_now(lambda: selected(screen), [])
    rows.nth(3).click(modifiers=["Shift"])
    screen.is_now(lambda: selected(screen), [3])


@pytest.mark.slow
def test_a_range_follows_the_rows_as_they_are_shown(opened, served):
    spots(served, 2, 4)
    order = [one["id"] for one in served.objects(2)]
    places = [{"x": 1, "y": 1, "changed_px": 1}]
    doubts = [
        {"object": order[at], "version": 1, "changed_px": 1, "share": share, "places": places}
        for at, share in ((0, 0.4), (3, 0.3), (1, 0.2), (2, 0.1))
    ]
    screen = opened(2)
    screen.page.route("**/photos/2/doubts", lambda route: route.fulfill(json={"items": doubts}))
    screen.page.locator("#by-doubt").click()
    rows = screen.page.locator("#object-list .row .text")
    rows.first.get_by_text("40.0").wait_for()
    rows.nth(0).click()
    rows.nth(1).click(modifiers=["Shift"])
    screen.is_now(lambda: selected(screen), [0, 1])
    screen.key("Delete")
    screen.saved()
    assert {one["id"] for one in served.objects(2)} == {order[1], order[2]}


@pytest.mark.slow
def test_a_class_is_dragged_to_another_place(opened, served):
    for name in ("cup", "car", "cat"):
        served.send("POST", "/classes", f'{{"name": "{name}"}}'.encode())
    names = [one["name"] for one in served.get("/classes")]
    screen = opened(3)
    rows = screen.page.locator(".class-row")
    rows.nth(3).wait_for()
    rows.nth(0).drag_to(rows.nth(2))
    screen.is_now(lambda: [one["name"] for one in served.get("/classes")], [names[1], names[2], names[0], names[3]])
    screen.is_now(lambda: [row.inner_text().split()[0] for row in rows.all()], [names[1], names[2], names[0], names[3]])
    rows.nth(2).drag_to(rows.nth(0))
    screen.is_now(lambda: [one["name"] for one in served.get("/classes")], names)
    shot(screen, "classes-dragged")


@pytest.mark.slow
def test_objects_move_past_a_locked_one_and_a_locked_one_moves(opened, served):
    spots(served, 4, 3)
    low, middle, high = (one["id"] for one in served.objects(4))
    served.send("PATCH", f"/objects/{middle}", b'{"locked": true}')
    screen = opened(4)
    rows = screen.page.locator("#object-list .row")
    rows.nth(2).wait_for()

    def order():
        screen.saved()
        found = served.objects(4)
        assert len({one["z"] for one in found}) == 3
        return [one["id"] for one in found]

    rows.nth(2).locator(".text").click()
    screen.key("PageUp")
    screen.is_now(order, [middle, low, high])
    screen.key("PageUp", "PageUp")
    screen.is_now(order, [middle, high, low])
    for start, end, wanted in ((2, 0, [high, low, middle]), (0, 2, [middle, high, low])):  # the locked one itself
        rows.nth(start).drag_to(rows.nth(end), target_position={"x": 60, "y": 4 if end < start else 44})
        screen.is_now(order, wanted)
    assert screen.page.locator(".notice.problem").count() == 0
    screen.key("u")
    screen.is_now(order, [high, low, middle])


@pytest.mark.slow
def test_attributes_are_said_of_all_that_are_selected(opened, served):
    spots(served, 5, 3)
    kinds = [{"name": "color", "kind": "choice", "choices": ["red", "green"]}, {"name": "whole", "kind": "tick"}]
    first = served.get("/classes")[0]["id"]
    second = served.send("POST", "/classes", b'{"name": "cap"}')["id"]
    served.send("PATCH", f"/classes/{first}", json.dumps({"attributes": kinds}).encode())
    served.send("PATCH", f"/classes/{second}", json.dumps({"attributes": kinds[:1]}).encode())
    low, _, high = (one["id"] for one in served.objects(5))
    served.send("PATCH", f"/objects/{low}", json.dumps({"class_id": second, "attributes": {"color": "red"}}).encode())

    def said():
        screen.saved()
        return [one["attributes"] for one in served.objects(5)]

    screen = opened(5)
    page = screen.page
    page.locator("#object-list .row").nth(2).wait_for()
    page.locator("#stage").focus()
    screen.key("Control+a")
    page.locator("#attributes", has_text="Of 3 objects").wait_for()
    assert page.locator("#attributes input, #attributes select").count() == 1  # what all have
    assert page.locator("#attribute-color option:checked").inner_text() == "different"
    shot(screen, "attributes-of-many")
    page.locator("#attribute-color").select_option("green")
    screen.is_now(said, [{"color": "green"}] * 3)
    page.locator(".notice", has_text="3 objects: color changed").get_by_role("button", name="Undo").click()
    screen.is_now(said, [{"color": "red"}, {}, {}])
    # Of one in hand: its own attributes, and undo as of its clicks.
    page.locator("#object-list .row .text").first.click()
    page.locator("#attribute-whole").check()
    screen.is_now(said, [{"color": "red"}, {}, {"whole": True}])
    page.locator("#stage").focus()
    screen.key("Control+z")
    screen.is_now(said, [{"color": "red"}, {}, {}])
    assert served.objects(5)[2]["id"] == high


@pytest.mark.slow
def test_the_list_shows_the_objects_of_one_class(opened, served):
    spots(served, 6)
    cat = served.send("POST", "/classes", b'{"name": "cow"}')["id"]
    for one in served.objects(6)[1:3]:
        served.send("PATCH", f"/objects/{one['id']}", json.dumps({"class_id": cat}).encode())
    screen = opened(6)
    page = screen.page
    rows = page.locator("#object-list .row")
    rows.nth(4).wait_for()
    page.locator("#object-class").select_option(label="cow")
    page.locator(".shown-of", has_text="2 of 5 shown").wait_for()
    screen.is_now(rows.count, 2)
    shot(screen, "objects-of-a-class")
    # What is done to all is done to those that are shown.
    page.locator("#stage").focus()
    screen.key("Control+a", "Delete")
    screen.saved()
    assert len(served.objects(6)) == 3
    screen.key("Control+z")
    page.locator(".shown-of", has_text="2 of 5 shown").wait_for()
    screen.saved()
    # One of another class that is worked on is shown.
    screen.click(66, 36, SIZE)
    page.locator(".shown-of", has_text="3 of 5 shown").wait_for()
    screen.key("Enter")
    screen.is_now(rows.count, 2)
    screen.key("Escape")
    screen.is_now(rows.count, 5)
    page.locator("#object-class").select_option(label="cow")
    page.locator("#object-class").press("Escape")
    screen.is_now(rows.count, 5)
    page.locator("#object-class").select_option(label="cow")
    page.get_by_label("Show all objects").click()
    screen.is_now(rows.count, 5)
    assert not page.locator(".shown-of").is_visible()


@pytest.mark.slow
def test_parts_and_holes_are_counted_as_by_the_server(opened, served):
    """Pixels that meet at a corner are one part; those around a part do not join that way."""
    random = np.random.default_rng(0)
    masks = [random.random((12, 21)) < share for share in (0, 0.2, 0.5, 0.5, 0.7, 0.9, 1)]
    found = opened(1).page.evaluate(
        """async (masks) => {
            const { Mask } = await import('/js/canvas/mask.js');
            const { partsOf } = await import('/js/canvas/outline.js');
            return masks.map((rows) => {
                const grey = { depth: 1, width: 21, height: 12, stride: 3, data: Uint8Array.from(rows.flat()) };
                return partsOf(Mask.of([3, 2, 24, 14], grey));
            });
        }""",
        [np.packbits(mask, axis=1).tolist() for mask in masks],
    )
    wanted = []
    for mask in masks:
        around = np.pad(~mask, 1, constant_values=True).astype(np.uint8)
        parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[0] - 1
        wanted.append({"parts": parts, "holes": cv2.connectedComponents(around, connectivity=4)[0] - 2})
    assert found == wanted


@pytest.mark.slow
def test_nothing_is_said_where_there_is_something_and_long_names_are_cut_short(opened, served):
    name = "averylongnameofaclasswithoutanyspace" * 4
    made = served.send("POST", "/classes", json.dumps({"name": name}).encode())["id"]
    spots(served, 7)
    for one in served.objects(7):
        served.send("PATCH", f"/objects/{one['id']}", json.dumps({"class_id": made}).encode())
    screen = opened(7)
    page = screen.page
    page.locator("#object-list .row").nth(4).wait_for()
    page.locator("#stage").focus()
    screen.key("Control+a")
    screen.is_now(lambda: page.locator("#object-name").get_attribute("placeholder"), "5 objects selected")
    assert page.locator("#clean").get_attribute("title").endswith("several are selected")
    row = page.locator("#object-list .row").first
    inside = "(row) => { const range = new Range(); range.selectNode(row.querySelector('.numbered').lastChild);"
    inside += (
        "return range.getBoundingClientRect().right <= row.querySelector('.text').getBoundingClientRect().right; }"
    )
    assert row.inner_text().startswith(f"{name} 5")
    assert row.evaluate(inside)
    shot(screen, "long-names")
    page.locator("#statistics").click()
    page.locator(".statistics table").first.wait_for()
    assert page.locator("#statistics-dialog .body").evaluate("one => one.scrollWidth <= one.clientWidth")
    shot(screen, "long-names-statistics")
    screen.key("Escape")
    page.get_by_label("Edit the classes").click()
    field = page.get_by_label(f"Name of {name}")
    field.fill(" ")
    field.press("Enter")
    page.locator("#hint", has_text="A class has a name").wait_for()
    assert field.input_value() == name
    page.get_by_label("Edit the classes").click()
    page.locator("#stage").focus()
    screen.key("/")
    page.keyboard.type("nosuch")
    screen.key("Enter")
    page.locator("#class-list", has_text="No class is called that.").wait_for()
    screen.key("Escape")
    page.locator("#class-list .class", has_text="object").wait_for()
