"""Classes: keys of two signs, order, groups, attributes of objects, reassigned and brought back, files."""

import json
import uuid

import pytest

from annotating import API, Api, client_of, make_folder
from fewclicks.annotator.services.checking import check
from fewclicks.annotator.services.class_files import parsed, take
from fewclicks.annotator.store.objects import Store
from fewclicks.annotator.store.records import Attribute, Edit
from fewclicks.errors import Conflict, InputError

COLOR = Attribute("color", "choice", ("red", "green"))


def new_id():
    return str(uuid.uuid4())


@pytest.fixture
def store(place):
    with Store(place) as found:
        found.add_photos(["a.png"])
        found.change_photo(1, hw=(80, 120))
        yield found


def test_more_classes_than_digits_have_keys_that_are_no_beginning_of_another(store):
    keys = [store.add_class(f"class {n}").key for n in range(50)]
    assert keys[:11] == [*"123456789", "01", "02"]
    assert len({key for key in keys if key}) == 45
    assert keys[45:] == [None] * 5
    with pytest.raises(InputError, match="begin alike"):
        store.change_class(50, key="1a")
    with pytest.raises(InputError, match="begin alike"):
        store.change_class(50, key="0")
    with pytest.raises(InputError, match="belongs to"):
        store.change_class(50, key="02")
    for bad in ("a1", "123", "1A", "ß", " "):
        with pytest.raises(InputError, match="one digit"):
            store.change_class(50, key=bad)
    assert store.change_class(1, key="").key is None
    assert store.change_class(50, key="1a").key == "1a"


def test_order_groups_and_what_is_said_of_objects(store, place):
    ids = [store.add_class(name).id for name in ("cat", "dog", "car")]
    assert [one.name for one in store.order_classes([ids[2]])] == ["car", "cat", "dog"]
    assert [one.name for one in store.classes()] == ["car", "cat", "dog"]
    with pytest.raises(InputError, match="twice"):
        store.order_classes([ids[0], ids[0]])
    attributes = (COLOR, Attribute("doors", "number"), Attribute("parked", "tick"), Attribute("plate", "text"))
    made = store.change_class(ids[2], group="vehicles", attributes=attributes, person="Rob")
    assert (made.group, made.attributes) == ("vehicles", attributes)
    thing = store.create(new_id(), 1, ids[2]).id
    said = {"color": "red", "doors": 4, "parked": True, "plate": "B-X 1"}
    assert store.change(thing, Edit(attributes=said), person="Ann").attributes == said
    assert store.change(thing, Edit(attributes={"doors": None})).attributes == {
        "color": "red", "parked": True, "plate": "B-X 1"
    }  # fmt: skip
    assert store.lines(thing)[0].payload["after"]["attributes"] == said
    for bad in ({"color": "blue"}, {"doors": "four"}, {"doors": True}, {"parked": 1}, {"wings": 2}, {"plate": 3}):
        with pytest.raises(InputError):
            store.change(thing, Edit(attributes=bad))
    assert store.object(thing).attributes == {"color": "red", "parked": True, "plate": "B-X 1"}
    assert [str(fault) for fault in check(place)] == []


@pytest.mark.parametrize(
    ("attribute", "says"),
    [
        (Attribute("", "text"), "name"),
        (Attribute("x", "choice"), "choices"),
        (Attribute("x", "tick", ("a",)), "choices"),
        (Attribute("x", "choice", ("a", "a")), "different"),
        (Attribute("x", "list"), "kind"),
    ],
)
def test_attributes_that_cannot_be(tmp_path, attribute, says):
    with Store(tmp_path) as store:
        with pytest.raises(InputError, match=says):
            store.add_class("x", attributes=(attribute,))
        with pytest.raises(InputError, match="one name"):
            store.add_class("x", attributes=(COLOR, COLOR))


def test_a_class_in_use_gives_its_objects_away_and_comes_back_with_them(store, place):
    cat = store.add_class("cat", colour="#123456", group="pets", attributes=(COLOR,))
    dog = store.add_class("dog")
    things = [store.create(new_id(), 1, cat.id).id for _ in range(3)]
    store.change(things[1], Edit(deleted=True))
    store.change(things[2], Edit(locked=True))
    with pytest.raises(Conflict, match="2 objects"):  # those that were deleted are not seen
        store.remove_class(cat.id)
    with pytest.raises(InputError, match="another one"):
        store.remove_class(cat.id, cat.id)
    removed = store.remove_class(cat.id, dog.id, "Rob")
    assert {store.object(thing).class_id for thing in things} == {dog.id}
    assert store.lines(things[0])[-1].person == "Rob"
    store.change(things[0], Edit(name="stays", class_id=dog.id))
    back = store.restore_class(removed)
    assert back == cat
    assert store.restore_class(removed) == cat, "twice does nothing more"
    assert {store.object(thing).class_id for thing in things} == {cat.id}
    assert [str(fault) for fault in check(place)] == []


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b"cat\n\n# pets\n dog \n", ["cat", "dog"]),
        (b'["cat", {"name": "dog", "color": [1, 2, 3]}, 5, {"name": ""}]', ["cat", "dog"]),
        (b'{"categories": [{"id": 2, "name": "cat", "supercategory": "pet"}]}', ["cat"]),
        (b"path: .\nnames:\n  0: cat\n  10: cow\n  2: dog\n", ["cat", "dog", "cow"]),
        (b'[{"name": "car", "attributes": [{"name": "c", "input_type": "select", "values": ["r"]}]}]', ["car"]),
        ("\ufeffcat".encode(), ["cat"]),
        ("cat\ndog".encode("utf-16"), ["cat", "dog"]),
    ],
)
def test_files_of_classes(data, names):
    drafts, _ = parsed(data)
    assert [draft.name for draft in drafts] == names


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\x00\xff", b'{"a": 1}', b"[]", b"[1]", b"names: [", b"[" * 5000])
def test_files_without_classes(data):
    with pytest.raises(InputError) as error:
        parsed(data)
    assert "\n" not in str(error.value)


def test_classes_go_to_a_file_and_come_back(tmp_path):
    with client_of(make_folder(tmp_path / "photos")) as client:
        api = Api(client)
        attributes = [{"name": "color", "kind": "choice", "choices": ["red"]}]
        api("POST", "/classes", {"name": "car", "group": "vehicles", "attributes": attributes}, 201)
        file = client.get(f"{API}/classes/file").content
    with client_of(make_folder(tmp_path / "other")) as client:
        api = Api(client)
        said = client.post(f"{API}/classes/file", content=file).json()
        assert said == {"added": ["car"], "changed": [], "notes": []}
        assert client.get(f"{API}/classes/file").content == file
        assert client.post(f"{API}/classes/file", content=file).json() == {"added": [], "changed": [], "notes": []}
        removed = api("DELETE", "/classes/2")["id"]
        assert api("POST", f"/classes/removed/{removed}/restore", {})["attributes"] == attributes
        api("POST", f"/classes/removed/{new_id()}/restore", {}, 404)
        assert [one["name"] for one in api("PUT", "/classes/order", {"ids": [2, 1]})] == ["car", "object"]


def test_one_bad_class_of_a_file_costs_no_other(tmp_path):
    with Store(tmp_path) as store:
        store.add_class("cat", key="1")
        rows = [{"name": "cat", "colour": "#00ff00"}, {"name": "x" * 300}, {"name": "dog", "key": "1"}, "cow"]
        taken = take(store, json.dumps({"classes": rows}).encode())
        assert (taken.added, taken.changed) == (("dog", "cow"), ("cat",))
        assert len(taken.notes) == 2
        assert [one.name for one in store.classes()] == ["cat", "dog", "cow"]
