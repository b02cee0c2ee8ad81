"""A click on the place that was just previewed is not computed again; any other is."""

import uuid

import numpy as np
import pytest

from fakes import Discs, Spy, gradient
from fewclicks.annotator.editing.actions import Chosen, Clicked
from fewclicks.annotator.services import editing as editing_module
from fewclicks.annotator.services.editing import Editing
from fewclicks.annotator.store.objects import Store

HW = (40, 60)


@pytest.fixture
def store(tmp_path):
    with Store(f"sqlite:///{tmp_path / 'previews.sqlite'}") as store:
        store.add_photos(["photo.png"])
        store.change_photo(1, hw=HW)
        yield store


@pytest.fixture
def thing(store):
    return added(store)


def added(store):
    class_id = store.classes()[0].id if store.classes() else store.add_class("thing").id
    return store.create(str(uuid.uuid4()), 1, class_id).id


@pytest.fixture
def spy():
    return Spy(Discs(radius_px=9))


@pytest.fixture
def editing(store, spy):
    start = spy.start(gradient(*HW))
    return Editing(store, spy, lambda photo_id: start)


def act(editing, thing, action):
    return editing.act(thing, str(uuid.uuid4()), action)


def test_a_click_takes_what_its_preview_has_shown(editing, spy, store, thing):
    act(editing, thing, Clicked(10, 10))
    shown = editing.preview(thing, Clicked(30, 20))
    steps = len(spy.seen)
    assert act(editing, thing, Clicked(30, 20)).patch == shown.patch
    assert len(spy.seen) == steps
    other = added(store)
    for click in (Clicked(10, 10), Clicked(30, 20)):
        act(editing, other, click)
    assert len(spy.seen) == steps + 2
    assert np.array_equal(store.mask(other).mask(), store.mask(thing).mask())


def test_the_first_click_of_an_object_takes_the_preview_of_none(editing, spy, store, thing):
    editing.preview(str(uuid.uuid4()), Clicked(30, 20), 1)
    act(editing, thing, Clicked(30, 20))
    assert len(spy.seen) == 1
    act(editing, added(store), Clicked(30, 20))
    assert len(spy.seen) == 2
    assert [np.array_equal(mask, store.mask(thing).mask()) for mask in editing.replay(thing)] == [True]


@pytest.mark.parametrize("other", [Clicked(30, 21), Clicked(30, 20, False), Clicked(30, 20, cfr=2)])
def test_another_click_is_computed(editing, spy, thing, other):
    act(editing, thing, Clicked(10, 10))
    editing.preview(thing, Clicked(30, 20))
    steps = len(spy.seen)
    act(editing, thing, other)
    assert len(spy.seen) > steps


def test_a_preview_of_a_mask_that_has_changed_is_not_taken(editing, spy, thing):
    act(editing, thing, Clicked(10, 10))
    editing.preview(thing, Clicked(30, 20))
    editing.undo(thing, str(uuid.uuid4()))
    steps = len(spy.seen)
    act(editing, thing, Clicked(30, 20))
    assert len(spy.seen) == steps + 1


def test_the_preview_of_a_huge_photo_is_not_kept(editing, spy, thing, monkeypatch):
    monkeypatch.setattr(editing_module, "PREVIEW_BYTES", 100)
    editing.preview(thing, Clicked(30, 20))
    act(editing, thing, Clicked(30, 20))
    assert len(spy.seen) == 2


def test_a_mask_that_was_shown_is_chosen_as_it_is(editing, spy, store, thing):
    act(editing, thing, Clicked(30, 20))
    shown = editing.history(thing).candidates
    steps = len(spy.seen)
    act(editing, thing, Chosen(0))
    assert np.array_equal(store.mask(thing).mask(), shown[0].mask())
    assert len(spy.seen) == steps
    act(editing, thing, Clicked(10, 10))
    editing.undo(thing, str(uuid.uuid4()))
    act(editing, thing, Chosen(0))
    assert len(spy.seen) > steps + 1
