"""The annotator's API as the page and scripts use it."""

import base64
import io
import json
import threading
import uuid
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from annotating import API, BOX, OWN, Api, client_of, make_folder, patched, photo, png, truth, unpng
from fakes import Discs, gradient
from fewclicks.annotator.server import schemas
from fewclicks.annotator.server.app import document
from fewclicks.errors import CheckpointError
from fewclicks.evaluation.metrics import iou

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """One server for the tests that only add to it."""
    root = make_folder(tmp_path_factory.mktemp("photos") / "photos")
    with client_of(root) as client:
        yield Api(client)


@pytest.fixture
def fresh(tmp_path):
    """A server of one's own."""
    with client_of(make_folder(tmp_path / "photos")) as client:
        yield Api(client)


def test_the_folder_is_described(fresh):
    found = fresh("GET", "/folder")
    assert found["name"] == "photos"
    assert found["method"] == "grow"
    assert uuid.UUID(found["id"])
    assert [c["name"] for c in found["classes"]] == ["object"]
    counts = {name: number for name, number in found["counts"].items() if number}
    assert counts == {"untouched": 3}


def test_photos_are_listed_in_parts(fresh):
    everything = fresh("GET", "/photos")
    assert [item["name"] for item in everything["items"]] == ["a.png", "b.jpg", "c.png"]
    assert everything["next"] is None
    first = fresh("GET", "/photos?limit=2")
    assert [item["name"] for item in first["items"]] == ["a.png", "b.jpg"]
    rest = fresh("GET", f"/photos?limit=2&after={first['next']}")
    assert [item["name"] for item in rest["items"]] == ["c.png"]
    assert rest["next"] is None
    assert fresh("GET", "/photos?state=done")["items"] == []
    fresh("GET", "/photos?state=odd", status=422)
    fresh("GET", "/photos?limit=0", status=422)


def test_a_click_gives_a_mask_and_only_what_changed_travels(fresh):
    made = fresh.new()
    assert made["version"] == 1
    first = fresh.click(made["id"], 60, 40)
    mask = patched(np.zeros((80, 120), bool), first["patch"])
    assert iou(mask, truth()) > 0.9
    assert np.array_equal(fresh.mask(made["id"]), mask)
    found = first["object"]
    assert found["version"] == 2
    assert found["box"] == first["patch"]["box"]
    assert found["area_px"] == mask.sum()
    assert found["clicks"] == [{"x": 60, "y": 40, "positive": True}]
    assert (found["can_undo"], found["undo_kind"], found["can_redo"]) == (True, "click", False)
    assert first["passes"] == found["passes"] == [{"changed_px": mask.sum()}]
    assert first["ms"]["total"] > 0
    second = fresh.click(made["id"], 80, 50, positive=False)
    assert np.array_equal(patched(mask, second["patch"]), fresh.mask(made["id"]))
    x0, y0, x1, y1 = second["patch"]["box"]
    assert (x1 - x0) * (y1 - y0) < 60 * 40


def test_undo_and_redo_are_kept_and_exact(fresh):
    object_id = fresh.new()["id"]
    masks = [fresh.mask(object_id)]
    for x, y, positive in ((60, 40, True), (80, 50, False), (35, 25, False)):
        fresh.click(object_id, x, y, positive)
        masks.append(fresh.mask(object_id))
    mask = masks[3]
    for expected in (masks[2], masks[1], masks[0]):
        change = fresh.step(object_id, "undo")
        mask = patched(mask, change["patch"])
        assert np.array_equal(mask, expected)
    assert not change["object"]["can_undo"]
    assert fresh.step(object_id, "undo")["patch"] is None
    for expected in masks[1:]:
        mask = patched(mask, fresh.step(object_id, "redo")["patch"])
        assert np.array_equal(mask, expected)


def test_the_journal_of_an_object_names_who_did_what(fresh):
    object_id = fresh.new()["id"]
    fresh.click(object_id, 60, 40)
    assert fresh("GET", f"/objects/{object_id}")["person"] == ""
    fresh.client.headers["X-Fewclicks-Person"] = "Ann"
    assert fresh.click(object_id, 80, 50, positive=False)["object"]["person"] == "Ann"
    fresh.step(object_id, "undo")
    fresh.step(object_id, "redo")
    fresh("PATCH", f"/objects/{object_id}", {"name": "Tom"})
    first = fresh("GET", f"/objects/{object_id}/journal?limit=3")
    rest = fresh("GET", f"/objects/{object_id}/journal?after={first['next']}")
    lines = first["items"] + rest["items"]
    kinds, people = ["click", "click", "undo", "redo", "change"], ["", *["Ann"] * 4]
    assert [(line["kind"], line["person"]) for line in lines] == list(zip(kinds, people, strict=True))
    assert [line["predictor"] for line in lines] == ["grow", "grow", "", "", ""]
    assert lines[-1]["change"] == {"before": {"name": ""}, "after": {"name": "Tom"}}
    assert [line["version"] for line in lines] == [2, 3, 4, 5, 6]
    assert rest["next"] is None


def test_what_is_sent_twice_is_done_once(fresh):
    made = fresh.new()
    assert fresh("PUT", f"/objects/{made['id']}", {"photo_id": 1, "class_id": 1}) == made
    body = {"action_id": str(uuid.uuid4()), "kind": "click", "x": 60, "y": 40, "if_version": 1}
    first = fresh("POST", f"/objects/{made['id']}/actions", body)
    again = fresh("POST", f"/objects/{made['id']}/actions", body)
    assert again["object"] == first["object"]
    assert np.array_equal(patched(np.ones((80, 120), bool), again["patch"]), fresh.mask(made["id"])), "the whole mask"
    step = {"action_id": str(uuid.uuid4())}
    for _ in range(2):
        undone = fresh("POST", f"/objects/{made['id']}/undo", step)
    assert undone["object"]["can_redo"]
    assert undone["object"]["version"] == 3


def test_a_new_object_and_its_first_action_are_one_request(fresh):
    path = f"/objects/{uuid.uuid4()}"
    new = {"photo_id": 1, "class_id": 1, "name": "cup"}
    body = {"action_id": str(uuid.uuid4()), "kind": "click", "x": 60, "y": 40, "new": new}
    first, again = (fresh("POST", f"{path}/actions", body) for _ in range(2))
    assert again["object"] == first["object"] == fresh("GET", path)
    assert (first["object"]["name"], first["object"]["area_px"] > 0) == ("cup", True)
    apart = fresh.new()
    assert fresh.click(apart["id"], 60, 40)["patch"] == first["patch"], "as by two requests"
    assert first["object"]["version"] == fresh("GET", f"/objects/{apart['id']}")["version"]
    for wrong, status in (({"photo_id": 99}, 404), ({"class_id": 99}, 404), ({"photo_id": "one"}, 422)):
        path = f"/objects/{uuid.uuid4()}"
        fresh("POST", f"{path}/actions", {**body, "action_id": str(uuid.uuid4()), "new": {**new, **wrong}}, status)
        fresh("GET", path, status=404)


def test_a_mask_can_be_what_a_new_object_begins_with(fresh):
    mask = np.zeros((80, 120), bool)
    mask[20:40, 30:70] = True
    path = f"/objects/{uuid.uuid4()}"
    new = {"photo_id": 1, "class_id": 1}
    body = {"action_id": str(uuid.uuid4()), "kind": "mask", "png": png(mask), "new": new}
    assert fresh("POST", f"{path}/actions", body)["object"]["area_px"] == 800


def test_who_saw_an_older_version_is_told_and_nothing_happens(fresh):
    object_id = fresh.new()["id"]
    fresh.click(object_id, 60, 40, if_version=1)
    before = fresh.mask(object_id)
    problem = fresh.act(object_id, "click", status=409, x=10, y=10, if_version=1)
    assert problem["current"]["version"] == 2
    assert problem["current"]["clicks"] == [{"x": 60, "y": 40, "positive": True}]
    fresh.step(object_id, "undo", status=409, if_version=1)
    fresh("PATCH", f"/objects/{object_id}", {"name": "x", "if_version": 1}, status=409)
    assert np.array_equal(fresh.mask(object_id), before)
    assert fresh.click(object_id, 10, 10, if_version=2)["object"]["version"] == 3


def test_brush_clean_threshold_and_masks_are_actions_too(fresh):
    object_id = fresh.new()["id"]
    fresh.act(object_id, "brush", points=[[10, 10], [20, 10]], radius_px=3)
    painted = fresh.mask(object_id)
    assert painted[10, 10:21].all()
    assert not painted[20].any()
    fresh.act(object_id, "brush", points=[[15, 10]], radius_px=1.5, erase=True)
    assert not fresh.mask(object_id)[10, 15]
    fresh.act(object_id, "clean", fill_holes_px=50)
    fresh.act(object_id, "threshold", value=0.4)
    found = fresh.act(object_id, "mask", png=png(truth()))["object"]
    assert np.array_equal(fresh.mask(object_id), truth())
    assert found["box"] == list(BOX)
    for kind in ("mask", "threshold", "clean", "brush", "brush"):
        assert fresh("GET", f"/objects/{object_id}")["undo_kind"] == kind
        fresh.step(object_id, "undo")
    assert fresh.mask(object_id).sum() == 0


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"kind": "click", "x": 120, "y": 1}, 400),
        ({"kind": "click", "x": "many", "y": 1}, 422),
        ({"kind": "click", "x": 1}, 422),
        ({"kind": "click", "x": 1, "y": 1, "cfr": 9}, 422),
        ({"kind": "click", "x": 1, "y": 1, "odd": 1}, 422),
        ({"kind": "fly"}, 422),
        ({"kind": "brush", "points": [], "radius_px": 3}, 422),
        ({"kind": "brush", "points": [[1, 1]], "radius_px": -3}, 422),
        ({"kind": "threshold", "value": 1}, 422),
        ({"kind": "mask", "png": "no base64!"}, 400),
        ({"kind": "mask", "png": "QUJD"}, 400),
        ({"kind": "mask", "png": png(np.ones((4, 4), bool))}, 400),
    ],
)
def test_actions_that_make_no_sense_say_why_and_change_nothing(served, fields, status):
    made = served.new()
    problem = served("POST", f"/objects/{made['id']}/actions", {"action_id": str(uuid.uuid4()), **fields}, status)
    assert "Traceback" not in json.dumps(problem)
    assert served("GET", f"/objects/{made['id']}") == made


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"kind": "click", "x": NaN, "y": 1}', "\0", '"' + "x" * 1000])
def test_bodies_that_are_no_json_are_refused(served, text):
    object_id = served.new()["id"]
    headers = {"Content-Type": "application/json"}
    for path in (f"/objects/{object_id}/actions", f"/objects/{object_id}/undo", "/classes", "/predict"):
        served("POST", path, status=422, content=text, headers=headers)


def test_what_does_not_exist_is_404(served):
    nobody = str(uuid.uuid4())
    for method, path, body in [
        ("GET", f"/objects/{nobody}", None),
        ("GET", f"/objects/{nobody}/mask", None),
        ("GET", f"/objects/{nobody}/passes/0", None),
        ("POST", f"/objects/{nobody}/undo", {"action_id": nobody}),
        ("POST", f"/objects/{nobody}/preview", {"x": 1, "y": 1}),
        ("PATCH", f"/objects/{nobody}", {"name": "x"}),
        ("PUT", f"/objects/{nobody}", {"photo_id": 99, "class_id": 1}),
        ("PUT", f"/objects/{nobody}", {"photo_id": 1, "class_id": 99}),
        ("GET", "/photos/99", None),
        ("GET", "/photos/99/thumb", None),
        ("GET", "/photos/99/events", None),
        ("PATCH", "/photos/99", {"state": "done"}),
        ("DELETE", "/classes/99", None),
        ("GET", "/nothing", None),
    ]:
        served(method, path, body, 404)
    for odd in ("not-a-uuid", "cE-bFB-fD6D2eFa--AC011Bab6eaa7cd-0", "-" * 36, "a" * 33):
        served("GET", f"/objects/{odd}", status=422)
        served("PUT", f"/comments/{odd}", {"photo_id": 1, "text": "here"}, 422)
        served("POST", f"/objects/{nobody}/undo", {"action_id": odd}, 422)
        served("POST", "/photos/1/copies", {"action_id": nobody, "objects": [odd]}, 422)
    served("POST", "/folder", status=405)


def test_queued_clicks_are_answered_in_order(fresh):
    object_id, order = fresh.new()["id"], []
    worker, gate = fresh.client.annotator.objects.worker, threading.Event()
    worker.submit("gate", gate.wait)

    def click(n):
        order.append((n, fresh.click(object_id, 10 + n, 40)["object"]["version"]))

    threads = [threading.Thread(target=click, args=(n,)) for n in range(6)]
    for n, thread in enumerate(threads):
        thread.start()
        while len(worker._queues.get(object_id, ())) <= n:
            pass
    gate.set()
    for thread in threads:
        thread.join()
    assert sorted(order) == [(n, n + 2) for n in range(6)]
    assert [click["x"] for click in fresh("GET", f"/objects/{object_id}")["clicks"]] == [10, 11, 12, 13, 14, 15]


def test_a_preview_changes_nothing_and_works_before_the_first_click(fresh):
    object_id = str(uuid.uuid4())
    first = fresh("POST", f"/objects/{object_id}/preview", {"x": 60, "y": 40, "photo_id": 1})
    assert iou(patched(np.zeros((80, 120), bool), first["patch"]), truth()) > 0.9
    fresh("GET", f"/objects/{object_id}", status=404)
    fresh("POST", f"/objects/{object_id}/preview", {"x": 60, "y": 40}, status=404)
    made = fresh.new()
    fresh.click(made["id"], 60, 40)
    mask = fresh.mask(made["id"])
    shown = fresh("POST", f"/objects/{made['id']}/preview", {"x": 80, "y": 50, "positive": False})
    assert fresh("GET", f"/objects/{made['id']}")["version"] == 2
    assert np.array_equal(fresh.mask(made["id"]), mask)
    fresh.click(made["id"], 80, 50, positive=False)
    assert np.array_equal(patched(mask, shown["patch"]), fresh.mask(made["id"]))


def test_a_newer_preview_takes_the_place_of_an_older_one(fresh):
    object_id, answers, gate = fresh.new()["id"], [], threading.Event()
    worker = fresh.client.annotator.objects.worker
    worker.submit("gate", gate.wait)

    def ask(x):
        body = {"x": x, "y": 40}
        answers.append((x, fresh.client.post(f"{API}/objects/{object_id}/preview", json=body).status_code))

    threads = [threading.Thread(target=ask, args=(x,)) for x in (50, 60)]
    for thread in threads:
        before = worker._previews.get(object_id)
        thread.start()
        while worker._previews.get(object_id) is before:
            pass
    gate.set()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [(50, 204), (60, 200)]


def test_the_cascade_is_visible(tmp_path):
    with client_of(make_folder(tmp_path / "photos"), Discs()) as client:
        api = Api(client)
        object_id = api.new()["id"]
        change = api.click(object_id, 60, 40, cfr=3)
        assert len(change["passes"]) == 4
        masks = []
        for number in range(4):
            found = api("GET", f"/objects/{object_id}/passes/{number}")
            assert (found["number"], found["count"]) == (number, 4)
            masks.append(patched(np.zeros((80, 120), bool), found["patch"]))
        before = np.zeros((80, 120), bool)
        for mask, told in zip(masks, change["passes"], strict=True):
            assert np.count_nonzero(mask != before) == told["changed_px"]
            before = mask
        assert np.array_equal(masks[3], api.mask(object_id))
        api("GET", f"/objects/{object_id}/passes/4", status=400)
        api("GET", f"/objects/{object_id}/passes/9", status=422)
        assert api("GET", f"/objects/{object_id}/before") == {"patch": None}
        api.click(object_id, 80, 40)
        earlier = patched(np.zeros((80, 120), bool), api("GET", f"/objects/{object_id}/before")["patch"])
        assert np.array_equal(earlier, masks[3])


def test_the_probability_is_a_grey_picture(fresh):
    object_id = fresh.new()["id"]
    fresh.click(object_id, 60, 40)
    answer = fresh("GET", f"/objects/{object_id}/prob")
    with PIL.Image.open(io.BytesIO(answer.content)) as picture:
        assert picture.mode == "L"
        assert np.array_equal(np.asarray(picture) > 127, fresh.mask(object_id))
    for query, size in (("x0=30&y0=20&x1=90&y1=60", (60, 40)), ("side=60", (60, 40)), ("x0=500&y0=500", (1, 1))):
        with PIL.Image.open(io.BytesIO(fresh("GET", f"/objects/{object_id}/prob?{query}").content)) as picture:
            assert picture.size == size


def test_all_masks_of_a_photo_come_at_once(fresh):
    ids = [fresh.new()["id"] for _ in range(3)]
    fresh.click(ids[0], 60, 40)
    fresh.act(ids[1], "mask", png=png(truth()))
    data = fresh("GET", "/photos/1/masks").content
    length = int.from_bytes(data[:4], "little")
    header, body = json.loads(data[4 : 4 + length]), data[4 + length :]
    assert [entry["id"] for entry in header] == ids
    for entry in header[:2]:
        mask = np.zeros((80, 120), bool)
        x0, y0, x1, y1 = entry["box"]
        mask[y0:y1, x0:x1] = unpng(body[entry["offset"] : entry["offset"] + entry["size"]])
        assert np.array_equal(mask, fresh.mask(entry["id"]))
    assert header[2]["box"] is None


def test_pictures_are_not_sent_twice(fresh):
    object_id = fresh.new()["id"]
    fresh.click(object_id, 60, 40)
    for path in (
        "/photos/1/thumb",
        "/photos/1/view?side=50",
        "/photos/1/tiles/0/0/0",
        "/photos/1/masks",
        f"/objects/{object_id}/mask",
    ):
        answer = fresh("GET", path)
        assert "no-cache" in answer.headers["cache-control"]
        known = {"If-None-Match": answer.headers["etag"]}
        assert fresh("GET", path, status=304, headers=known).content == b""
    assert fresh("GET", "/photos/1/view?side=60", headers=known).content
    fresh.click(object_id, 80, 50, positive=False)
    assert fresh("GET", f"/objects/{object_id}/mask", headers=known).content


def test_the_views_show_the_photo(fresh):
    for path, size in (
        ("view", (120, 80)),
        ("view?side=60", (60, 40)),
        ("thumb", (120, 80)),
        ("tiles/0/0/0", (120, 80)),
    ):
        with PIL.Image.open(io.BytesIO(fresh("GET", f"/photos/1/{path}").content)) as picture:
            assert picture.size == size
            found = np.asarray(picture.resize((120, 80)))
        assert np.abs(found.astype(int) - photo()).mean() < 6
    fresh("GET", "/photos/1/tiles/0/1/0", status=400)
    fresh("GET", "/photos/1/tiles/1/0/0", status=400)
    fresh("GET", "/photos/1/view?side=0", status=422)


def test_classes(fresh):
    cat = fresh("POST", "/classes", {"name": "cat", "colour": "#00ff00"}, 201)
    assert cat["key"] == "2"
    assert fresh("PATCH", f"/classes/{cat['id']}", {"name": "Cat", "key": ""})["key"] is None
    fresh("POST", "/classes", {"name": "Cat"}, 400)
    fresh("POST", "/classes", {"name": "dog", "colour": "red"}, 400)
    made = fresh.new()
    fresh("PATCH", f"/objects/{made['id']}", {"class_id": cat["id"]})
    fresh("DELETE", f"/classes/{cat['id']}", status=409)
    fresh("PATCH", f"/objects/{made['id']}", {"class_id": 1})
    assert uuid.UUID(fresh("DELETE", f"/classes/{cat['id']}")["id"])
    assert [c["name"] for c in fresh("GET", "/classes")] == ["object"]


def test_a_photo_is_given_with_the_objects_of_one_class(fresh):
    other = fresh("POST", "/classes", {"name": "cup"}, 201)["id"]
    first, second = fresh.new()["id"], fresh.new()["id"]
    fresh("PATCH", f"/objects/{second}", {"class_id": other})
    for query, wanted in (("", [first, second]), ("?class_id=1", [first]), (f"?class_id={other}", [second])):
        assert [one["id"] for one in fresh("GET", f"/photos/1{query}")["objects"]] == wanted
    assert fresh("GET", "/photos/1?class_id=99")["objects"] == []


def test_what_is_too_long_names_its_limit(fresh):
    made = fresh.new()["id"]
    for path, sent, said in (
        ("/photos/1", {"tags": ["x" * 61]}, "A text of 'tags' has at most 60 letters, got 61; shorten it"),
        ("/photos/1", {"tags": ["x"] * 51}, "'tags' has at most 50 entries, got 51; leave some out"),
        (
            f"/objects/{made}",
            {"attributes": {"size": "x" * 5000}},
            "A text of 'size' has at most 4,000 letters, got 5,000",
        ),
        (
            "/classes/1",
            {"attributes": [{"name": "x" * 201, "kind": "text"}]},
            "A text of 'name' has at most 200 letters",
        ),
    ):
        assert fresh("PATCH", path, sent, 422)["detail"].startswith(said)


def test_objects_are_renamed_finished_deleted_and_restored(fresh):
    made = fresh.new()
    fresh.click(made["id"], 60, 40)
    path = f"/objects/{made['id']}"
    assert fresh("PATCH", path, {"name": "left", "state": "done"})["state"] == "done"
    assert fresh("GET", "/photos/1")["photo"]["objects"] == 1
    assert fresh("PATCH", path, {"deleted": True})["deleted"]
    opened = fresh("GET", "/photos/1")
    assert opened["objects"] == []
    assert opened["photo"]["state"] == "untouched"
    assert not fresh("PATCH", path, {"deleted": False})["deleted"]
    (found,) = fresh("GET", "/photos/1")["objects"]
    assert (found["name"], found["area_px"] > 0) == ("left", True)


def test_a_photo_is_begun_and_done(fresh):
    assert fresh("GET", "/photos/1")["tiles"] is None
    fresh.new()
    assert fresh("GET", "/photos/1")["photo"]["state"] == "begun"
    assert fresh("PATCH", "/photos/1", {"state": "done"})["state"] == "done"
    counts = {name: number for name, number in fresh("GET", "/folder")["counts"].items() if number}
    assert counts == {"untouched": 2, "done": 1}
    assert [p["name"] for p in fresh("GET", "/photos?state=untouched")["items"]] == ["b.jpg", "c.png"]
    assert fresh("PATCH", "/photos/1", {"state": "untouched"})["state"] == "begun"
    fresh("PATCH", "/photos/1", {"state": "odd"}, 422)


def test_what_cannot_be_read_is_said_and_the_rest_works(tmp_path):
    root = make_folder(tmp_path / "photos")
    (root / "b.jpg").write_bytes(b"no photo")
    (root / "d.png").write_bytes((root / "a.png").read_bytes()[:-60])
    (root / "e.png").symlink_to(tmp_path / "outside.png")
    PIL.Image.fromarray(photo()).save(tmp_path / "outside.png")
    with client_of(root) as client:
        api = Api(client)
        for number in (2, 4, 5):
            opened = api("GET", f"/photos/{number}")
            assert opened["photo"]["problem"]
            assert str(tmp_path) not in opened["photo"]["problem"]
            for path in ("view", "thumb", "tiles/0/0/0"):
                api("GET", f"/photos/{number}/{path}", status=400)
            made = api.new(number)
            api.act(made["id"], "click", status=400, x=1, y=1)
        assert "out of the folder" in opened["photo"]["problem"]
        assert api("GET", "/folder")["counts"]["unreadable"] == 3
        assert api("GET", "/photos/1")["photo"]["problem"] is None
        api.click(api.new(1)["id"], 60, 40)
        PIL.Image.fromarray(photo()).save(root / "b.jpg")
        assert api("GET", "/photos/2")["photo"]["problem"] is None


def test_a_photo_of_another_size_is_refused_while_it_has_objects(tmp_path):
    root = make_folder(tmp_path / "photos")
    with client_of(root) as client:
        api = Api(client)
        object_id = api.new()["id"]
        api.click(object_id, 60, 40)
        PIL.Image.fromarray(photo((90, 120))).save(root / "a.png")
        assert "120x90 now" in api("GET", "/photos/1")["photo"]["problem"]
        api.act(object_id, "click", status=400, x=1, y=1)


def test_photos_that_come_and_go(fresh, monkeypatch):
    monkeypatch.setattr("fewclicks.annotator.services.gallery.RESCAN_S", 0)
    root = fresh.client.annotator.folder.root
    PIL.Image.fromarray(photo()).save(root / "aa.png")
    fresh.new(photo_id=1)
    (root / "a.png").unlink()
    (root / "b.jpg").unlink()
    fresh("GET", "/folder")
    items = fresh("GET", "/photos")["items"]
    assert [(item["name"], item["problem"] is None) for item in items] == [
        ("a.png", False),
        ("aa.png", True),
        ("c.png", True),
    ]


def test_large_photos_come_in_tiles(tmp_path, monkeypatch):
    monkeypatch.setattr(schemas, "TILED_ABOVE_PX", 1_000_000)
    root = make_folder(tmp_path / "photos", ())
    PIL.Image.fromarray(gradient(840, 1200)).save(root / "big.jpg", quality=80)
    with client_of(root) as client:
        api = Api(client)
        opened = api("GET", "/photos/1")
        assert opened["tiles"] == {"size": 512, "levels": 3}
        api("POST", "/photos/1/prepare", status=204)
        with PIL.Image.open(io.BytesIO(api("GET", "/photos/1/tiles/0/2/1").content)) as picture:
            assert picture.size == (1200 - 2 * 512, 840 - 512)
        with PIL.Image.open(io.BytesIO(api("GET", "/photos/1/tiles/2/0/0").content)) as picture:
            assert picture.size == (300, 210)


def test_preparing_decodes_once(fresh, monkeypatch):
    calls, decode = [], fresh.client.annotator.decoder.image
    monkeypatch.setattr(fresh.client.annotator.decoder, "image", lambda *a: calls.append(a) or decode(*a))
    fresh("POST", "/photos/2/prepare", status=204)
    fresh("GET", "/photos/2")
    fresh("GET", "/photos/2/view")
    fresh.click(fresh.new(2)["id"], 60, 40)
    assert len(calls) == 1


def test_a_model_that_cannot_be_loaded_is_said(tmp_path):
    with client_of(make_folder(tmp_path / "photos")) as client:
        pass

    def load():
        raise CheckpointError("the weights are damaged; copy them again")

    client = client_of(tmp_path / "photos")
    client.annotator.objects.model = type(client.annotator.objects.model)(load=load, name="grow")
    with client:
        api = Api(client)
        object_id = api.new()["id"]
        assert "weights are damaged" in api.act(object_id, "click", status=400, x=1, y=1)["detail"]
        assert "weights are damaged" in api("GET", "/folder")["problem"]
        assert not api("GET", "/folder")["ready"]


def test_predict_needs_no_folder(served):
    file = io.BytesIO()
    PIL.Image.fromarray(photo()).save(file, "PNG")
    image = base64.b64encode(file.getvalue()).decode()
    answer = served("POST", "/predict", {"image": image, "clicks": [{"x": 60, "y": 40}]})
    mask = unpng(base64.b64decode(answer["mask"]))
    assert iou(mask, truth()) > 0.9
    assert answer["area_px"] == mask.sum()
    x0, y0, x1, y1 = answer["box"]
    assert mask[y0:y1, x0:x1].sum() == mask.sum()
    kept = served("POST", "/predict", {"image": image, "mask": png(truth())})
    assert np.array_equal(unpng(base64.b64decode(kept["mask"])), truth())
    cut = served(
        "POST", "/predict", {"image": image, "mask": png(truth()), "clicks": [{"x": 80, "y": 50, "positive": False}]}
    )
    assert not unpng(base64.b64decode(cut["mask"]))[50, 80]
    for body in (
        {"image": image},
        {"image": "AAAA", "clicks": [{"x": 1, "y": 1}]},
        {"image": image, "clicks": [{"x": 500, "y": 1}]},
        {"image": image, "mask": png(np.ones((3, 3), bool))},
        {"image": "data:image/png;base64," + image, "clicks": [{"x": 1, "y": 1}]},
    ):
        served("POST", "/predict", body, 400)
    assert served.client.annotator.predicting == 0


def test_a_predicted_mask_is_that_of_the_same_clicks_in_the_folder(served):
    made = served.new()
    for x, y, positive in ((60, 40, True), (80, 50, False)):
        served.click(made["id"], x, y, positive)
    image = base64.b64encode((served.client.annotator.folder.root / "a.png").read_bytes()).decode()
    clicks = [{"x": 60, "y": 40}, {"x": 80, "y": 50, "positive": False}]
    answer = served("POST", "/predict", {"image": image, "clicks": clicks})
    assert np.array_equal(unpng(base64.b64decode(answer["mask"])), served.mask(made["id"]))


def test_the_page_and_the_documentation_are_served_with_their_headers(served):
    for path, kind in (
        ("/", "text/html"),
        ("/docs/", "text/html"),
        ("/js/docs.js", "text/javascript"),
        ("/openapi.json", "application/json"),
    ):
        answer = served.client.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(kind)
        assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert served.client.get("/docs").headers["location"] == f"{OWN}/docs/"
    assert served.client.get("/", headers={"If-None-Match": served.client.get("/").headers["etag"]}).status_code == 304
    for path in ("/../api.py", "/%2e%2e/api.py", "/..%2fapi.py", "/js/../../api.py", "//etc/passwd", "/js", "/nothing"):
        answer = served.client.get(path)
        assert answer.status_code in (404, 307), path
        assert "import" not in answer.text


def test_the_pages_have_no_inline_script_or_foreign_address():
    static = ROOT / "src" / "fewclicks" / "annotator" / "web"
    for page in static.rglob("*.html"):
        text = page.read_text("utf-8")
        assert "<script>" not in text
        assert "style=" not in text
        assert " onclick" not in text
        assert "//" not in text.replace("http://www.w3.org", "")


def test_the_openapi_document_is_checked_in():
    """After a change of the API: `make openapi`, and look at what changed."""
    assert (ROOT / "docs" / "openapi.json").read_text("utf-8") == document()


def test_the_openapi_document_is_good_for_clients():
    found = json.loads(document())
    operations = [operation for path in found["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))
    for operation in operations:
        assert operation["tags"]
        assert operation["description"]
        assert "application/problem+json" in operation["responses"]["404"]["content"]
    text = json.dumps(found)
    assert "HTTPValidationError" not in text
    for reference in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert reference in found["components"]["schemas"]
