"""Photos found by what is in them and said of them, and what was annotated in figures."""

import io
import json
import uuid
import zipfile

import pytest

from annotating import Api, client_of, make_folder


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Three photos: two objects by Ann on the first, one by Bo on the second, nothing on the third."""
    with client_of(make_folder(tmp_path_factory.mktemp("finding") / "photos")) as client:
        api = Api(client)
        api("POST", "/classes", {"name": "traffic light"}, 201)
        for photo, label, person in ((1, 1, "Ann"), (1, 2, "Ann"), (2, 1, "Bo")):
            thing = str(uuid.uuid4())
            api("PUT", f"/objects/{thing}", {"photo_id": photo, "class_id": label})
            body = {"action_id": str(uuid.uuid4()), "kind": "click", "x": 60, "y": 40}
            client.headers["X-Fewclicks-Person"] = person
            api("POST", f"/objects/{thing}/actions", body)
        del client.headers["X-Fewclicks-Person"]
        api("PATCH", "/photos/2", {"state": "returned", "assignee": "Ann", "tags": ["Night"], "note": "blurred"})
        yield api


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [1, 2, 3]),
        ("A.PNG", [1]),
        ("class:object", [1, 2]),
        ('class:"Traffic Light"', [1]),
        ('-class:"traffic light"', [2, 3]),
        ("by:ann", [1]),
        ("for:Ann", [2]),
        ("for:nobody", [1, 3]),
        ("tag:night blur", [2]),
        ("-tag:night", [1, 3]),
        ("is:returned", [2]),
        ("is:new", [3]),
        ("objects:0", [3]),
        ("objects:>=1 objects:<2", [2]),
        ("comments:>0", []),
        ("don't", []),
        ("odd:word", []),
        ("-", []),
    ],
)
def test_queries(served, query, found):
    assert served("GET", "/photos/find", params={"query": query}) == found


@pytest.mark.parametrize("query", ["class:boat", "is:odd", "objects:many", "objects:", 'class:"open'])
def test_queries_that_cannot_be(served, query):
    served("GET", "/photos/find", status=400, params={"query": query})


def test_figures(served):
    found = served("GET", "/statistics")
    every = found["all"]
    assert (every["objects"], every["photos"], every["clicks"]) == (3, 2, 1.0)
    assert every["histogram"][:3] == [0, 3, 0]
    assert sum(every["areas"]) == 3
    assert [(one["name"], one["objects"]) for one in found["classes"]] == [("object", 2), ("traffic light", 1)]
    assert [(one["name"], one["objects"]) for one in found["people"]] == [("Ann", 2), ("Bo", 1)]


def exported(served, **scope):
    """Names of photos, and labels of objects, in a COCO export."""
    answer = served("POST", "/export", {"format": "coco", **scope})
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("annotations.json")]
        found = json.loads(archive.read(name))
    labels = {one["id"]: one["name"] for one in found["categories"]}
    return [one["file_name"] for one in found["images"]], [labels[one["category_id"]] for one in found["annotations"]]


@pytest.mark.slow
def test_some_photos_and_classes_are_exported(served):
    assert exported(served) == (["a.png", "b.jpg"], ["object", "traffic light", "object"])
    assert exported(served, where="is:returned") == (["b.jpg"], ["object"])
    assert exported(served, where="-is:returned", classes=["traffic light"])[1] == ["traffic light"]
    for scope, photos, objects in [
        ({}, 2, 3),
        ({"where": "is:returned"}, 1, 1),
        ({"where": "is:accepted"}, 0, 0),
        ({"classes": ["traffic light"]}, 2, 1),
    ]:
        assert served("POST", "/export/count", scope) == {"photos": photos, "objects": objects}
    served("POST", "/export/count", {"classes": ["boat"]}, 400)
    served("POST", "/export", {"format": "coco", "classes": ["boat"]}, 400)
    served("POST", "/export", {"format": "coco", "where": "is:odd"}, 400)
