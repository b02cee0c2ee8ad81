"""Boxes, strokes, choices and local corrections in the annotator; hidden, locked, merged and split objects."""

import base64
import io
import uuid

import numpy as np
import PIL.Image
import pytest

from annotating import Api, client_of, make_folder, patched, photo, png, truth, unpng
from commands import runner
from fakes import Discs, gradient
from fewclicks.annotator.editing import windows
from fewclicks.annotator.editing.actions import KINDS, Boxed, Chosen, Clicked, Scribbled, from_json, to_json
from fewclicks.annotator.editing.history import History, replay
from fewclicks.annotator.editing.mask_codec import EncodedMask
from fewclicks.annotator.editing.windows import first_state
from fewclicks.errors import InputError
from fewclicks.refinement import Anchor


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with client_of(make_folder(tmp_path_factory.mktemp("prompting") / "photos")) as client:
        yield client


@pytest.fixture
def api(client):
    return Api(client)


def iou(one, other):
    return (one & other).sum() / (one | other).sum()


@pytest.mark.parametrize(
    "action",
    [Boxed(1, 2, 30.5, 40, 2, True), Scribbled(((1, 2), (3, 4.5)), False, 1, False, True), Scribbled(((1, 2),)),
     Chosen(2, 1), Clicked(3, 4, False, local=True), Clicked(3, 4)],
)  # fmt: skip
def test_the_journal_keeps_every_prompt(action):
    assert from_json(action.kind, to_json(action)) == action
    assert len(action.kind) <= 9
    assert KINDS[action.kind] is type(action)


def test_a_journal_before_local_corrections_is_read_as_it_was():
    assert to_json(Clicked(1, 2)) == {"x": 1, "y": 2, "positive": True, "cfr": 0, "adaptive": False}
    assert from_json("click", {"x": 1, "y": 2}) == Clicked(1, 2, local=False)


@pytest.mark.parametrize("size", [(60, 80), (410, 400)])
def test_every_prompt_is_undone_exactly_and_replayed(size, monkeypatch):
    """Also on a photo that is worked on in windows: the second, by sizes that are a tenth of the real ones."""
    for name in ("COARSE_SIDE_PX", "LEAST_PX"):
        monkeypatch.setattr(windows, name, getattr(windows, name) // 10)
    monkeypatch.setattr(windows, "LARGE_PX", windows.LARGE_PX // 100)
    assert windows.is_large(size) is (size[0] > 400)
    predictor = Anchor(Discs(12, 0))
    start = first_state(predictor, gradient(*size))
    history, masks, k = History(predictor, start), [], size[0] / 60
    actions = [
        Clicked(20 * k, 20 * k),
        Chosen(0),
        Scribbled(((30 * k, 30 * k), (50 * k, 30 * k)), cfr=1),
        Boxed(10 * k, 10 * k, 40 * k, 50 * k, cfr=1),
        Clicked(25 * k, 30 * k, False, local=None),
        Scribbled(((15 * k, 40 * k), (20 * k, 45 * k)), local=True),
    ]
    for action in actions:
        history.commit(history.after(action))
        masks.append(history.mask)
    assert len({mask.data for mask in masks}) >= 4
    assert len(history.passes) == 1
    for n in range(len(actions) - 1, 0, -1):
        history.undo()
        assert history.mask == masks[n - 1]
    assert list(map(EncodedMask.pack, replay(predictor, start, history.entries))) == masks[:1]
    for _ in actions[1:]:
        history.redo()
    kept = History(predictor, start, history.entries, keep_bytes=0)
    assert [EncodedMask.pack(mask) for mask in replay(predictor, start, kept.entries)] == masks
    assert kept.prob.shape == size


def test_a_box_is_begun_corrected_undone_and_in_the_journal(api):
    made = api.new()["id"]
    change = api.act(made, "box", x0=25, y0=15, x1=95, y1=65)
    mask = patched(np.zeros((80, 120), bool), change["patch"])
    assert iou(mask, truth()) > 0.9
    assert change["object"]["clicks"] == []
    assert change["object"]["undo_kind"] == "box"
    assert change["passes"]
    corrected = api.click(made, 60, 40, positive=False)
    assert not patched(mask, corrected["patch"])[40, 60]
    api.step(made, "undo")
    assert np.array_equal(api.mask(made), mask)
    api.step(made, "undo")
    assert not api.mask(made).any()
    api.step(made, "redo")
    assert np.array_equal(api.mask(made), mask)
    kinds = [line["kind"] for line in api("GET", f"/objects/{made}/journal")["items"]]
    assert kinds == ["box", "click", "undo", "undo", "redo"]


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("box", {"x0": 500, "y0": 500, "x1": 600, "y1": 600}),
        ("box", {"x0": 10, "y0": 10, "x1": 10, "y1": 20}),
        ("scribble", {"points": [[500, 500]]}),
        ("choose", {"number": 0}),
    ],
)
def test_prompts_beside_the_photo_or_out_of_turn_are_refused(api, kind, fields):
    made = api.new()["id"]
    assert api.act(made, kind, 400, **fields)["detail"]
    assert api("GET", f"/objects/{made}")["can_undo"] is False


def test_a_stroke_is_one_action_of_several_clicks(api):
    made = api.new()["id"]
    change = api.act(made, "scribble", points=[[40, 30], [80, 50]])
    assert len(change["object"]["clicks"]) > 1
    assert iou(api.mask(made), truth()) > 0.9
    api.act(made, "scribble", points=[[5, 5], [5, 75]], positive=False, cfr=1)
    api.step(made, "undo")
    api.step(made, "undo")
    assert not api.mask(made).any()


def blobs():
    mask = truth()
    mask[65:75, 5:20] = True
    return mask


def test_corrections_of_an_imported_mask_are_local_unless_they_say_otherwise(api):
    given = blobs()
    for local, stays in ((None, True), (True, True), (False, False)):
        made = api.new()["id"]
        api.act(made, "mask", png=png(given))
        api.click(made, 60, 40, positive=False, local=local)
        assert not api.mask(made)[40, 60]
        assert np.array_equal(api.mask(made)[65:75, 5:20], given[65:75, 5:20]) is stays


def test_what_a_click_can_mean_is_told_and_chosen(api):
    made = api.new()["id"]
    assert api("GET", f"/objects/{made}/candidates")["items"] == []
    first = api.click(made, 60, 40)
    found = api("GET", f"/objects/{made}/candidates")["items"]
    assert 1 <= len(found) <= 3
    blank = np.zeros((80, 120), bool)
    assert np.array_equal(patched(blank, found[0]["patch"]), patched(blank, first["patch"]))
    for number, one in enumerate(found):
        api.act(made, "choose", number=number)
        assert np.array_equal(api.mask(made), patched(blank, one["patch"]))
    assert api.act(made, "choose", 400 if len(found) < 3 else 422, number=len(found))["detail"]
    assert api("GET", f"/objects/{made}/candidates")["items"] == found
    api.click(made, 5, 5, positive=False)
    assert api("GET", f"/objects/{made}/candidates")["items"] == []


def test_predict_takes_boxes_and_strokes(api):
    file = io.BytesIO()
    PIL.Image.fromarray(photo()).save(file, "PNG")
    image = base64.b64encode(file.getvalue()).decode()
    for said in ({"box": [25, 15, 95, 65]}, {"scribbles": [{"points": [[40, 30], [80, 50]]}]}):
        found = api("POST", "/predict", {"image": image, **said})
        assert iou(unpng(base64.b64decode(found["mask"])), truth()) > 0.9
    api("POST", "/predict", {"image": image}, 400)
    api("POST", "/predict", {"image": image, "box": [1, 2, 3]}, 422)


def test_hidden_and_locked_are_kept_and_a_locked_one_stays_as_it_is(api):
    made = api.new()["id"]
    api.click(made, 60, 40)
    mask = api.mask(made)
    told = api("PATCH", f"/objects/{made}", {"hidden": True, "locked": True})
    assert (told["hidden"], told["locked"]) == (True, True)
    for refused in (
        api.act(made, "click", 400, x=5, y=5),
        api.step(made, "undo", 400),
        api("PATCH", f"/objects/{made}", {"deleted": True}, 400),
        api("PATCH", f"/objects/{made}", {"name": "cup"}, 400),
        api("POST", f"/objects/{made}/split", {"action_id": str(uuid.uuid4())}, 400),
    ):
        assert "unlock" in refused["detail"]
    assert np.array_equal(api.mask(made), mask)
    assert api("PATCH", f"/objects/{made}", {"z": 7})["z"] == 7, "others may move past it"
    assert api("PATCH", f"/objects/{made}", {"locked": False})["hidden"] is True
    api("PATCH", f"/objects/{made}", {"hidden": False})
    changes = [line["change"] for line in api("GET", f"/objects/{made}/journal")["items"] if line["change"]]
    assert changes[0]["after"] == {"hidden": True, "locked": True}
    api.step(made, "undo")


def test_objects_are_merged_and_split_and_taken_back(api):
    def placed(y, x):
        made, mask = api.new(2)["id"], np.zeros((80, 120), bool)
        mask[y : y + 10, x : x + 20] = True
        api.act(made, "mask", png=png(mask))
        return made, mask

    (one, first), (two, second), (three, third) = placed(5, 5), placed(30, 60), placed(60, 90)
    action = {"action_id": str(uuid.uuid4()), "others": [two, three]}
    merged = api("POST", f"/objects/{one}/merge", action)
    assert all(other["deleted"] for other in merged["others"])
    assert np.array_equal(api.mask(one), first | second | third)
    again = api("POST", f"/objects/{one}/merge", action)  # sent twice is done once
    assert again["object"]["version"] == merged["object"]["version"]
    step = {"action_id": str(uuid.uuid4())}
    done = api("POST", f"/objects/{one}/split", step)
    assert len(done["others"]) == 2
    parts = [api.mask(one), *(api.mask(other["id"]) for other in done["others"])]
    assert [np.packbits(part).tobytes() for part in parts] == [np.packbits(x).tobytes() for x in (first, second, third)]
    assert api("POST", f"/objects/{one}/split", step)["object"]["version"] == done["object"]["version"]
    assert "one piece" in api("POST", f"/objects/{one}/split", {"action_id": str(uuid.uuid4())}, 400)["detail"]
    api.step(one, "undo")
    api.step(one, "undo")
    assert np.array_equal(api.mask(one), first)
    assert np.array_equal(api.mask(two), second)


def test_undo_and_redo_of_a_merge_or_a_split_are_for_the_others_too(api):
    def placed(x):
        made, mask = api.new(2)["id"], np.zeros((80, 120), bool)
        mask[5:15, x : x + 10] = True
        api.act(made, "mask", png=png(mask))
        return made

    def there():
        return {found["id"]: found["area_px"] for found in api("GET", "/photos/2")["objects"]}

    def step(way, status=200):
        return api("POST", f"/objects/{one}/{way}", {"action_id": str(uuid.uuid4())}, status)

    before = there()
    one, two = placed(5), placed(60)
    apart = {**before, one: 100, two: 100}
    api("POST", f"/objects/{one}/merge", {"action_id": str(uuid.uuid4()), "others": [two, two]})
    assert there() == {**before, one: 200}
    assert [(other["id"], other["deleted"]) for other in step("undo")["others"]] == [(two, False)]
    assert there() == apart
    assert step("redo")["others"][0]["deleted"]
    assert there() == {**before, one: 200}
    (part,) = api("POST", f"/objects/{one}/split", {"action_id": str(uuid.uuid4())})["others"]
    assert there() == {**before, one: 100, part["id"]: 100}
    # A part that is locked stays, and so does the split.
    api("PATCH", f"/objects/{part['id']}", {"locked": True})
    assert "locked" in step("undo", 400)["detail"]
    assert there() == {**before, one: 100, part["id"]: 100}
    api("PATCH", f"/objects/{part['id']}", {"locked": False})
    step("undo")
    assert there() == {**before, one: 200}
    step("redo")
    assert there() == {**before, one: 100, part["id"]: 100}
    step("undo")
    step("undo")
    assert there() == apart
    api("PATCH", f"/objects/{two}", {"deleted": True})
    for wrong, status in (([one], 400), ([str(uuid.uuid4())], 404), ([two], 400)):
        api("POST", f"/objects/{one}/merge", {"action_id": str(uuid.uuid4()), "others": wrong}, status)


def test_all_that_was_done_here_passes_the_check(tmp_path, capsys):
    root = make_folder(tmp_path / "photos")
    with client_of(root) as client:
        api = Api(client)
        made = api.new()["id"]
        api.click(made, 60, 40)
        api.act(made, "choose", number=0)
        api.act(made, "scribble", points=[[40, 30], [80, 50]], cfr=2)
        api.act(made, "box", x0=25, y0=15, x1=95, y1=65)
        api.act(made, "mask", png=png(blobs()))
        api.click(made, 105, 40)
        api.step(made, "undo")
        api("POST", f"/objects/{made}/split", {"action_id": str(uuid.uuid4())})
        api("PATCH", f"/objects/{made}", {"hidden": True, "locked": True})
    for more in ([], ["--replay-model"]):
        code, out, err = runner(capsys)("check", root, *more)
        assert code == 0, out + err


def test_a_kind_that_there_is_not_names_those_that_there_are():
    with pytest.raises(InputError, match="click, scribble, box, fit, choose"):
        from_json("dance", {})
