"""Imports: nothing is doubled, everything is accounted for, and a whole import can be taken back."""

import json
import zipfile

import numpy as np
import pytest

from annotating import Api, client_of, make_folder, png, truth
from commands import runner
from fewclicks.annotator.services.exporting import StoredFolder
from fewclicks.annotator.services.importing import ImportOptions, take_in
from fewclicks.annotator.store.database import PLACE
from fewclicks.annotator.store.objects import Store
from fewclicks.annotator.store.records import Edit
from fewclicks.errors import InputError, UnknownName
from fewclicks.formats.annotations import AnnotatedPhoto, Annotation

HW = (24, 32)


def mask(*box):
    made = np.zeros(HW, np.bool_)
    made[box[1] : box[3], box[0] : box[2]] = True
    return made


MASKS = [mask(1, 1, 9, 9), mask(10, 1, 20, 9), mask(1, 10, 9, 20)]


class Source(list):
    """An AnnotatedFolder."""

    labels = ()


def source(*objects, file="a.png"):
    return Source([AnnotatedPhoto(file, HW, [Annotation(mask=m, label=label) for m, label in objects])])


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path) as made:
        yield made


def labels(store):
    return [o.label for photo in StoredFolder(store) for o in photo.objects]


def said(taken):
    return (taken.objects, taken.identical, taken.known, taken.replaced, taken.left_out)


def test_identical_objects_are_skipped_and_counted(store):
    both = source((MASKS[0], "cat"), (MASKS[1], "dog"))
    assert said(take_in(store, both)) == (2, 0, 0, 0, 0)
    again = take_in(store, both)
    assert said(again) == (0, 2, 0, 0, 0)
    assert again.notes == ("2 objects identical to what is there: skipped (mode add takes them in again)",)
    assert said(take_in(store, source((MASKS[0], "cow"), (MASKS[1], "dog")))) == (1, 1, 0, 0, 0), "of another class"
    assert labels(store) == ["cat", "dog", "cow"]


@pytest.mark.slow
def test_what_was_drawn_here_is_recognized_too(store, tmp_path):
    root = make_folder(tmp_path / "photos")
    with client_of(root) as client:
        api = Api(client)
        api.act(api.new()["id"], "mask", png=png(truth()))
        data = api("POST", "/export", {"format": "labelme"}).content
        for mode, new in (("skip", 0), ("add", 1), ("skip", 0)):
            taken = api("POST", f"/import?name=own.zip&mode={mode}", content=data)
            assert taken["objects"] == new
        assert taken["identical"] == 1
        assert "identical" in taken["notes"][0]


def test_two_identical_objects_of_a_source_are_two(store):
    twice = source((MASKS[0], "cat"), (MASKS[0], "cat"))
    assert said(take_in(store, twice)) == (2, 0, 0, 0, 0)
    assert said(take_in(store, twice)) == (0, 2, 0, 0, 0)


def test_adding_and_replacing(store):
    take_in(store, source((MASKS[0], "cat"), (MASKS[1], "dog")))
    assert said(take_in(store, source((MASKS[0], "cat")), options=ImportOptions(mode="add"))) == (1, 0, 0, 0, 0)
    assert labels(store) == ["cat", "dog", "cat"]
    options = ImportOptions(mode="replace")
    taken = take_in(store, source((MASKS[2], "cow"), (MASKS[0], "cat")), options=options)
    assert said(taken) == (2, 0, 0, 3, 0)
    assert labels(store) == ["cow", "cat"]
    assert "3 objects made room" in taken.notes[0]
    take_in(store, source((MASKS[2], "cow"), (MASKS[0], "cat")), options=options)
    assert labels(store) == ["cow", "cat"], "sent twice, done once"
    assert store.undo_import(taken.id) == 5
    assert labels(store) == ["cat", "dog", "cat"]
    assert store.undo_import(taken.id) == 0
    assert store.undo_import(taken.id, redo=True) == 5
    assert labels(store) == ["cow", "cat"]
    with pytest.raises(InputError, match="skip, add, replace"):
        ImportOptions(mode="odd")


def test_imports_are_taken_back_one_after_the_other(store):
    """What an undone import had replaced is gone with the import that brought it, and does not come again."""
    first = take_in(store, source((MASKS[0], "cat")))
    second = take_in(store, source((MASKS[0], "cat")), options=ImportOptions(mode="add"))
    third = take_in(store, source((MASKS[1], "dog")), options=ImportOptions(mode="replace"))
    for taken, rest in ((third, ["cat", "cat"]), (second, ["cat"]), (first, [])):
        assert store.last_import() == taken.id
        store.undo_import(taken.id)
        assert labels(store) == rest
    assert store.last_import() is None
    assert store.undo_import(third.id) == 0
    assert labels(store) == []


def test_an_import_is_taken_back_as_a_whole_and_can_come_again(store):
    photos = Source(source((MASKS[0], "cat")) + source((MASKS[1], "dog"), file="b.png"))
    first = take_in(store, source((MASKS[2], "cow")))
    taken = take_in(store, photos)
    assert store.last_import() == taken.id
    assert store.undo_import(taken.id) == 2
    assert labels(store) == ["cow"]
    assert store.photo_named("b.png").state == "untouched"
    assert store.last_import() == first.id
    assert said(take_in(store, photos)) == (2, 0, 0, 0, 0), "what undo took back is no longer known"
    assert labels(store) == ["cow", "cat", "dog"]
    with pytest.raises(UnknownName, match="no import"):
        store.undo_import("6f3d1f0e-5a53-4b7e-9a44-0c8f6d1f9b52")


def test_what_was_deleted_by_hand_stays_deleted_and_is_counted(store):
    take_in(store, source((MASKS[0], "cat"), (MASKS[1], "dog")))
    gone = store.objects(store.photo_named("a.png").id)[0]
    store.change(gone.id, Edit(deleted=True))
    taken = take_in(store, source((MASKS[0], "cat"), (MASKS[1], "dog")))
    assert said(taken) == (0, 1, 1, 0, 0)
    assert any("1 object taken in before and changed or deleted since" in note for note in taken.notes)
    assert said(take_in(store, source((MASKS[0], "cat")), options=ImportOptions(mode="add"))) == (1, 0, 0, 0, 0)


def test_objects_without_pixels_and_sources_without_objects_are_told_of(store):
    taken = take_in(store, source((np.zeros(HW, np.bool_), "cat"), (MASKS[0], "cat")))
    assert (said(taken), taken.notes) == ((1, 0, 0, 0, 1), ("a.png: 1 object without pixels: left out",))
    assert take_in(store, source()).notes == ("the source has no objects on the photos of this folder",)


@pytest.mark.parametrize(
    ("label", "name"),
    [
        (" cat ", "cat"),
        ("a\nb\0", "a b"),
        ("", "object"),
        ("x" * 300, "x" * 200),
        ("👩‍🚒 fire", "👩‍🚒 fire"),
        ("می‌خواهم", "می‌خواهم"),
        ("#1: 'a' \"b\"", "#1: 'a' \"b\""),
        ("a\u00a0b", "a\u00a0b"),
    ],
)
def test_names_of_classes_are_kept_or_changed_with_a_note(store, label, name):
    taken = take_in(store, source((MASKS[0], label)))
    assert labels(store) == [name]
    assert bool(taken.notes) == (label != name)
    assert said(take_in(store, source((MASKS[0], label)))) == (0, 1, 0, 0, 0)


def test_long_names_stay_apart(store):
    take_in(store, source((MASKS[0], "x" * 300), (MASKS[1], "x" * 299 + "y")))
    names = labels(store)
    assert len(set(names)) == 2
    assert max(map(len, names)) <= 200


def test_many_notes_of_a_kind_are_told_in_short_and_counted(store):
    photos = [AnnotatedPhoto(f"{n}.png", HW, notes=(f"{n} objects left out",), left_out=n) for n in range(300)]
    taken = take_in(store, Source(photos))
    assert taken.left_out == sum(range(300))
    assert taken.notes == (
        "0.png: 0 objects left out", "1.png: 1 objects left out", "2.png: 2 objects left out",
        f"and 297 more notes like these, on which {sum(range(3, 300)):,} annotations are left out",
    )  # fmt: skip


@pytest.fixture
def beside(tmp_path, monkeypatch):
    """A folder of photos that nothing was annotated in, with two COCO files beside it: one good, one damaged."""
    monkeypatch.chdir(tmp_path)
    root = make_folder(tmp_path / "photos")
    square = [10, 10, 20, 10, 20, 15, 10, 15]
    rows = [{"id": n, "image_id": 1, "category_id": 1, "segmentation": [square[n % 2 :]]} for n in (0, 1)]
    images = [{"id": 1, "file_name": "a.png"}]
    content = {"images": images, "annotations": rows, "categories": [{"id": 1, "name": "cat"}]}
    (root / "coco.json").write_text(json.dumps(content))
    (root / "broken.json").write_text(json.dumps(content)[:-30])
    return root


def test_a_dry_run_tells_all_and_changes_nothing(beside, capsys):
    fewclicks = runner(capsys)
    before = sorted(beside.rglob("*"))
    code, out, _ = fewclicks("import", "photos", "photos/coco.json", "--dry-run")
    assert code == 0
    assert out.startswith(
        "a.png: 1 object (cat 1), 1 left out\n1 new object on 1 photo would come in\n  a.png: annotation 1"
    )
    code, out, _ = fewclicks("import", "photos", "--dry-run", "--json")
    told = json.loads(out)
    assert (told["dry_run"], told["objects"], told["per_photo"][0]["classes"]) == (True, 1, {"cat": 1})
    assert any("broken.json" in note for note in told["notes"])
    assert sorted(beside.rglob("*")) == before, "not even an empty database is made"
    fewclicks("import", "photos")
    with Store(beside) as store:
        version = store.pulse()
    assert json.loads(fewclicks("import", "photos", "--dry-run", "--json")[1])["identical"] == 1
    with Store(beside) as store:
        assert store.pulse() == version


def test_files_in_a_zip_are_named_as_there(beside, capsys):
    fewclicks = runner(capsys)
    with zipfile.ZipFile("all.zip", "w") as archive:
        for name in ("a", "b"):
            archive.writestr(f"top/{name}.json", '{"shapes": [], "imagePath": ' + ('"a.png"}' if name == "a" else ""))
            archive.writestr(f"__MACOSX/top/._{name}.json", b"\0\5\26\7")
    notes = json.loads(fewclicks("import", "photos", "all.zip", "--json")[1])["notes"]
    assert "top/b.json' is damaged" in notes[0]
    with zipfile.ZipFile("none.zip", "w") as archive:
        archive.writestr("x.csv", "")
    code, _, err = fewclicks("import", "photos", "none.zip")
    assert code == 2
    assert "'none.zip' holds no annotations of these photos in a known format" in err
    assert "it has 1 file with .csv" in err


def test_the_command_takes_the_last_import_back(beside, capsys):
    fewclicks = runner(capsys)
    code, _, err = fewclicks("import", "photos", "--undo")
    assert (code, (beside / PLACE).exists()) == (2, False)
    assert "nothing was annotated" in err
    told = json.loads(fewclicks("import", "photos", "--json")[1])
    assert fewclicks("import", "photos", "--undo")[:2] == (0, f"1 object of the import taken back; --id {told['id']}\n")
    code, _, err = fewclicks("import", "photos", "--undo")
    assert code == 2
    assert "no import into 'photos' can be undone" in err
    assert fewclicks("import", "photos", "--mode", "odd")[0] == 2
    assert fewclicks("import", "photos", "--id", "odd")[0] == 2


@pytest.mark.slow
def test_the_api_takes_an_import_back(tmp_path):
    root = make_folder(tmp_path / "photos")
    content = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "annotations": [{"id": 1, "image_id": 1, "segmentation": [[10, 10, 20, 10, 20, 15]]}],
    }
    with client_of(root) as client:
        api = Api(client)
        upload = json.dumps(content)
        told = api("POST", "/import?name=c.json&dry_run=true", content=upload)
        assert (told["objects"], told["per_photo"][0]["file"]) == (1, "a.png")
        assert api("GET", "/photos/1")["objects"] == []
        told = api("POST", "/import?name=c.json", content=upload)
        assert len(api("GET", "/photos/1")["objects"]) == 1
        assert api("POST", f"/imports/{told['id']}/undo") == {"objects": 1}
        assert api("GET", "/photos/1")["objects"] == []
        assert api("POST", f"/imports/{told['id']}/redo") == {"objects": 1}
        assert len(api("GET", "/photos/1")["objects"]) == 1
        api("POST", "/imports/6f3d1f0e-5a53-4b7e-9a44-0c8f6d1f9b52/undo", status=404)
        api("POST", "/imports/odd/undo", status=422)
        api("POST", "/import?name=c.json&mode=odd", status=422, content=upload)
