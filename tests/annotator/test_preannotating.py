"""Photos that are annotated beforehand: proposals, accepted or corrected; progress, cancel, resume, undo."""

import io
import json
import time
import uuid
import zipfile

import PIL.Image
import pytest

from annotating import Api, annotator_of, client_of, make_folder, photo, truth
from fewclicks.annotator.services.model import Model
from fewclicks.engines.interruption import current
from fewclicks.evaluation.metrics import iou
from fewclicks.methods import grow

EVERYTHING = {"points": 6, "stability": 0.5}


@pytest.fixture
def client(tmp_path):
    """Three photos of a bright box, and one file that is none."""
    root = make_folder(tmp_path / "photos")
    (root / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    with client_of(root) as client:
        yield client


@pytest.fixture
def api(client):
    return Api(client)


def begun(api, **more):
    return api("POST", "/preannotations", {"id": str(uuid.uuid4()), **EVERYTHING, **more}, 202)


def over(api, job, state="done"):
    """Wait until a job is over."""
    end = time.monotonic() + 60
    while (now := api("GET", f"/preannotations/{job['id']}"))["state"] == "running":
        assert time.monotonic() < end
        time.sleep(0.02)
    assert now["state"] == state, now
    return now


def objects(api, photo_id):
    return api("GET", f"/photos/{photo_id}")["objects"]


def ids(api):
    return {one["name"]: one["id"] for one in api("GET", "/photos")["items"]}


def box_of(found):
    """The one that is the bright box."""
    return min(found, key=lambda one: abs(one["area_px"] - int(truth().sum())))


def test_everything_is_proposed_on_each_photo_and_a_bad_one_costs_the_others_nothing(api):
    job = over(api, begun(api))
    names = ids(api)
    assert (job["photos"], job["done"], job["progress"]) == (4, 4, 1.0)
    assert [one["name"] for one in job["problems"]] == ["bad.png"]
    assert job["problems"][0]["problem"]
    for name in ("a.png", "b.jpg", "c.png"):
        found = objects(api, names[name])
        assert found
        assert all(one["proposal"] and one["preannotated"] and one["state"] == "open" for one in found)
        assert max(iou(api.mask(one["id"]), truth()) for one in found) > 0.8
    assert job["objects"] == sum(len(objects(api, names[name])) for name in ("a.png", "b.jpg", "c.png"))
    # Sent again it is as it was; done again, what is there is not proposed once more.
    assert api("POST", "/preannotations", {"id": job["id"]}, 202)["objects"] == job["objects"]
    assert over(api, begun(api))["objects"] == 0
    line = api("GET", f"/objects/{found[0]['id']}/journal")["items"][0]
    assert (line["kind"], line["predictor"]) == ("mask", f"preannotation {job['id']}")


def test_a_proposal_is_accepted_or_corrected_and_undo_takes_back_the_others(api):
    names = ids(api)
    photos = [names["a.png"], names["b.jpg"]]
    job = over(api, begun(api, photos=photos))
    one, other = (box_of(objects(api, photo_id)) for photo_id in photos)
    accepted = api("PATCH", f"/objects/{one['id']}", {"state": "done"})
    assert (accepted["proposal"], accepted["preannotated"]) == (False, True)
    corrected = api.click(other["id"], 2, 2)["object"]
    assert (corrected["proposal"], corrected["preannotated"]) == (False, True)
    assert api.step(other["id"], "undo")["object"]["proposal"]
    api.step(other["id"], "redo")
    rest = [len(objects(api, photo_id)) - 1 for photo_id in photos]
    counted = api("GET", "/statistics")["all"]
    assert (counted["objects"], counted["proposals"]) == (2, sum(rest))
    # On one photo, then as a whole; twice does nothing more.
    undo = f"/preannotations/{job['id']}/undo"
    assert api("POST", f"{undo}?photo_id={photos[0]}") == {"objects": rest[0], "kept": 1}
    assert [len(objects(api, photo_id)) for photo_id in photos] == [1, rest[1] + 1]
    assert api("POST", undo) == {"objects": rest[1], "kept": 2}
    assert api("POST", undo) == {"objects": 0, "kept": 2}
    assert api("GET", f"/preannotations/{job['id']}")["undone"]
    assert [objects(api, photo_id)[0]["id"] for photo_id in photos] == [one["id"], other["id"]]
    assert api("POST", f"/preannotations/{job['id']}/redo") == {"objects": sum(rest), "kept": 0}
    assert [len(objects(api, photo_id)) for photo_id in photos] == [count + 1 for count in rest]


@pytest.mark.slow
def test_masks_of_another_tool_become_proposals_on_the_photos_that_are_meant(api):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("a", "c"):
            ring = {"label": "cup", "points": [[10, 10], [40, 10], [40, 40], [10, 40]], "shape_type": "polygon"}
            about = {"shapes": [ring], "imagePath": f"{name}.png", "imageHeight": 80, "imageWidth": 120}
            archive.writestr(f"{name}.json", json.dumps({"version": "5.0", "flags": {}, "imageData": None, **about}))
    job = {"id": str(uuid.uuid4())}
    path = f"/preannotations/{job['id']}/masks?name=labels.zip&where=a.png"
    api("POST", path, status=202, content=file.getvalue())
    assert over(api, job)["objects"] == 1
    names = ids(api)
    (found,) = objects(api, names["a.png"])
    assert (found["proposal"], found["area_px"] > 800) == (True, True)
    assert objects(api, names["c.png"]) == []
    assert "cup" in [one["name"] for one in api("GET", "/classes")]
    assert api("POST", f"/preannotations/{job['id']}/undo") == {"objects": 1, "kept": 0}
    # What is no annotation is said by the name that it has for the user, and nothing is left of it.
    for name in ("x.json", "Masken für (1).json", "x.zip"):
        wrong = {"id": str(uuid.uuid4())}
        api("POST", f"/preannotations/{wrong['id']}/masks?name={name}", status=202, content=b"nothing")
        (note,) = over(api, wrong, "failed")["notes"]
        assert name in note
        assert "/" not in note


@pytest.mark.slow
def test_a_file_of_masks_is_for_the_photos_whose_ids_are_named(api):
    """By ranges, so that many fit; those that are done too, for who names them."""
    names = ids(api)
    ring = {"label": "cup", "points": [[10, 10], [40, 10], [40, 40], [10, 40]], "shape_type": "polygon"}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("a.png", "b.jpg", "c.png"):
            about = {"shapes": [ring], "imagePath": name, "imageHeight": 80, "imageWidth": 120}
            archive.writestr(f"{name[0]}.json", json.dumps({"version": "5.0", "flags": {}, "imageData": None, **about}))
    api("PATCH", f"/photos/{names['c.png']}", {"state": "done"})
    job = {"id": str(uuid.uuid4())}
    path = f"/preannotations/{job['id']}/masks?name=labels.zip&photos="
    for wrong in ("9", "x", "1-", "1,,2"):
        api("POST", path + wrong, status=400 if wrong == "9" else 422, content=file.getvalue())
    api("POST", f"{path}{names['a.png']},{names['c.png']}-{names['c.png']}", status=202, content=file.getvalue())
    assert over(api, job)["objects"] == 2
    assert [len(objects(api, names[name])) for name in ("a.png", "b.jpg", "c.png")] == [1, 0, 1]


def test_it_is_canceled_soon_and_one_runs_at_a_time(api, client):
    calls = []
    annotator = client.annotator
    kept = annotator.gallery.picture

    def slow(photo_id, *more):
        calls.append(photo_id)
        time.sleep(0.3)
        return kept(photo_id, *more)

    annotator.gallery.picture = slow
    job = begun(api)
    assert "already" in api("POST", "/preannotations", {"id": str(uuid.uuid4())}, 503)["detail"]
    assert "cancel" in api("POST", f"/preannotations/{job['id']}/undo", status=503)["detail"]
    api("POST", f"/preannotations/{job['id']}/cancel")
    ended = over(api, job, "canceled")
    assert ended["done"] < 4
    annotator.gallery.picture = kept
    api("POST", f"/preannotations/{job['id']}/resume", status=202)
    assert over(api, job)["done"] == 4


def test_a_step_is_done_to_its_end_whatever_is_clicked_meanwhile(api, client, monkeypatch):
    gives_way, start_of = [], client.annotator.objects.start_of
    monkeypatch.setattr(
        client.annotator.objects, "start_of", lambda photo_id: (gives_way.append(current()), start_of(photo_id))[1]
    )
    assert over(api, begun(api))["objects"] > 0
    assert set(gives_way) == {None}


@pytest.mark.slow
def test_a_job_that_the_end_of_the_server_stopped_says_so_and_goes_on(tmp_path):
    root = make_folder(tmp_path / "photos", [f"{n}.png" for n in range(6)])
    with client_of(root) as client:
        api = Api(client)
        kept = client.annotator.gallery.picture
        client.annotator.gallery.picture = lambda photo_id, *more: (time.sleep(0.2), kept(photo_id, *more))[1]
        job = begun(api)
        while api("GET", f"/preannotations/{job['id']}")["done"] < 1:
            time.sleep(0.02)
    with client_of(root) as client:
        api = Api(client)
        (stopped,) = api("GET", "/preannotations")
        assert (stopped["id"], stopped["state"]) == (job["id"], "stopped")
        assert 1 <= stopped["done"] < 6
        api("POST", f"/preannotations/{job['id']}/resume", status=202)
        ended = over(api, job)
        assert (ended["done"], ended["objects"]) == (6, sum(len(objects(api, n)) for n in range(1, 7)))
        assert len({len(objects(api, n)) for n in range(1, 7)}) == 1


def test_what_makes_no_sense_is_refused_and_accepted_photos_are_left_alone(api):
    photo_id = ids(api)["a.png"]
    job = {"id": str(uuid.uuid4())}
    assert "class" in api("POST", "/preannotations", {**job, "class_id": 99}, 400)["detail"]
    assert "o photo has the id" in api("POST", "/preannotations", {**job, "photos": [999]}, 400)["detail"]
    assert "o model is named" in api("POST", "/preannotations", {**job, "model": "/etc/passwd"}, 404)["detail"]
    assert "choose others" in api("POST", "/preannotations", {**job, "where": "nothingisso"}, 400)["detail"]
    api("POST", "/preannotations", {**job, "points": 0}, 422)
    api("POST", "/preannotations", {"id": "no"}, 422)
    api("GET", f"/preannotations/{uuid.uuid4()}", status=404)
    assert api("GET", "/preannotations") == []
    api("PATCH", f"/photos/{photo_id}", {"state": "accepted"})
    ended = over(api, begun(api, photos=[photo_id]))
    assert "accepted" in ended["problems"][0]["problem"]
    assert objects(api, photo_id) == []


def test_another_model_can_be_asked(tmp_path):
    from starlette.testclient import TestClient

    from fewclicks.annotator.server.app import application

    root = tmp_path / "photos"
    root.mkdir()
    PIL.Image.fromarray(photo()).save(root / "a.png")

    others = {"mine": lambda: (grow.build(), "mine")}
    annotator = annotator_of(root, Model(load=lambda: (None, ""), name="none", others=others))
    with TestClient(application(annotator), base_url="http://127.0.0.1:8000") as client:
        api = Api(client)
        assert api("GET", "/preannotations/models") == ["mine"]
        assert over(api, begun(api, model="mine"))["objects"] >= 1
