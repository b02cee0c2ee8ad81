"""The classes in a real browser: keys of two signs, search, order, attributes, reassigned on delete, files."""

import json

import pytest

from annotating import make_folder, truth
from browsing import SIZE, Server, require_chromium, shot

require_chromium()

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    server = Server(make_folder(tmp_path_factory.mktemp("classes") / "photos", ["1.png", "2.png"]))
    yield server
    server.kill()


def class_of(server, name):
    return next(one["id"] for one in server.get("/classes") if one["name"] == name)


def names(server):
    return [one["name"] for one in server.get("/classes")]


@pytest.mark.slow
def test_classes_by_file_by_key_by_search_and_what_is_said_of_an_object(opened, served, tmp_path):
    served.place(1, truth())
    screen = opened(1)
    page = screen.page
    page.get_by_label("Add a class").fill("fresh")
    page.get_by_label("Add a class").press("Enter")
    page.locator('.class[aria-checked="true"]', has_text="fresh").wait_for()
    file = tmp_path / "classes.json"
    color = {"name": "color", "kind": "choice", "choices": ["red", "green"]}
    rows = [{"name": f"thing {n}", "group": "things"} for n in range(12)]
    file.write_text(json.dumps({"classes": [*rows, {"name": "car", "attributes": [color]}]}))
    page.get_by_label("Edit the classes").click()
    page.locator("#class-file").set_input_files(file)
    page.locator(".notice", has_text="13 classes added").wait_for()
    page.get_by_label("Edit the classes").click()
    screen.click(60, 40, SIZE)  # takes the object up; the class of new objects stays
    page.locator(".class-row.next", has_text="fresh").wait_for()
    shot(screen, "classes")
    keys = {one["name"]: one["key"] for one in served.get("/classes")}
    assert len(keys["car"]) == 2
    page.locator("#stage").focus()
    screen.key(*keys["car"])
    screen.is_now(lambda: served.objects(1)[0]["class_id"], class_of(served, "car"))
    page.locator("#attribute-color").select_option("green")
    screen.is_now(lambda: served.objects(1)[0]["attributes"], {"color": "green"})
    shot(screen, "classes-attributes")
    page.locator("#stage").focus()
    screen.key("Control+z")
    screen.is_now(lambda: served.objects(1)[0]["attributes"], {})
    screen.key("/")
    page.keyboard.type("thing 11")
    screen.key("Enter")
    screen.is_now(
        lambda: served.objects(1)[0]["class_id"] == served.get("/classes")[names(served).index("thing 11")]["id"]
    )


@pytest.mark.slow
def test_a_class_in_use_is_deleted_and_brought_back_and_the_order_is_changed(opened, served):
    if len(served.get("/classes")) < 2:
        served.send("POST", "/classes", b'{"name": "other"}')
    served.place(2, truth())
    screen = opened(2, color_scheme="dark")
    page = screen.page
    page.get_by_label("Edit the classes").click()
    first, second = names(served)[:2]
    page.locator("#class-list").get_by_label("Delete object", exact=True).click()
    page.locator("#reassign-to").select_option(label=second if first == "object" else first)
    shot(screen, "classes-reassign")
    page.locator("#reassign-go").click()
    screen.is_now(lambda: "object" in names(served), False)
    page.locator(".notice", has_text="deleted").get_by_role("button", name="Undo").click()
    screen.is_now(lambda: "object" in names(served))
    screen.opened()
    before = names(served)
    page.get_by_label("Edit the classes").click()
    page.locator(".class-row button.class").nth(1).focus()
    page.keyboard.press("Alt+ArrowUp")
    screen.is_now(lambda: names(served)[0], before[1])
    assert all("409" in said for said in screen.wrong), "the browser notes that the class was in use"
    screen.wrong.clear()


@pytest.mark.slow
def test_the_dialog_of_a_class_stays_until_its_attributes_are_saved(opened, served):
    screen = opened(1)
    page = screen.page
    page.get_by_label("Edit the classes").click()
    page.get_by_label("Group and attributes of").first.click()
    page.locator("#class-group").fill("vessels")
    page.locator("#attribute-add").click()
    page.locator("#class-save").click()
    page.locator("#class-wrong", has_text="no name").wait_for()
    page.get_by_label("Name of the attribute").fill("size")
    page.get_by_label("Kind").select_option("choice")
    page.locator("#class-save").click()
    page.locator("#class-wrong", has_text="size is a choice of nothing").wait_for()
    page.get_by_label("Choices, with").fill("big, big")  # which the server refuses
    page.locator("#class-save").click()
    page.locator("#class-wrong", has_text="different texts").wait_for()
    shot(screen, "classes-wrong")
    assert page.locator("#class-group").input_value() == "vessels"
    page.get_by_label("Choices, with").fill("big, small")
    page.locator("#class-save").click()
    page.locator("#class-dialog").wait_for(state="hidden")
    first = served.get("/classes")[0]
    assert first["group"] == "vessels"
    assert [one["choices"] for one in first["attributes"]] == [["big", "small"]]
    assert all("400" in said for said in screen.wrong), "the browser notes that it was refused"
    screen.wrong.clear()
