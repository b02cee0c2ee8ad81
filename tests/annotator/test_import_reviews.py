"""What our exports say of photos comes back with an import: states, comments, tags, notes, who is to do them."""

import uuid

import numpy as np
import pytest

from annotating import make_folder
from fewclicks import formats
from fewclicks.annotator.services.exporting import StoredFolder
from fewclicks.annotator.services.importing import take_in
from fewclicks.annotator.store.comments import NewComment
from fewclicks.annotator.store.objects import Store
from fewclicks.annotator.store.photos import PhotoEdit
from fewclicks.formats.annotations import AnnotatedPhoto, Annotation
from fewclicks.formats.reviews import read_about

HW = (24, 32)
MASKS = np.zeros((2, *HW), bool)
MASKS[0, 1:9, 1:9] = MASKS[1, 1:9, 10:20] = True
PHOTOS = [AnnotatedPhoto(f"{name}.png", HW) for name in "abcd"]


class Source(list):
    """An AnnotatedFolder."""

    labels = ()


def source(*objects, file="a.png"):
    return Source([AnnotatedPhoto(file, HW, [Annotation(mask=mask, label=label) for mask, label in objects])])


def labels(store):
    return [one.label for photo in StoredFolder(store) for one in photo.objects]


def reviewed(place):
    """A store in which every state is, and everything that can be said."""
    place.mkdir()
    store = Store(place)
    for photo in PHOTOS:
        take_in(store, source((MASKS[0], "cat"), (MASKS[1], "dog"), file=photo.file))
    ids = {name: store.photo_named(f"{name}.png").id for name in "abcd"}
    for name, state in (("a", "accepted"), ("b", "returned"), ("c", "done")):
        store.change_photo(ids[name], state)
    dog = store.objects(ids["b"])[1].id
    store.comments.write(
        str(uuid.uuid4()),
        NewComment(photo_id=ids["b"], text="The ear is missing.", x=12.0, y=3.0, object_id=dog),
        "Rob",
    )
    resolved = store.comments.write(str(uuid.uuid4()), NewComment(photo_id=ids["b"], text="Too dark?"), "Ann")
    store.comments.change(resolved.id, resolved=True, person="Rob")
    store.change_photo(ids["b"], edit=PhotoEdit(assignee="Ann", tags=["night", "rain"], note="look again"))
    return store


def told(store):
    return {photo.file: (photo.state, dict(photo.said)) for photo in StoredFolder(store)}


@pytest.mark.parametrize("name", ["coco", "labelme"])
def test_a_round_trip_loses_nothing_that_was_said(tmp_path, name):
    (tmp_path / "other").mkdir()
    with reviewed(tmp_path / "one") as store, Store(tmp_path / "other") as other:
        folder = StoredFolder(store)
        formats.export(name, list(folder), folder.labels, tmp_path / "out")
        found = formats.read(name, tmp_path / "out", PHOTOS)
        take_in(other, found)
        assert told(other) == told(store)
        (pinned,) = [one for one in other.comments.of_photo(other.photo_named("b.png").id) if one.x is not None]
        assert labels(other) == labels(store)
        assert other.object(pinned.object_id).photo_id == pinned.photo_id
        # Once more changes nothing, nor does it take back what people have said since.
        other.change_photo(other.photo_named("a.png").id, "returned")
        other.comments.change(pinned.id, resolved=True, person="Ann")
        before = told(other)
        assert not take_in(other, found).objects
        assert told(other) == before


def test_only_what_is_sound_is_read():
    assert read_about(None) == read_about([]) == read_about({"state": "odd", "tags": "x", "comments": {}}) == {}
    mixed = {"state": "done", "tags": ["a", 5, ""], "note": 3, "comments": [{"text": ""}, {"text": "y", "x": "1"}, 7]}
    said = {"text": "y", "person": "", "resolved": False}
    assert read_about(mixed) == {"state": "done", "tags": ["a"], "comments": [said]}


def test_what_does_not_fit_is_told_and_costs_nothing_else(tmp_path):
    about = {"tags": ["one, two"], "note": "kept", "comments": [{"text": "far", "x": 999, "y": 1}, {"text": "near"}]}
    with Store(tmp_path) as store:
        photos = source((MASKS[0], "cat"))
        said = read_about(about)
        photos[0] = AnnotatedPhoto("a.png", HW, photos[0].objects, "done", said=said)
        taken = take_in(store, photos)
        (photo,) = store.photos()
        assert (taken.objects, photo.note, photo.state) == (1, "kept", "done")
        assert [one.text for one in store.comments.of_photo(photo.id)] == ["near"]
        assert sum("left out" in note for note in taken.notes) == 2


def test_the_page_and_the_command_take_it_over_too(tmp_path):
    """Through the child that reads imports."""
    from fewclicks.annotator.services.import_reader import ImportReader

    make_folder(tmp_path / "photos", ["a.png"])
    with reviewed(tmp_path / "one") as store, ImportReader() as reader:
        folder = StoredFolder(store)
        formats.export("coco", list(folder), folder.labels, tmp_path / "out")
        found = reader.read(tmp_path / "out", PHOTOS, "coco")
        assert {photo.file: photo.about for photo in found} == {photo.file: photo.about for photo in folder}
