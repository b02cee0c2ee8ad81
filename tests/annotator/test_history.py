"""Actions of an object, their masks, undo, redo and replay."""

import io
import itertools
from dataclasses import dataclass, replace

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fewclicks
from fakes import Discs, Noise, Spy, gradient
from fewclicks.annotator.editing import history as history_module
from fewclicks.annotator.editing.actions import Brushed, Cleaned, Clicked, Replaced, Thresholded, from_json, to_json
from fewclicks.annotator.editing.brush import painted
from fewclicks.annotator.editing.history import History, replay
from fewclicks.annotator.editing.mask_codec import EncodedMask, compared, count_changed, difference
from fewclicks.clicks import Click, Clicks
from fewclicks.errors import InputError
from fewclicks.geometry import Box
from fewclicks.predictor import blank
from fewclicks.refinement import CFR, ClickConsistency
from fewclicks.transforms import ZoomIn

HEIGHT, WIDTH = 60, 80
PHOTO = gradient(HEIGHT, WIDTH)
PREDICTOR = ClickConsistency(ZoomIn(Discs(radius_px=12), size=64, min_crop_px=30))
START = PREDICTOR.start(PHOTO)
SQUARE = np.zeros((HEIGHT, WIDTH), np.bool_)
SQUARE[20:40, 30:60] = True


def does(history, *actions):
    """Do the actions; the masks after each."""
    masks = []
    for action in actions:
        history.commit(history.after(action))
        masks.append(history.mask.mask())
    return masks


def stroke(*points, radius_px=3.0, erase=False):
    return Brushed(points, radius_px, erase)


xs, ys = st.floats(0, WIDTH - 1), st.floats(0, HEIGHT - 1)
clicks = st.builds(Clicked, x=xs, y=ys, positive=st.booleans(), cfr=st.integers(0, 2), adaptive=st.booleans())
points = st.tuples(st.floats(-20, WIDTH + 20), st.floats(-20, HEIGHT + 20))
strokes = st.builds(
    Brushed,
    points=st.lists(points, min_size=1, max_size=4).map(tuple),
    radius_px=st.floats(0.3, 15),
    erase=st.booleans(),
)
masks = st.integers(0, 5).map(
    lambda seed: Replaced(EncodedMask.pack(np.random.default_rng(seed).random((HEIGHT, WIDTH)) > 0.6))
)
cleanings = st.builds(Cleaned, fill_holes_px=st.integers(0, 60), drop_specks_px=st.integers(0, 60))
actions = st.one_of(clicks, clicks, strokes, masks, cleanings, st.builds(Thresholded, value=st.floats(0.05, 0.95)))


@given(st.lists(st.one_of(actions, st.sampled_from(["undo", "redo", "restart", "thin"])), max_size=12))
@settings(max_examples=60, deadline=None)
def test_undo_redo_and_restarts_never_change_a_mask(steps):
    """Against the plainest history there is: a list of masks and a place in it."""
    history, masks, done = History(PREDICTOR, START), [SQUARE & False], 0
    for step in steps:
        if step == "undo":
            assert history.undo() == (done > 0)
            done = max(0, done - 1)
        elif step == "redo":
            assert history.redo() == (done < len(masks) - 1)
            done = min(len(masks) - 1, done + 1)
        elif step == "restart":  # what a store keeps: all entries, and how many are done
            history = History(PREDICTOR, START, history._undo.every, done)
        elif step == "thin":
            history.thin()
        else:
            masks[done + 1 :] = does(history, step)
            done += 1
        assert np.array_equal(history.mask.mask(), masks[done])
        assert np.array_equal(history.prob > history.threshold, masks[done])
    for again, mask in zip(replay(PREDICTOR, START, history.entries), masks[1:], strict=False):
        assert np.array_equal(again, mask)


@given(st.lists(actions, max_size=8), actions)
@settings(max_examples=30, deadline=None)
def test_a_restart_changes_nothing_of_what_comes_after_it(before, after):
    history = History(PREDICTOR, START)
    does(history, *before)
    again = History(PREDICTOR, START, history.entries)
    assert np.array_equal(history.after(after).entry.mask.mask(), again.after(after).entry.mask.mask())
    assert np.array_equal(history.prob, again.prob)
    assert again.clicks == history.clicks


@pytest.mark.parametrize("cfr", [0, 1, 3])
def test_clicks_are_those_of_a_session_with_the_same_cfr(cfr):
    inner = ZoomIn(Noise(), size=64, min_crop_px=30)
    session = fewclicks.open(PHOTO, ClickConsistency(CFR(inner, cfr) if cfr else inner))
    for predictor in (ClickConsistency(inner), ClickConsistency(CFR(inner, 7))):
        history = History(predictor, predictor.start(PHOTO))
        (mask,) = does(history, Clicked(30, 30, cfr=cfr))
        assert np.array_equal(mask, session.click(30, 30))
        assert np.array_equal(does(history, Clicked(50, 20, False, cfr=cfr))[0], session.click(50, 20, False))
        assert np.array_equal(history.prob, session.prob)
        assert len(history.passes) == cfr + 1
        session.undo()
        session.undo()


def test_adaptive_clicks_stop_when_hardly_a_pixel_changes():
    history = History(PREDICTOR, START)
    step = history.after(Clicked(40, 30, cfr=8, adaptive=True))
    assert len(step.passes) < 9
    assert step.entry.changed_px[-1] < 20
    expected = list(
        CFR(ZoomIn(Discs(radius_px=12), size=64, min_crop_px=30), 8, 20).passes(START, Clicks((Click(40, 30),)))
    )
    assert len(expected) == len(step.passes)
    assert len(history.after(Clicked(40, 30, adaptive=True)).passes) >= 2, (
        "up to four refinements if none are asked for"
    )


def test_passes_are_known_after_undo_restart_and_strokes():
    noisy = ClickConsistency(ZoomIn(Noise(), size=64, min_crop_px=30))
    history = History(noisy, noisy.start(PHOTO))
    first = history.after(Clicked(30, 30, cfr=2))
    history.commit(first)
    assert [packed.mask().tolist() for packed in history.passes] == [packed.mask().tolist() for packed in first.passes]
    assert history.passes[-1] == history.mask
    changed = [
        int((a.mask() != b.mask()).sum())
        for a, b in zip((EncodedMask.empty((HEIGHT, WIDTH)), *first.passes), first.passes, strict=False)
    ]
    assert list(first.entry.changed_px) == changed
    second = history.after(Clicked(50, 40, cfr=1))
    history.commit(second)
    assert history.passes == second.passes
    does(history, stroke((10, 10)))
    assert history.passes == second.passes
    history.undo()
    history.undo()
    assert history.passes == first.passes
    assert History(noisy, noisy.start(PHOTO), history.entries).passes == first.passes
    history.undo()
    assert history.passes == ()


def test_a_preview_keeps_nothing():
    spy = Spy(PREDICTOR)
    history = History(spy, START)
    does(history, Clicked(30, 30))
    before = history.mask
    one = history.after(Clicked(60, 40))
    two = history.after(Clicked(60, 40))
    assert one.entry.mask == two.entry.mask != before
    assert history.mask == before
    assert len(history.clicks) == 1
    assert len(spy.seen) == 3


def test_what_was_computed_before_a_change_is_refused_after_it():
    history = History(PREDICTOR, START)
    step = history.after(Clicked(30, 30))
    does(history, Clicked(50, 30))
    with pytest.raises(InputError, match="changed"):
        history.commit(step)


def test_strokes_are_the_pixels_near_the_line():
    rng = np.random.default_rng(0)
    columns, rows = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    for n in range(60):
        line = rng.uniform(-10, 90, (rng.integers(1, 5), 2))
        if n % 3 == 0:
            line = line.round()  # horizontal and vertical lines, repeated points
            line[-1, n % 2] = line[0, n % 2]
        radius = float(rng.uniform(0.3, 20))
        near = np.full((HEIGHT, WIDTH), np.inf)
        for a, b in itertools.pairwise(line if len(line) > 1 else line[[0, 0]]):
            span = max(float((b - a) @ (b - a)), 1e-30)
            t = np.clip(((columns - a[0]) * (b - a)[0] + (rows - a[1]) * (b - a)[1]) / span, 0, 1)
            near = np.minimum(near, np.hypot(columns - a[0] - t * (b - a)[0], rows - a[1] - t * (b - a)[1]))
        found = painted(Brushed(tuple(map(tuple, line)), radius), (HEIGHT, WIDTH))
        mask = np.zeros((HEIGHT, WIDTH), np.bool_)
        if found:
            mask[found[0].slices] = found[1]
        sure = np.abs(near - radius) > 1e-9
        assert np.array_equal(mask[sure], (near <= radius)[sure])


def test_painted_pixels_stay_until_a_click_of_the_other_meaning_lies_on_them():
    history = History(PREDICTOR, START)
    on, off = stroke((10, 10), (20, 10)), stroke((60, 50), (70, 50), erase=True)
    _, painted_on, erased = does(history, Clicked(40, 30), on, off)
    assert painted_on[10, 10:21].all()
    assert np.array_equal(painted_on | erased, painted_on)
    (mask,) = does(history, Clicked(66, 44))  # a disc that reaches over the erased stroke
    assert mask[44, 66]
    assert not mask[50, 60:71].any()
    assert mask[8:13, 10:21].all()
    (mask,) = does(history, Clicked(12, 20, positive=False))  # a disc that reaches over the painted stroke
    assert mask[10, 10:21].all()
    (mask,) = does(history, Clicked(10, 10, positive=False))  # on it: all of the stroke is free again
    assert not mask[10, 10:21].any()
    (mask,) = does(history, Clicked(65, 50))
    assert mask[50, 60:71].all()
    for _ in range(2):
        history.undo()
    assert np.array_equal(history.mask.mask()[10, 10:21], np.ones(11, np.bool_))


def test_every_pass_of_cfr_sees_the_painted_pixels():
    spy = Spy(Discs(radius_px=12))
    history = History(spy, spy.start(PHOTO))
    does(history, stroke((10, 10), (20, 10)), stroke((45, 30), erase=True), Clicked(40, 30, cfr=2))
    assert len(spy.seen) == 3
    for state, _ in spy.seen:
        assert (state.prob[10, 10:21] == 1).all()
        assert state.prob[30, 45] == 0
    for packed in history.passes:
        assert packed.mask()[10, 10:21].all()
        assert not packed.mask()[30, 45]


@dataclass(frozen=True)
class Deaf:
    """All is object, whatever is clicked."""

    def start(self, image):
        return blank(image)

    def step(self, state, clicks):
        return replace(state, prob=np.full_like(state.prob, 0.9))


def test_a_click_beside_a_stroke_does_not_reach_into_it():
    history = History(ClickConsistency(Deaf()), blank(PHOTO))
    (_, mask) = does(history, stroke((10, 10), (20, 10)), Clicked(15, 14, positive=False))
    assert not mask[14:17, 15].any()
    assert mask[7:14, 15].all()


def test_a_later_stroke_overrules_clicks_and_strokes():
    history = History(PREDICTOR, START)
    does(history, Clicked(40, 30), stroke((40, 30), radius_px=4, erase=True))
    assert len(history.clicks) == 0
    (mask,) = does(history, Clicked(10, 10))
    assert history.clicks == Clicks((Click(10, 10),))
    assert not mask[30, 40]
    (mask, _) = does(history, stroke((40, 30), radius_px=2), Clicked(12, 12))
    assert mask[30, 40]
    assert not mask[30, 44]


def test_a_mask_takes_the_place_of_everything_and_is_corrected():
    spy = Spy(Discs(radius_px=6))
    history = History(spy, spy.start(PHOTO))
    does(history, Clicked(40, 30), Clicked(5, 5), stroke((70, 50)), Replaced(EncodedMask.pack(SQUARE)))
    assert np.array_equal(history.mask.mask(), SQUARE)
    assert history.clicks == Clicks((Click(40, 30),)), "the click that the mask contradicts is overruled"
    does(history, Clicked(35, 22, positive=False))
    state, _ = spy.seen[-1]
    assert np.array_equal(state.prob, SQUARE)
    assert not history.mask.mask()[50, 70], "the strokes before the mask are gone"


def test_cleaning_fills_holes_drops_specks_and_spares_what_is_meant():
    mask = SQUARE.copy()
    mask[25, 35] = mask[30:32, 50:52] = mask[35, 40:46] = False  # holes of 1, 4 and 6 pixels
    mask[5, 5] = mask[10:12, 5:7] = mask[50, 10:15] = True  # specks of 1, 4 and 5
    mask[0, 40:43] = True
    mask[0, 41] = False  # a notch at the border of the photo is no hole
    history = History(PREDICTOR, START)
    does(history, Replaced(EncodedMask.pack(mask)))
    filled = history.after(Cleaned(fill_holes_px=4)).entry.mask.mask()
    expected = mask.copy()
    expected[25, 35] = expected[30:32, 50:52] = True
    assert np.array_equal(filled, expected)
    dropped = history.after(Cleaned(drop_specks_px=4)).entry.mask.mask()
    expected = mask.copy()
    expected[5, 5] = expected[10:12, 5:7] = expected[0, 40:43] = False
    assert np.array_equal(dropped, expected)
    all_at_once = history.after(Cleaned(10_000, 10_000)).entry.mask.mask()
    assert np.array_equal(all_at_once, SQUARE), "the largest piece is no speck"
    does(history, stroke((35, 25), radius_px=0.5, erase=True), stroke((5, 5), radius_px=0.5))
    assert np.array_equal(history.after(Cleaned(10_000, 10_000)).entry.mask.mask() & ~SQUARE, mask & (painted_at(5, 5)))
    assert not history.after(Cleaned(10_000, 10_000)).entry.mask.mask()[25, 35]


def painted_at(x, y):
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask[y, x] = True
    return mask


def test_cleaning_spares_clicked_holes_and_specks():
    quiet = ClickConsistency(Discs(radius_px=1, noise=0))
    history = History(quiet, quiet.start(PHOTO))
    does(history, Replaced(EncodedMask.pack(SQUARE)), Thresholded(0.2), Clicked(45, 30, False), Clicked(10, 10))
    before = history.mask
    assert does(history, Cleaned(10_000, 10_000))[0].tolist() == before.mask().tolist()
    assert does(History(quiet, START), Cleaned(5, 5))[0].sum() == 0


def test_the_threshold_moves_the_mask_and_can_be_undone():
    history = History(PREDICTOR, START)
    (before, low, high) = does(history, Clicked(40, 30), Thresholded(0.1), Thresholded(0.95))
    assert low.sum() > before.sum() > high.sum()
    assert history.threshold == 0.95
    history.undo()
    history.undo()
    assert history.threshold == START.threshold
    assert np.array_equal(history.mask.mask(), before)
    assert history.redo_kind == "threshold"
    assert history.undo_kind == "click"


def test_other_weights_start_from_the_mask_that_was_kept():
    """The mask that the user saw is the truth; what comes after it says that it began there, and replays."""
    history = History(PREDICTOR, START)
    does(history, Clicked(40, 30), Clicked(50, 30), Clicked(45, 20))
    other = Spy(ClickConsistency(Discs(radius_px=7)))
    later = History(other, other.start(PHOTO), history.entries)
    assert later.mask == history.mask
    step = later.after(Clicked(20, 40))
    assert step.entry.fresh
    assert np.array_equal(other.seen[-1][0].prob, history.mask.mask())
    seen = len(other.seen)
    later.after(Clicked(20, 41))
    assert len(other.seen) == seen + 1, "it is found out once"
    later.commit(step)
    does(later, stroke((5, 5)), Clicked(60, 40))
    assert not later.entries[-1].fresh
    *_, last = replay(other, other.start(PHOTO), later.entries)
    assert np.array_equal(last, later.mask.mask())
    again = History(other, other.start(PHOTO), later.entries)
    assert np.array_equal(again.prob, later.prob)


def test_a_long_history_is_not_computed_again(monkeypatch):
    monkeypatch.setattr(history_module, "REPLAY_PASSES", 4)
    spy = Spy(PREDICTOR)
    history = History(spy, START)
    does(history, *(Clicked(10 + 8 * n, 30, cfr=1) for n in range(3)))
    again = History(spy, START, history.entries)
    spy.seen.clear()
    does(again, Clicked(40, 50))
    assert len(spy.seen) == 1
    assert again.entries[-1].fresh
    *_, last = replay(spy, START, again.entries)
    assert np.array_equal(last, again.mask.mask())
    short = History(spy, START, history.entries, done=2)
    does(short, Clicked(40, 50))
    assert not short.entries[-1].fresh


def test_strokes_need_no_predictor():
    spy = Spy(PREDICTOR)
    history = History(spy, START)
    does(history, Clicked(40, 30), Clicked(50, 30))
    again = History(spy, START, history.entries)
    spy.seen.clear()
    does(again, stroke((10, 10)), Cleaned(20, 20))
    assert spy.seen == []
    does(history, stroke((10, 10)), Cleaned(20, 20))
    assert again.mask == history.mask
    assert does(again, Clicked(20, 50))[0].tolist() == does(history, Clicked(20, 50))[0].tolist()
    assert not again.entries[-1].fresh


def test_states_of_what_was_taken_back_are_not_used_again():
    history = History(PREDICTOR, START, keep_bytes=1)
    does(history, *(Clicked(20 * n + 10, 30) for n in range(3)))
    history.undo()
    history.undo()
    other = (stroke((70, 50)), Clicked(30, 50))
    expected = History(PREDICTOR, START)
    masks = does(expected, Clicked(10, 30), *other)
    assert np.array_equal(does(history, *other), masks[1:])
    assert np.array_equal(history.prob, expected.prob)


def test_memory_is_bounded():
    state_bytes = HEIGHT * WIDTH * 4
    history = History(PREDICTOR, START, keep_bytes=5 * state_bytes)
    probs = []
    for n in range(14):
        does(history, Clicked(5 * n + 3, 30, n % 3 != 1, cfr=n % 2) if n % 5 else stroke((5 * n, 20)))
        probs.append(history.prob)
        assert history.nbytes < 6 * state_bytes + 14 * HEIGHT * WIDTH // 8
    for prob in probs[::-1]:
        assert np.array_equal(history.mask.mask(), prob > 0.5)
        history.undo()
    history.redo()
    history.thin()
    assert history.nbytes < state_bytes + 14 * HEIGHT * WIDTH // 8


@pytest.mark.parametrize(
    ("make", "cure"),
    [
        (lambda: Clicked(-1, 5), "outside"),
        (lambda: Clicked(WIDTH, 5), "0 <= x < 80"),
        (lambda: Clicked(float("nan"), 5), "finite"),
        (lambda: Clicked(5, 5, cfr=9), "0 to 8"),
        (lambda: Clicked(5, 5, cfr=-1), "0 to 8"),
        (lambda: Brushed((), 3), "1 to 20,000 points"),
        (lambda: Brushed(((float("nan"), 0),), 3), "pixels of the photo"),
        (lambda: Brushed(((1e300, 0),), 3), "pixels of the photo"),
        (lambda: Brushed(((1, 0),), 0), "radius"),
        (lambda: Brushed(((1, 0),), float("inf")), "radius"),
        (lambda: Cleaned(-1, 0), "0 or more"),
        (lambda: Thresholded(0.0), "between 0 and 1"),
        (lambda: Thresholded(float("nan")), "between 0 and 1"),
        (lambda: Replaced(EncodedMask.pack(SQUARE[:50])), "80x50 pixels but the photo is 80x60"),
        (lambda: from_json("click", {"x": "left", "y": 3}), "no action of the kind 'click'"),
        (lambda: from_json("click", {"x": 3}), "no action of the kind 'click'"),
        (lambda: from_json("brush", {"points": [[1, 2, 3]], "radius_px": 1}), "no action"),
        (lambda: from_json("brush", {"points": 7, "radius_px": 1}), "no action"),
        (lambda: from_json("paint", {}), "there are: click"),
        (lambda: from_json("mask", {}), "there are: click"),
    ],
)
def test_actions_that_cannot_be_done_change_nothing(make, cure):
    history = History(PREDICTOR, START)
    does(history, Clicked(30, 30))
    before = history.mask
    with pytest.raises(InputError, match=cure):
        history.commit(history.after(make()))
    assert history.mask == before
    assert len(history.entries) == 1


@given(actions)
def test_actions_come_back_from_json(action):
    mask = action.mask if isinstance(action, Replaced) else None
    assert from_json(action.kind, to_json(action), mask) == action


def test_strokes_beside_the_photo_do_nothing():
    history = History(PREDICTOR, START)
    before, after = does(history, Clicked(30, 30), stroke((-50, -50), (-40, 300), radius_px=5))
    assert np.array_equal(before, after)
    assert len(history.entries) == 2


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32), st.sampled_from([0.02, 0.5, 0.98]))
@settings(max_examples=60, deadline=None)
def test_masks_come_back_from_their_packing(height, width, seed, share):
    rng = np.random.default_rng(seed)
    mask, other = rng.random((2, height, width)) < share
    packed = EncodedMask.pack(mask)
    assert np.array_equal(packed.mask(), mask)
    assert packed.area_px == mask.sum()
    assert packed.box == Box.around(mask)
    if packed.box is not None:
        picture = PIL.Image.open(io.BytesIO(packed.png()))
        picture.load()
        assert picture.mode == "1"
        assert np.array_equal(np.asarray(picture), mask[packed.box.slices])
    patch = difference(packed, EncodedMask.pack(other))
    if patch is None:
        assert np.array_equal(mask, other)
    else:
        assert patch.box == Box.around(mask != other)
        patched = mask.copy()
        patched[patch.box.slices] = patch.crop()
        assert np.array_equal(patched, other)
    count, same = compared(packed, EncodedMask.pack(other))
    assert count == (mask != other).sum() == count_changed(packed, EncodedMask.pack(other))
    assert same == patch


def test_a_step_tells_what_it_changed_of_the_mask_before_it():
    history = History(PREDICTOR, START)
    for action in (
        Clicked(30, 30, cfr=2),
        Clicked(40, 20),
        Clicked(42, 22, positive=False),
        Cleaned(),
        Thresholded(0.7),
    ):
        before, step = history.mask, history.after(action)
        assert step.patch == difference(before, step.entry.mask)
        history.commit(step)


def test_empty_and_damaged_masks():
    empty = EncodedMask.pack(SQUARE & False)
    assert empty == EncodedMask.empty((HEIGHT, WIDTH))
    assert not empty.mask().any()
    with pytest.raises(InputError, match="empty"):
        empty.png()
    assert difference(empty, empty) is None
    full = EncodedMask.pack(SQUARE)
    for data in (b"", full.data[:-4], b"nonsense"):
        with pytest.raises(InputError, match="damaged"):
            replace(full, data=data).mask()
