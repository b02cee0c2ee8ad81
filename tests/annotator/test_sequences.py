"""From photo to photo: objects pasted and followed; which masks need a look."""

import uuid

import numpy as np
import PIL.Image
import pytest

from annotating import Api, client_of, photo, png, truth
from fakes import Discs
from fewclicks.annotator.services.editing import Editing
from fewclicks.errors import FewClicksError
from fewclicks.refinement import CFR, ClickConsistency

SHIFT = 7


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """Two frames of a box that moves, a larger copy of the first, and a photo of nothing."""
    root = tmp_path_factory.mktemp("sequence")
    frame = photo()
    for name, pixels in (
        ("1.png", frame),
        ("2.png", np.roll(frame, SHIFT, axis=1)),
        ("3.png", np.kron(frame, np.ones((2, 2, 1), np.uint8))),
        ("4.png", np.random.default_rng(0).integers(0, 255, frame.shape).astype(np.uint8)),
    ):
        PIL.Image.fromarray(pixels).save(root / name)
    with client_of(root) as client:
        yield client


@pytest.fixture
def api(client):
    return Api(client)


def placed(api, mask, photo_id=1, name=""):
    made = str(uuid.uuid4())
    api("PUT", f"/objects/{made}", {"photo_id": photo_id, "class_id": 1, "name": name})
    api.act(made, "mask", png=png(mask))
    return made


def copied(api, photo_id, *objects, **more):
    body = {"action_id": str(uuid.uuid4()), "objects": list(objects), **more}
    return api("POST", f"/photos/{photo_id}/copies", body)["items"], body


def gone(api, *objects):
    for one in objects:
        api("PATCH", f"/objects/{one}", {"deleted": True})


def kinds(api, made):
    return [line["kind"] for line in api("GET", f"/objects/{made}/journal")["items"]]


def test_an_object_is_pasted_on_another_photo_and_on_a_larger_one(api):
    made = placed(api, truth(), name="box")
    (one,), body = copied(api, 2, made)
    assert (one["problem"], one["agreement"], one["object"]["name"]) == ("", None, "box")
    assert np.array_equal(api.mask(one["object"]["id"]), truth())
    # Sent again it is not done again.
    assert api("POST", "/photos/2/copies", body)["items"][0]["object"]["id"] == one["object"]["id"]
    # On the same photo it is a copy; on another it is not put on top of itself.
    (twin,), _ = copied(api, 1, made)
    assert twin["object"]["photo_id"] == 1
    (refused,), _ = copied(api, 2, made)
    assert (refused["object"], refused["problem"]) == (None, "an object of its class is there already")
    (large,), _ = copied(api, 3, made)
    assert np.array_equal(api.mask(large["object"]["id"]), np.kron(truth(), np.ones((2, 2), bool)))
    gone(api, made, *(item["object"]["id"] for item in (one, twin, large)))


def test_an_object_is_followed_to_the_next_photo_fitted_and_undone_step_by_step(api):
    made = placed(api, truth())
    (one,), body = copied(api, 2, made, follow=True)
    found = one["object"]["id"]
    assert one["agreement"] > 0.8
    assert one["problem"] == ""
    there = np.roll(truth(), SHIFT, axis=1)
    mask = api.mask(found)
    assert (mask & there).sum() / (mask | there).sum() > 0.9
    assert kinds(api, found) == ["mask", "fit"]
    assert api("POST", "/photos/2/copies", body)["items"][0]["object"]["version"] == one["object"]["version"]
    moved = api.step(found, "undo")
    assert moved["object"]["undo_kind"] == "mask"
    assert api.step(found, "redo")["object"]["area_px"] == mask.sum()
    gone(api, made, found)


def test_what_cannot_be_followed_is_said_and_costs_the_others_nothing(api):
    made, empty = placed(api, truth()), api.new()["id"]
    items, _ = copied(api, 2, empty, made, follow=True)
    assert [item["problem"] for item in items] == ["it has no mask", ""]
    (lost,), _ = copied(api, 4, made, follow=True)
    assert lost["agreement"] < 0.6
    assert "look at it" in lost["problem"]
    (here,), body = copied(api, 1, made, follow=True)
    assert "on this photo already" in here["problem"]
    api("POST", "/photos/99/copies", body, 404)
    api("POST", "/photos/2/copies", {**body, "objects": []}, 422)
    assert "no UUID" in api("POST", "/photos/2/copies", {**body, "action_id": "a" * 33}, 422)["detail"]
    gone(api, made, empty, items[1]["object"]["id"], lost["object"]["id"])


def test_what_is_unknown_or_deleted_is_left_out_and_the_others_are_put_there(api):
    good, deleted = placed(api, truth()), placed(api, np.eye(80, 120) > 0)
    gone(api, deleted)
    items, _ = copied(api, 2, good, str(uuid.uuid4()), deleted)
    assert items[0]["problem"] == ""
    assert [item["object"] for item in items[1:]] == [None, None]
    assert "no object has the id" in items[1]["problem"]
    assert items[2]["problem"] == "it is deleted"
    gone(api, good, items[0]["object"]["id"])


def test_copies_that_are_asked_for_again_give_the_same_answer_and_are_done_to_their_end(api, monkeypatch):
    made = placed(api, truth())
    (first,), body = copied(api, 4, made, follow=True)
    assert "look at it" in first["problem"]
    # Also when the object that they came from, or they themselves, have changed.
    gone(api, made)
    found = first["object"]["id"]
    api.step(found, "undo")
    (again,) = api("POST", "/photos/4/copies", body)["items"]
    assert (again["agreement"], again["problem"]) == (first["agreement"], first["problem"])
    assert kinds(api, found) == ["mask", "fit", "undo"]
    # An id is for one photo, and for one way.
    for photo_id, more in ((2, {}), (4, {"follow": False})):
        other = {**body, "objects": [placed(api, truth()), made], **more}
        assert "make a new id" in api("POST", f"/photos/{photo_id}/copies", other, 400)["detail"]
        assert api("GET", f"/photos/{photo_id}")["objects"] == ([again["object"]] if photo_id == 4 else [])
        gone(api, other["objects"][0])
    gone(api, found)
    # What was placed before the server ended is fitted when it is asked for again.
    api("PATCH", f"/objects/{made}", {"deleted": False})

    def ended(*_):
        raise FewClicksError("the server ends")

    with monkeypatch.context() as patch:
        patch.setattr(Editing, "act", ended)
        body = {"action_id": str(uuid.uuid4()), "objects": [made], "follow": True}
        api("POST", "/photos/2/copies", body, 400)
    (left,) = api("GET", "/photos/2")["objects"]
    assert kinds(api, left["id"]) == ["mask"]
    (whole,) = api("POST", "/photos/2/copies", body)["items"]
    assert kinds(api, left["id"]) == ["mask", "fit"]
    assert whole["agreement"] > 0.8
    gone(api, made, left["id"])


def test_masks_are_ordered_by_what_one_more_pass_would_change(tmp_path):
    PIL.Image.fromarray(photo()).save(tmp_path / "a.png")
    with client_of(tmp_path, ClickConsistency(CFR(Discs(), steps=1))) as client:
        api = Api(client)
        good, bad = api.new()["id"], placed(api, np.eye(80, 120) > 0)
        api.click(good, 60, 40)
        api.new()
        items = api("GET", "/photos/1/doubts")["items"]
        assert [item["object"] for item in items] == [bad, good]
        assert items[0]["share"] > items[1]["share"]
        assert items[0]["changed_px"] >= items[0]["places"][0]["changed_px"] > 0
        # Nothing was changed, and what is known is not looked at again.
        assert kinds(api, bad) == ["mask"]
        assert api("GET", "/photos/1/doubts")["items"] == items
        # One more pass, done, changes just that.
        assert api.act(bad, "fit", cfr=0)["passes"][0]["changed_px"] == items[0]["changed_px"]


def test_polygons_and_reshaped_outlines_by_the_api(api):
    made = api.new()["id"]
    square = [[10, 10], [29, 10], [29, 29], [10, 29]]
    assert api.act(made, "polygon", points=square)["object"]["area_px"] == pytest.approx(380, abs=30)
    wider = api.act(made, "reshape", before=square, after=[*square[:2], [49, 29], square[3]])["object"]["area_px"]
    assert wider > 500
    assert api.act(made, "polygon", points=square, erase=True)["object"]["area_px"] < wider - 300
    assert api.step(made, "undo")["object"]["area_px"] == wider
    assert "3" in str(api.act(made, "polygon", 422, points=square[:2]))
    assert "no mask to fit" in api.act(api.new()["id"], "fit", 400)["detail"]
    gone(api, made)
