"""The database of annotations: nothing is lost, nothing is done twice, nobody overwrites anybody."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from contextlib import closing
from pathlib import Path

import killed
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from annotating import journal
from fakes import Discs, gradient
from fewclicks.annotator.editing.actions import Brushed, Cleaned, Clicked, Replaced, Thresholded
from fewclicks.annotator.editing.history import Entry, History, replay
from fewclicks.annotator.editing.mask_codec import EncodedMask
from fewclicks.annotator.services import editing as editing_module
from fewclicks.annotator.services.editing import Editing
from fewclicks.annotator.services.exporting import StoredFolder
from fewclicks.annotator.services.importing import take_in
from fewclicks.annotator.store import sqlite
from fewclicks.annotator.store.database import PLACE
from fewclicks.annotator.store.objects import Store
from fewclicks.annotator.store.records import Edit, ObjectInfo
from fewclicks.api import load
from fewclicks.errors import Conflict, InputError, MissingExtra, StoreError, UnknownName
from fewclicks.formats.annotations import AnnotatedPhoto, Annotation, Label

HW = killed.HW
PHOTO = gradient(*HW)
GROW = load("grow")
START = GROW.start(PHOTO)


def new_id():
    return str(uuid.uuid4())


def some_mask(seed=0):
    return EncodedMask.pack(np.random.default_rng(seed).random(HW) > 0.5)


def imported(seed=0):
    mask = some_mask(seed)
    return Entry(Replaced(mask), mask)


@pytest.fixture
def store(place):
    with Store(place) as store:
        yield store


@pytest.fixture
def thing(store):
    """An object without a mask."""
    return add_object(store).id


def add_object(store, photo="photo.png"):
    store.add_photos([photo])
    found = store.change_photo(store.photo_named(photo).id, hw=HW)
    class_id = store.classes()[0].id if store.classes() else store.add_class("thing").id
    return store.create(new_id(), found.id, class_id)


def editing_of(store, **options):
    return Editing(store, GROW, lambda photo_id: START, "grow", **options)


def test_classes(store):
    cat, dog = store.add_class("cat"), store.add_class("dog", "#00FF00", "9")
    assert (cat.key, dog.key, dog.colour) == ("1", "9", "#00ff00")
    assert cat.colour != store.add_class("bird").colour
    assert [found.name for found in store.classes()] == ["cat", "dog", "bird"]
    assert store.change_class(cat.id, name="kitten", key="").key is None
    assert store.change_class(dog.id, key="1").key == "1"
    store.remove_class(dog.id)
    assert [found.name for found in store.classes()] == ["kitten", "bird"]
    info = add_object(store)
    with pytest.raises(Conflict, match="the class 'kitten' has 1 object;"):
        store.remove_class(cat.id)
    store.change(info.id, Edit(deleted=True))
    with pytest.raises(Conflict, match="the class 'kitten' has deleted objects only"):
        store.remove_class(cat.id)


@pytest.mark.parametrize(
    ("options", "cure"),
    [
        ({"name": "cat"}, "already"),
        ({"name": " "}, "1 to 200"),
        ({"name": "two\nlines"}, "one line"),
        ({"name": "x" * 201}, "1 to 200"),
        ({"name": "x", "colour": "red"}, "#rrggbb"),
        ({"name": "x", "key": "a"}, "one digit"),
        ({"name": "x", "key": "1"}, "belongs to the class 'cat'"),
    ],
)
def test_classes_that_cannot_be(tmp_path, options, cure):
    with Store(tmp_path) as store:
        cat, dog = store.add_class("cat"), store.add_class("dog")
        with pytest.raises(InputError, match=cure):
            store.add_class(**options)
        with pytest.raises(InputError, match=cure):
            store.change_class(dog.id, **options)
        assert store.classes() == [cat, dog]


def test_photos_are_listed_as_people_count(store):
    store.add_photos(["b/10.jpg", "a.jpg", "b/9.jpg"])
    store.add_photos(["b/9.jpg", "c.jpg"])
    assert [photo.name for photo in store.photos()] == ["a.jpg", "b/9.jpg", "b/10.jpg", "c.jpg"]
    photo = store.photo_named("a.jpg")
    assert (photo.hw, photo.state, photo.objects) == (None, "untouched", 0)
    assert store.change_photo(photo.id, hw=HW).hw == HW
    assert store.photo(photo.id).version == photo.version + 1
    assert store.change_photo(photo.id, hw=HW).version == photo.version + 1
    assert store.change_photo(photo.id, hw=(9, 9)).hw == (9, 9), "without objects it may be another photo"
    store.create(new_id(), photo.id, store.add_class("thing").id)
    with pytest.raises(StoreError, match=r"'a.jpg' was 9x9 pixels and is 32x24 now"):
        store.change_photo(photo.id, hw=HW)


def counted(store):
    return {state: number for state, number in store.counts().items() if number}


def test_states_of_photos(store):
    store.add_photos(["other.png"])
    info = add_object(store)
    assert counted(store) == {"untouched": 1, "begun": 1}
    store.change(info.id, Edit(deleted=True))
    assert counted(store) == {"untouched": 2}
    store.change(info.id, Edit(deleted=False))
    assert store.photo(info.photo_id).state == "begun"
    assert store.change_photo(info.photo_id, state="done").state == "done"
    assert [photo.name for photo in store.photos("done")] == ["photo.png"]
    assert store.photos("begun") == []
    store.change(info.id, Edit(deleted=True))
    assert store.change_photo(info.photo_id, state="begun").state == "untouched"


def test_objects_are_made_once_and_lie_on_one_another(store):
    first, second = add_object(store), add_object(store)
    assert (first.z, second.z) == (0, 1)
    assert store.create(first.id.upper(), first.photo_id, first.class_id, "other") == first
    store.change(first.id, Edit(z=5))
    assert [info.id for info in store.objects(first.photo_id)] == [second.id, first.id]
    store.change(first.id, Edit(deleted=True))
    assert [info.id for info in store.objects(first.photo_id)] == [second.id]
    assert [info.id for info in store.objects(first.photo_id, deleted=True)] == [second.id, first.id]
    assert store.photo(first.photo_id).objects == 1
    store.add_photos(["other.png"])
    with pytest.raises(InputError, match="another photo"):
        store.create(first.id, store.photo_named("other.png").id, first.class_id)


def test_what_is_not_there_is_named(store, thing):
    class_id, photo_id = store.object(thing).class_id, store.object(thing).photo_id
    for call in (
        lambda: store.object(new_id()),
        lambda: store.mask(new_id()),
        lambda: store.history(new_id()),
        lambda: store.undo(new_id(), new_id()),
        lambda: store.act(new_id(), new_id(), imported(), 1),
        lambda: store.change(new_id(), Edit(name="x")),
        lambda: store.change(thing, Edit(class_id=99)),
        lambda: store.create(new_id(), photo_id, 99),
        lambda: store.create(new_id(), 99, class_id),
        lambda: store.photo(99),
        lambda: store.photo_named("gone.png"),
        lambda: store.change_photo(99, state="done"),
        lambda: store.change_class(99, name="x"),
        lambda: store.remove_class(99),
    ):
        with pytest.raises(UnknownName):
            call()
    with pytest.raises(InputError, match="UUID"):
        store.object("../../etc")
    with pytest.raises(InputError, match="UUID"):
        store.undo(thing, "1")
    wrong = EncodedMask.pack(np.ones((9, 9), np.bool_))
    with pytest.raises(InputError, match="32x24"):
        store.act(thing, new_id(), Entry(Replaced(wrong), wrong), 1)
    with pytest.raises(InputError, match="'open' or 'done'"):
        Edit(state="finished")
    with pytest.raises(InputError, match="200 letters"):
        store.change(thing, Edit(name="x" * 201))
    assert store.object(thing).version == 1
    assert journal(store, photo_id) == []


def test_actions_are_kept_with_their_masks(place, store, thing):
    editing = editing_of(store)
    done = [Clicked(10, 8, cfr=2), Brushed(((2.25, 3), (9, 9)), 1.5), Clicked(20.5, 12, False), Cleaned(9, 9)]
    changes = [editing.act(thing, new_id(), action) for action in [*done, Thresholded(0.3)]]
    assert [change.object.version for change in changes] == [2, 3, 4, 5, 6]
    with Store(place) as again:
        info, entries, count = again.history(thing)
        assert info == changes[-1].object
        assert count == 5
        assert [entry.action for entry in entries] == [*done, Thresholded(0.3)]
        assert info.threshold == 0.3
        assert info.clicks == entries[-1].clicks == editing.history(thing).clicks
        assert again.mask(thing) == entries[-1].mask == editing.history(thing).mask
        assert (info.box, info.area_px) == (entries[-1].mask.box, entries[-1].mask.area_px)
        assert again.masks(info.photo_id) == [(info, entries[-1].mask)]
        for mask, entry in zip(editing.replay(thing), entries, strict=True):
            assert np.array_equal(mask, entry.mask.mask())
        line = journal(again, info.photo_id)[0]
        assert (line.kind, line.predictor, line.version) == ("click", "grow", 2)
        assert line.at.utcoffset().total_seconds() == 0
    assert len(changes[0].changed_px) == 3
    assert changes[0].object.changed_px == changes[0].changed_px
    assert changes[1].object.changed_px == ()


def test_undo_and_redo_are_kept(place, store, thing):
    editing = editing_of(store)
    masks = [store.mask(thing)]
    for x in (5, 15, 25):
        editing.act(thing, new_id(), Clicked(x, 12))
        masks.append(store.mask(thing))
    assert editing.undo(thing, new_id()).object.redo_kind == "click"
    editing.undo(thing, new_id())
    with Store(place) as again:
        assert again.mask(thing) == masks[1]
        later = editing_of(again)
        assert later.redo(thing, new_id()).object.undo_kind == "click"
        assert again.mask(thing) == masks[2]
    assert store.mask(thing) == masks[2]
    change = editing.act(thing, new_id(), Brushed(((3, 3),), 2))
    assert change.object.redo_kind is None
    assert [entry.action.kind for entry in store.history(thing)[1]] == ["click", "click", "brush"]
    assert [line.kind for line in journal(store, change.object.photo_id)] == [
        *["click"] * 3, "undo", "undo", "redo", "brush",
    ]  # fmt: skip
    with store._db.reading() as session:
        kept = session.execute(text("SELECT number, mask FROM fewclicks_action WHERE kind = 'click' ORDER BY id")).all()
    assert [number for number, _ in kept] == [1, 2, None]
    assert kept[2].mask is None, "what cannot come back takes no place"
    for _ in range(5):
        last = editing.undo(thing, new_id()).object
    assert (last.undo_kind, last.box, last.area_px, last.clicks.items) == (None, None, 0, ())
    assert last.version == change.object.version + 3, "undo of nothing is no change"


def test_what_is_sent_twice_is_done_once(store, thing):
    editing, other = editing_of(store), add_object(store).id
    first = new_id()
    one = editing.act(thing, first, Clicked(10, 8))
    assert editing.act(thing, first, Clicked(10, 8), if_version=1).object == one.object
    assert store.act(thing, first, imported(), 1) == one.object
    second = new_id()
    undone = editing.undo(thing, second)
    assert editing.undo(thing, second, if_version=2).object == undone.object
    assert store.undo(thing, second) == undone.object
    third = new_id()
    editing.redo(thing, third)
    assert editing.redo(thing, third).object.version == 4
    editing.undo(thing, new_id())
    editing.act(thing, new_id(), Clicked(20, 8))  # the first click cannot be redone any more, but it was done
    assert editing.act(thing, first, Clicked(10, 8)).object.version == 6
    assert store.known(first).id == thing
    assert store.known(new_id()) is None
    for call in (store.undo, store.redo, editing.undo):
        with pytest.raises(InputError, match="another object"):
            call(other, first)
    with pytest.raises(InputError, match="another object"):
        editing.act(other, first, Clicked(3, 3))


def test_a_change_of_another_version_is_refused(store, thing):
    editing = editing_of(store)
    editing.act(thing, new_id(), Clicked(10, 8), if_version=1)
    now = store.change(thing, Edit(name="Tom"))
    for call in (
        lambda: editing.act(thing, new_id(), Clicked(20, 8), if_version=2),
        lambda: editing.undo(thing, new_id(), if_version=2),
        lambda: store.change(thing, Edit(name="Tim"), if_version=1),
        lambda: store.act(thing, new_id(), imported(), base=1),
        lambda: store.undo(thing, new_id(), base=1),
    ):
        with pytest.raises(Conflict) as caught:
            call()
        assert caught.value.current == now == store.object(thing)
    assert store.act(thing, new_id(), imported(), base=now.mask_version).name == "Tom"


def test_renaming_does_not_disturb_the_work_on_a_mask(store, thing):
    editing = editing_of(store)
    editing.act(thing, new_id(), Clicked(10, 8))
    history = editing.history(thing)
    info = store.change(thing, Edit(name="Tom", state="done", z=4))
    assert info.mask_version == info.version - 1
    assert editing.history(thing) is history
    assert editing.act(thing, new_id(), Clicked(20, 8), if_version=info.version).object.name == "Tom"
    line = journal(store, info.photo_id)[1]
    assert line.payload == {
        "before": {"name": "", "state": "open", "z": 0},
        "after": {"name": "Tom", "state": "done", "z": 4},
    }
    assert store.change(thing, Edit(name="Tom")).version == info.version + 1, "nothing changed"


def test_the_journal_names_who_did_what(store, thing):
    editing = editing_of(store)
    editing.act(thing, new_id(), Clicked(10, 8), person="Ann")
    assert editing.act(thing, new_id(), Clicked(20, 8), person="Bo").object.person == "Bo"
    assert editing.undo(thing, new_id(), person="Cy").object.person == "Ann", "she did the last action that is done"
    editing.redo(thing, new_id(), person="Di")
    assert store.change(thing, Edit(name="Tom"), person="Ed\0\n\ud800" + "x" * 300).person == "Bo"
    lines = store.lines(thing)
    names = [("click", "Ann"), ("click", "Bo"), ("undo", "Cy"), ("redo", "Di"), ("change", "Ed" + "x" * 198)]
    assert [(line.kind, line.person) for line in lines] == names
    assert lines == journal(store, store.object(thing).photo_id)
    assert store.lines(thing, lines[0].id, 2) == lines[1:3]
    masks = [Annotation(mask=some_mask().mask(), label="cat")]
    take_in(store, Folder([AnnotatedPhoto("b.png", HW, masks)]), person="Flo")
    (photo,) = [found for found in StoredFolder(store) if found.file == "b.png"]
    assert photo.objects[0].person == "Flo"


def test_patches_lead_from_mask_to_mask(store, thing):
    editing = editing_of(store)
    shown = np.zeros(HW, np.bool_)
    done = (Clicked(10, 8), Clicked(25, 20, cfr=1), Brushed(((3, 3),), 2), Clicked(10, 8, False))
    calls = [lambda action=action: editing.act(thing, new_id(), action) for action in done]
    for call in [*calls, *[lambda: editing.undo(thing, new_id())] * 3, lambda: editing.redo(thing, new_id())]:
        patch = call().patch
        if patch is not None:
            shown[patch.box.slices] = patch.crop()
        assert np.array_equal(shown, store.mask(thing).mask())
    seen = editing.preview(thing, Clicked(28, 3))
    before = store.object(thing)
    shown[seen.patch.box.slices] = seen.patch.crop()
    assert store.object(thing) == before
    editing.act(thing, new_id(), Clicked(28, 3))
    assert np.array_equal(shown, store.mask(thing).mask())
    assert editing.preview(new_id(), Clicked(5, 5), before.photo_id).patch is not None
    with pytest.raises(UnknownName):
        editing.preview(new_id(), Clicked(5, 5))


def at_once(*works):
    """Do all in threads that start together; what they returned or raised."""
    barrier, results = threading.Barrier(len(works)), [None] * len(works)

    def do(index):
        barrier.wait()
        try:
            results[index] = works[index]()
        except Exception as error:
            results[index] = error

    threads = [threading.Thread(target=do, args=(index,)) for index in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_two_writers_lose_no_update(place, store, thing):
    def writer(column):
        with Store(place) as mine:
            editing = editing_of(mine)
            for row in range(8):
                editing.act(thing, new_id(), Clicked(column, 2 * row + 3, column < 10))
                mine.change(thing, Edit(z=column + row))
            return editing

    assert not [found for found in at_once(lambda: writer(5), lambda: writer(25)) if isinstance(found, Exception)]
    info, entries, done = store.history(thing)
    assert done == len(entries) == 16
    assert info.version == 1 + len(journal(store, info.photo_id))
    assert sorted((entry.action.x, entry.action.y) for entry in entries) == sorted(
        (x, 2 * row + 3) for x in (5, 25) for row in range(8)
    )
    for mask, entry in zip(replay(GROW, START, entries), entries, strict=True):
        assert np.array_equal(mask, entry.mask.mask())


def test_of_two_who_saw_the_same_one_wins_and_the_other_is_told(place, store, thing):
    def writer():
        with Store(place) as mine:
            return editing_of(mine).act(thing, new_id(), Clicked(10, 10), if_version=1)

    results = at_once(writer, writer, writer)
    told = [result for result in results if isinstance(result, Conflict)]
    assert len(told) == 2, results
    assert {error.current.version for error in told} == {2}
    assert len(store.history(thing)[1]) == 1


def test_who_acts_between_the_two_readings_of_another_wins(place, store, thing, monkeypatch):
    """Also where both say the same: a click that is there already is no answer to who meant an earlier version."""
    read = store.history

    def meanwhile(object_id):
        monkeypatch.undo()
        with Store(place) as theirs:
            editing_of(theirs).act(thing, new_id(), Clicked(10, 10))
        return read(object_id)

    monkeypatch.setattr(store, "history", meanwhile)
    with pytest.raises(Conflict, match="changed by somebody else"):
        editing_of(store).act(thing, new_id(), Clicked(10, 10), if_version=1)
    assert len(store.history(thing)[1]) == 1


def test_one_action_sent_by_many_at_once_is_done_once(place, store, thing):
    action_id = new_id()

    def writer():
        with Store(place) as mine:
            return editing_of(mine).act(thing, action_id, Clicked(10, 10)).object

    assert len(set(at_once(*[writer] * 4))) == 1
    assert len(store.history(thing)[1]) == 1


def test_threads_share_a_store(store, thing):
    photo_id = store.object(thing).photo_id

    def writer():
        return [store.act(thing, new_id(), imported(n), store.object(thing).mask_version) for n in range(5)]

    def reader():
        return [store.masks(photo_id)[0][1].area_px for _ in range(20)]

    results = at_once(writer, *[reader] * 3)
    assert not [result for result in results if isinstance(result, Exception)]
    assert {area for areas in results[1:] for area in areas} <= {0, *(imported(n).mask.area_px for n in range(5))}
    assert store.mask(thing) == imported(4).mask


def test_a_class_is_made_once_by_many_at_once(place, store):
    def maker():
        with Store(place) as mine:
            return mine.add_class("cat")

    results = at_once(*[maker] * 4)
    assert sum(isinstance(result, InputError) for result in results) == 3
    assert [found for found in results if not isinstance(found, InputError)] == store.classes()


def test_a_database_is_made_once_by_many_at_once(place):
    def opened():
        with Store(place) as store:
            store.add_photos(["a.png", "b.png"])
            return store.id

    results = at_once(*[opened] * 4)
    assert len(set(results)) == 1
    assert uuid.UUID(results[0])
    with Store(place) as store:
        assert len(store.photos()) == 2


steps = st.one_of(
    st.builds(Clicked, x=st.floats(0, 31), y=st.floats(0, 23), positive=st.booleans(), cfr=st.integers(0, 1)),
    st.builds(Brushed, points=st.just(((4.0, 4.0), (20.0, 9.0))), radius_px=st.floats(0.5, 4), erase=st.booleans()),
    st.builds(Cleaned, fill_holes_px=st.integers(0, 9), drop_specks_px=st.integers(0, 9)),
    st.integers(0, 3).map(lambda seed: Replaced(some_mask(seed))),
    st.builds(Thresholded, value=st.floats(0.1, 0.9)),
    st.sampled_from(["undo", "redo", "restart", "rename"]),
)


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
@given(steps=st.lists(steps, max_size=10))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_store_is_a_history_that_stays(store, steps):
    thing, editing, model = add_object(store).id, editing_of(store), History(GROW, START)
    for step in steps:
        if step == "restart":
            editing = editing_of(store)
        elif step == "rename":
            store.change(thing, Edit(name=new_id()))
        elif isinstance(step, str):
            getattr(model, step)()
            getattr(editing, step)(thing, new_id())
        else:
            if not model.repeats(step):  # what counts already is done no second time
                model.commit(model.after(step))
            editing.act(thing, new_id(), step)
        info = store.object(thing)
        assert np.array_equal(store.mask(thing).mask(), model.mask.mask())
        assert info.clicks == model.clicks
        assert (info.undo_kind, info.redo_kind) == (model.undo_kind, model.redo_kind)
    _, entries, done = store.history(thing)
    for mask, entry in zip(replay(GROW, START, entries[:done]), entries, strict=False):
        assert np.array_equal(mask, entry.mask.mask())


def test_histories_in_memory_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(editing_module, "LIVE_BYTES", START.image.nbytes + 5 * START.prob.nbytes)
    with Store(tmp_path) as store:
        editing, things = editing_of(store), [add_object(store).id for _ in range(12)]
        for n in range(3):
            for thing in things:
                editing.act(thing, new_id(), Clicked(5 + 8 * n, 12))
        assert len(editing._live) < 12
        assert all(len(store.history(thing)[1]) == 3 for thing in things)
        assert not any(entry.fresh for thing in things for entry in store.history(thing)[1])


def test_who_clicks_in_turn_does_not_wait_for_old_clicks(tmp_path, monkeypatch):
    steps = []

    class Counting:
        def start(self, image):
            return GROW.start(image)

        def step(self, state, clicks):
            steps.append(len(clicks))
            return GROW.step(state, clicks)

    monkeypatch.setattr(editing_module, "LIVE_BYTES", START.image.nbytes + 8 * START.prob.nbytes)
    with Store(tmp_path) as store:
        editing = Editing(store, Counting(), lambda photo_id: START, "grow")
        things = [add_object(store).id for _ in range(4)]
        for n in range(5):
            for thing in things:
                editing.act(thing, new_id(), Clicked(5 + 2 * n, 12))
        assert len(steps) == 20, "a step a click: the last state of each object is kept"


class Folder(list):
    """Annotated photos, and their labels. A None cannot be read."""

    labels = (Label("cat", (255, 0, 0)), Label("dog", (0, 255, 0)))

    def __getitem__(self, index):
        if super().__getitem__(index) is None:
            raise InputError("b.txt, line 3: no number")
        return super().__getitem__(index)


def test_annotations_of_files_become_objects_once(store):
    masks = [some_mask(seed).mask() for seed in range(3)]
    twice = Annotation(mask=masks[0], label="cat")
    objects = [twice, twice, Annotation(mask=masks[1], label="dog", name="Rex\n"), Annotation(mask=masks[2], label="")]
    empty = Annotation(mask=np.zeros(HW, np.bool_), label="cat")
    photo = AnnotatedPhoto("a.png", HW, [*objects, empty], notes=("one polygon has no area",))
    other = AnnotatedPhoto("c.png", (9, 9), [Annotation(mask=np.ones((9, 9), np.bool_), label="cat")])
    folder, seen = Folder([photo, None, other]), []
    taken = take_in(store, folder, lambda done, total: seen.append((done, total)))
    assert (taken.objects, taken.photos) == (5, 2)
    assert taken.notes == (
        "the class '' is called 'object' here",
        "a.png: one polygon has no area",
        "a.png: 1 object without pixels: left out",
        "b.txt, line 3: no number",
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert [found.name for found in store.classes()] == ["cat", "dog", "object"]
    assert store.classes()[1].colour == "#00ff00"
    photo_id = store.photo_named("a.png").id
    infos = store.objects(photo_id)
    assert [(info.name, info.state, info.undo_kind) for info in infos][2] == ("Rex", "done", "mask")
    store.change(infos[0].id, Edit(deleted=True))
    editing_of(store).act(infos[1].id, new_id(), Clicked(3, 3))
    assert take_in(store, folder).objects == 0, "also what was changed or deleted since is not taken in again"
    assert len(store.objects(photo_id)) == 3


def test_a_folder_comes_back_from_its_annotations(store, tmp_path):
    photo = AnnotatedPhoto(
        "a.png", HW, [Annotation(mask=some_mask(n).mask(), label="cat", name=f"{n}") for n in (1, 2)]
    )
    store.add_photos(["never opened.png"])
    take_in(store, Folder([photo]))
    add_object(store)  # without a mask
    (first, second) = folder = StoredFolder(store, tmp_path)
    assert len(folder) == 2
    assert [label.name for label in folder.labels] == ["cat", "dog"]
    assert folder.labels[0].colour == (255, 0, 0)
    assert (first.file, first.hw, first.state, first.path) == ("a.png", HW, "begun", tmp_path / "a.png")
    assert [(o.label, o.name) for o in first.objects] == [("cat", "1"), ("cat", "2")]
    for found, given_one in zip(first.objects, photo.objects, strict=True):
        assert np.array_equal(found.mask, given_one.mask)
    assert (second.file, len(second.objects)) == ("photo.png", 0)
    store.change(first.objects[0].id, Edit(z=9))
    assert [found.name for found in folder[0].objects] == ["2", "1"], "bottom to top"


def test_imported_masks_are_corrected_by_clicks(store):
    take_in(store, Folder([AnnotatedPhoto("a.png", HW, [Annotation(mask=some_mask().mask(), label="cat")])]))
    (info,) = store.objects(store.photo_named("a.png").id)
    editing = Editing(store, Discs(radius_px=3, noise=0), lambda photo_id: START)
    mask = editing.act(info.id, new_id(), Clicked(10, 10)).object
    assert mask.area_px > 20
    assert editing.undo(info.id, new_id()).object.area_px == info.area_px
    assert store.mask(info.id) == some_mask()


def test_a_photo_that_has_changed_its_size_is_a_note(store):
    take_in(store, Folder([AnnotatedPhoto("a.png", HW, [Annotation(mask=some_mask().mask(), label="cat")])]))
    wrong = AnnotatedPhoto("a.png", (9, 9), [Annotation(mask=np.ones((9, 9), np.bool_), label="cat")])
    taken = take_in(store, Folder([wrong]))
    assert taken.objects == 0
    assert "32x24" in taken.notes[0]


def test_the_database_is_as_it_must_be_to_outlive_kills(tmp_path):
    with Store(tmp_path) as store:
        add_object(store)
        with store._db.writing() as session:
            values = {
                name: session.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "synchronous", "foreign_keys")
            }
        assert values == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    assert (tmp_path / PLACE).is_file()
    assert (tmp_path / ".fewclicks" / ".gitignore").read_text() == "*\n"
    assert [file.name for file in (tmp_path / ".fewclicks").glob("*-wal")] == [], "closed databases are one file"


def test_a_reader_does_not_wait_for_a_writer(place, store, thing):
    with Store(place) as other, other._db.writing() as session:
        session.execute(text("UPDATE fewclicks_object SET name = 'Tom'"))
        assert store.object(thing).name == ""
    assert store.object(thing).name == "Tom"


def test_what_fails_half_way_has_not_happened(store, thing, monkeypatch):
    before = store.object(thing)
    monkeypatch.setattr("fewclicks.annotator.store.objects._object_info", lambda session, object_id: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        store.act(thing, new_id(), imported(), 1)
    monkeypatch.undo()
    assert store.object(thing) == before
    assert journal(store, before.photo_id) == []


def test_newer_and_foreign_databases_are_refused(place, tmp_path):
    with Store(place) as store, store._db.writing() as session:
        session.execute(text("UPDATE fewclicks_about SET schema_version = 99"))
    with pytest.raises(StoreError, match="version 99, this fewclicks knows 4; update fewclicks"):
        Store(place)
    (tmp_path / "f" / ".fewclicks").mkdir(parents=True)
    (tmp_path / "f" / PLACE).write_bytes(b"this is no database, but text" * 100)
    with pytest.raises(StoreError, match="not a database"):
        Store(tmp_path / "f")


def test_databases_that_cannot_be_opened(tmp_path, monkeypatch):
    (tmp_path / ".fewclicks").write_text("a file")
    for source, cure in (
        (tmp_path, r"--database sqlite:///FILE"),
        (tmp_path / "gone", r"--database sqlite:///FILE"),
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("nonsense://x", "there is no database of the kind"),
        ("://", "no URL"),
        ("postgresql://me:secret@127.0.0.1:1/nothing", "check that it can be reached"),
    ):
        with pytest.raises(StoreError, match=cure) as caught:
            Store(source)
        assert "secret" not in str(caught.value)
        assert "\n" not in str(caught.value)
    monkeypatch.setitem(sys.modules, "pg8000", None)
    with pytest.raises(MissingExtra, match=r"fewclicks\[postgresql\]"):
        Store("postgresql://127.0.0.1/nothing")


def test_a_database_that_others_hold_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite, "BUSY_MS", 100)
    with Store(tmp_path) as store:
        thing = add_object(store).id
        with closing(sqlite3.connect(tmp_path / PLACE, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match="locked"):
                store.undo(thing, new_id())
            other.execute("COMMIT")
        assert store.undo(thing, new_id()).version == 1


def test_a_full_disk_loses_the_action_in_flight_alone(tmp_path, monkeypatch):
    connected = sqlite._connected

    def small(connection):
        connected(connection)
        connection.execute("PRAGMA max_page_count=40")

    monkeypatch.setattr(sqlite, "_connected", small)
    noise = EncodedMask.pack(np.random.default_rng(0).random((150, 150)) > 0.5)
    with Store(tmp_path) as store:
        store.add_photos(["photo.png"])
        thing = store.create(new_id(), store.photos()[0].id, store.add_class("thing").id).id

        def act():
            return store.act(thing, new_id(), Entry(Replaced(noise), noise), store.object(thing).mask_version)

        done = next(n for n in range(100) if not isinstance(at_once(act)[0], ObjectInfo))
        with pytest.raises(StoreError, match="full"):
            act()
        assert done > 3
        assert len(store.history(thing)[1]) == done
        assert store.mask(thing) == noise


@pytest.mark.slow
@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
def test_a_connection_that_was_cut_is_made_anew(place, store, thing):
    with Store(place) as other, other._db.writing() as session:
        others = "pid <> pg_backend_pid() AND datname IS NOT NULL"
        session.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"))
    assert store.object(thing).version == 1
    assert store.act(thing, new_id(), imported(), 1).version == 2


def test_any_file_can_be_named(tmp_path):
    with Store(f"sqlite:///{tmp_path}/my annotations.db") as store:
        store.add_photos(["ünïcödé 写真.png", "'; DROP TABLE fewclicks_photo; --.png"])
    with Store(f"sqlite:///{tmp_path}/my annotations.db") as store:
        assert len(store.photos()) == 2
    assert (tmp_path / "my annotations.db").is_file()


@pytest.mark.parametrize("kills", [6, pytest.param(30, marks=pytest.mark.slow)])
def test_kills_lose_nothing_that_was_acknowledged(kills, tmp_path):
    """Kill -9 at random moments, a third while the database is being made: at most the action in flight is lost."""
    rng = random.Random(0)
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    said = []
    with subprocess.Popen([sys.executable, here / "killed.py"], env=environment, **pipes) as process:

        def killed_after(place, seed, lines, more_s):
            """What a child said until it was killed, some moment after it had said so many lines."""
            place.mkdir(exist_ok=True)
            process.stdin.write(f"{place} {seed}\n")
            child, heard = int(process.stdout.readline()), []
            while len(heard) < lines:
                heard.append(process.stdout.readline())
            time.sleep(more_s)
            os.kill(child, signal.SIGKILL)
            while (line := process.stdout.readline()) != "end\n":
                heard.append(line)
            return [line.split()[1] for line in heard]

        for n in range(kills // 3):
            new = tmp_path / f"new{n}"
            check(new, killed_after(new, n, 0, rng.uniform(0, 0.2)), kills=1)
        rest = kills - kills // 3
        for n in range(1, rest + 1):
            said += killed_after(tmp_path / "old", n, rng.randrange(12), rng.uniform(0, 0.02))
            check(tmp_path / "old", said, kills=n, again=n == rest)
        process.stdin.close()
    assert len(said) > 2 * kills, "there was something to lose"


def check(place, said, kills, again=True):
    """All that was said is there, at most one more for each kill, and (`again`) every mask is what its actions give."""
    if (place / PLACE).exists():
        with closing(sqlite3.connect(place / PLACE)) as raw:
            assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
    with Store(place) as store:
        done = 0
        for photo in store.photos():
            lines, infos = journal(store, photo.id), store.objects(photo.id)
            done += len(lines) + len(infos)
            assert photo.version == 1 + len(lines) + len(infos)
            for info in infos:
                _, entries, count = store.history(info.id)
                assert count <= len(entries)
                assert info.version == 1 + sum(line.object_id == info.id for line in lines)
                assert [entry.mask.mask().sum() for entry in entries] == [entry.mask.area_px for entry in entries]
                for mask, entry in zip(replay(GROW, START, entries if again else ()), entries, strict=False):
                    assert np.array_equal(mask, entry.mask.mask())
        there = {info.id for photo in store.photos() for info in store.objects(photo.id)}
        assert not [name for name in said if name not in there and store.known(name) is None]
        assert len(said) <= done <= len(said) + kills
