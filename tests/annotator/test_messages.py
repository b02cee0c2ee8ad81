"""What a click means: for every method, through the rings, the session and the annotator."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fewclicks
from fakes import Discs, Noise, gradient
from fewclicks.annotator.editing.actions import Brushed, Clicked, Replaced
from fewclicks.annotator.editing.history import History, replay
from fewclicks.annotator.editing.mask_codec import EncodedMask
from fewclicks.clicks import Click, Clicks
from fewclicks.plugins import find, names
from fewclicks.predictor import blank
from fewclicks.refinement import CFR, ClickConsistency
from fewclicks.session import Session
from fewclicks.transforms import ZoomIn
from quick import quick

HW = (64, 96)
HERE, NEAR, APART = (40, 30), (41, 30), (42, 30)


def scene():
    """A bright disc on dark ground."""
    rows, columns = np.mgrid[: HW[0], : HW[1]]
    photo = np.full((*HW, 3), 40, np.uint8)
    photo[(rows - 30) ** 2 + (columns - 40) ** 2 <= 400] = 210
    return photo


def clicks_of(*items):
    return Clicks(tuple(Click(x, y, positive) for (x, y), positive in items))


class Everything:
    """Marks all of the photo, and remembers which clicks it was shown."""

    def __init__(self):
        self.seen = []

    def start(self, image):
        return blank(image)

    def step(self, state, clicks):
        self.seen.append(clicks)
        return type(state)(state.image, np.ones_like(state.prob), state.threshold)


METHODS = [name for name in names("methods") if not name.startswith("default")]
NETWORKS = {name for name in METHODS if hasattr(find("methods", name), "SMALL")}
"""Methods that have no weights of their own."""
PREDICTORS = {
    "default": lambda: fewclicks.load("default", threads=1, zoom=128),
    "default, CFR": lambda: fewclicks.load("default", threads=1, zoom=128, cfr=2),
    "default, whole photo": lambda: fewclicks.load("default", threads=1, zoom=0),
    "default, mirrored": lambda: fewclicks.load("default", threads=1, flip=True),
    "released": lambda: fewclicks.load("default", threads=1, preset="released"),
    "paper": lambda: fewclicks.load("default", threads=1, preset="paper"),
    **{name: (lambda name=name: fewclicks.load(name)) for name in METHODS if name not in NETWORKS},
    "everything": Everything,
    "anchor": lambda: ClickConsistency(Everything()),
    "rings": lambda: ClickConsistency(CFR(ZoomIn(Noise()))),
    "rings without anchor": lambda: CFR(ZoomIn(Discs())),
}


QUICK = ["default", "default, CFR", "grow", "everything", "anchor", "rings", "rings without anchor"]


@pytest.fixture(scope="module", params=quick(QUICK, [*PREDICTORS, *sorted(NETWORKS)]))
def predictor(request, tmp_path_factory):
    if request.param in PREDICTORS:
        return PREDICTORS[request.param]()
    pytest.importorskip("torch")
    from goldens import small_predictor

    return small_predictor(request.param, tmp_path_factory.mktemp("weights") / request.param)


def in_session(predictor, *items):
    session = Session(scene(), predictor)
    for (x, y), positive in items:
        session.click(x, y, positive)
    return session


def in_history(predictor, *items):
    """As the annotator does it."""
    history = History(predictor, predictor.start(scene()))
    for (x, y), positive in items:
        action = Clicked(x, y, positive)
        if not history.repeats(action):
            history.commit(history.after(action))
    return history


def test_nothing_is_marked_while_nothing_positive_was_said(predictor):
    items = ((5, 5), False), ((70, 50), False), ((40, 30), False)
    assert not in_session(predictor, *items).mask.any()
    assert in_history(predictor, *items).mask.area_px == 0
    taken_back = ((HERE, True), (HERE, False))
    assert not in_session(predictor, *taken_back).mask.any()
    assert in_history(predictor, *taken_back).mask.area_px == 0


@pytest.mark.parametrize("place", [HERE, NEAR])
def test_a_corrected_click_counts_as_if_it_had_been_right_at_once(predictor, place):
    alone = in_session(predictor, (HERE, True))
    after = in_session(predictor, (place, False), (HERE, True))
    assert np.array_equal(after.mask, alone.mask)
    assert after.clicks == clicks_of((HERE, True))
    history = in_history(predictor, (place, False), (HERE, True))
    assert np.array_equal(history.mask.mask(), in_history(predictor, (HERE, True)).mask.mask())
    assert history.clicks == clicks_of((HERE, True))
    after.undo()
    assert after.clicks == clicks_of((place, False))
    assert not after.mask.any()
    after.redo()
    assert np.array_equal(after.mask, alone.mask)


def test_undo_brings_the_earlier_click_back(predictor):
    items = [((20, 30), True), (HERE, True)]
    session, history = in_session(predictor, *items), in_history(predictor, *items)
    before, kept = session.mask.copy(), history.mask.mask()
    session.click(*HERE, positive=False)
    history.commit(history.after(Clicked(*HERE, False)))
    for clicks in (session.clicks, history.clicks):
        assert clicks == clicks_of(items[0], (HERE, False))
    session.undo()
    history.undo()
    assert session.clicks == history.clicks == clicks_of(*items)
    assert np.array_equal(session.mask, before)
    assert np.array_equal(history.mask.mask(), kept)


def test_the_same_click_twice_is_one(predictor):
    once, twice = in_session(predictor, (HERE, True)), in_session(predictor, (HERE, True), (HERE, True))
    assert np.array_equal(once.mask, twice.mask)
    assert len(twice.clicks) == 1
    assert not twice.undo().any()
    history = in_history(predictor, (HERE, True), (HERE, True))
    assert np.array_equal(history.mask.mask(), in_history(predictor, (HERE, True)).mask.mask())
    assert len(history.entries) == 1


def test_the_network_sees_only_the_later_click():
    spy = Everything()
    ring = ClickConsistency(spy)
    ring.step(ring.start(scene()), clicks_of((HERE, False), ((5, 5), False), (NEAR, True), (NEAR, True)))
    assert spy.seen[-1] == clicks_of(((5, 5), False), (NEAR, True))
    ring.step(ring.start(scene()), clicks_of((HERE, False), (APART, True)))
    assert spy.seen[-1] == clicks_of((HERE, False), (APART, True)), "two pixels apart are two places"


def test_a_mask_to_begin_with_is_something_positive(predictor):
    """By default, the click changes nothing of a mask that it does not touch; else the predictor has its way."""
    mask = np.zeros(HW, bool)
    mask[20:40, 30:50] = True
    start = predictor.start(scene())
    free = predictor.step(replace(start, prob=mask.astype(np.float32)), clicks_of(((2, 2), False))).mask
    for local, want in ((None, mask), (False, free)):
        session = Session(scene(), predictor, local=local)
        session.load_mask(mask)
        session.click(2, 2, positive=False)
        assert np.array_equal(session.mask, want), f"local={local}"
    history = History(predictor, start)
    history.commit(history.after(Replaced(EncodedMask.pack(mask))))
    history.commit(history.after(Clicked(2, 2, False, local=None)))
    assert np.array_equal(history.mask.mask(), mask)


def test_a_stroke_is_something_positive():
    history = History(ClickConsistency(Everything()), Everything().start(scene()))
    history.commit(history.after(Brushed(((40.0, 30.0),), 3)))
    painted = history.mask.area_px
    history.commit(history.after(Clicked(2, 2, False)))
    assert history.mask.area_px > painted
    erased = History(ClickConsistency(Everything()), Everything().start(scene()))
    erased.commit(erased.after(Brushed(((40.0, 30.0),), 3, erase=True)))
    erased.commit(erased.after(Clicked(2, 2, False)))
    assert erased.mask.area_px == 0


def test_another_refinement_of_the_same_click_is_said():
    history = in_history(ClickConsistency(Discs(noise=0.6)), (HERE, True))
    assert history.repeats(Clicked(*HERE))
    assert not history.repeats(Clicked(*HERE, cfr=2))
    assert not history.repeats(Clicked(*HERE, positive=False))
    history.commit(history.after(Brushed((tuple(map(float, HERE)),), 3, erase=True)))
    assert not history.repeats(Clicked(*HERE)), "the stroke has overruled it"


def test_stored_sessions_keep_what_they_say(predictor):
    items = ((HERE, False), ((20, 20), True), (HERE, True), (HERE, True), ((60, 30), False))
    session = in_session(predictor, *items)
    again = Session.replay(session.to_json(), scene(), predictor)
    assert np.array_equal(again.prob, session.prob)
    for clicks in (session.clicks, again.clicks):
        assert clicks == clicks_of(((20, 20), True), (HERE, True), ((60, 30), False))
    again.undo()
    again.undo()
    assert again.clicks == clicks_of((HERE, False), ((20, 20), True)), "what was corrected is in the document"
    history = in_history(predictor, *items)
    masks = list(replay(predictor, predictor.start(scene()), history.entries))
    for mask, entry in zip(masks, history.entries, strict=True):
        assert np.array_equal(mask, entry.mask.mask())


points = st.builds(Click, st.integers(0, 6), st.integers(0, 5), st.booleans())


@given(st.lists(points, max_size=12), st.sampled_from([0.0, 1.0, 2.5]))
def test_what_counts_is_free_of_contradictions(items, reach):
    clicks = Clicks(tuple(items))
    counting = clicks.counting((6, 7), reach)
    assert counting.counting((6, 7), reach) == counting
    assert not items or items[-1] in counting.items
    pixels = [click.pixel((6, 7)) for click in counting]
    assert len(set(pixels)) == len(pixels)
    for one in counting:
        for other in counting:
            far = np.hypot(one.x - other.x, one.y - other.y)
            assert one.positive == other.positive or far > reach


def test_large_photos_too(monkeypatch):
    monkeypatch.setattr("fewclicks.annotator.editing.windows.LARGE_PX", 1000)
    from fewclicks.annotator.editing.windows import first_state

    predictor = ClickConsistency(Discs(radius_px=8, noise=0.6))
    history = History(predictor, first_state(predictor, gradient(120, 160)))
    for positive in (False, True, False):
        history.commit(history.after(Clicked(80, 60, positive)))
        assert (history.mask.area_px > 0) == positive
        assert history.clicks == clicks_of(((80, 60), positive))
