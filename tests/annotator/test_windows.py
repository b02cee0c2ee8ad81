"""Large photos: objects in windows. Here what is large is made small."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes import Discs, gradient
from fewclicks.annotator.editing import windows
from fewclicks.annotator.editing.actions import Brushed, Cleaned, Clicked, Replaced, Thresholded
from fewclicks.annotator.editing.brush import painted
from fewclicks.annotator.editing.history import History, replay
from fewclicks.annotator.editing.mask_codec import EncodedMask, count_changed, difference
from fewclicks.annotator.editing.windows import first_state, is_large
from fewclicks.evaluation.metrics import iou
from fewclicks.geometry import Box
from fewclicks.refinement import ClickConsistency
from fewclicks.transforms import ZoomIn

HW = HEIGHT, WIDTH = 240, 320
PHOTO = gradient(*HW)
PREDICTOR = ClickConsistency(ZoomIn(Discs(radius_px=8, noise=0.3), size=64, min_crop_px=20, multiple=16))


@pytest.fixture(autouse=True)
def everything_is_large(monkeypatch):
    monkeypatch.setattr(windows, "LARGE_PX", 1000)
    monkeypatch.setattr(windows, "LEAST_PX", 48)
    monkeypatch.setattr(windows, "COARSE_SIDE_PX", 80)


def new():
    return History(PREDICTOR, first_state(PREDICTOR, PHOTO))


def does(history, *actions):
    for action in actions:
        history.commit(history.after(action))
    return history.mask.mask()


def disc(x, y, radius_px):
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius_px**2


def test_the_first_click_is_answered_on_a_small_copy_and_lies_where_it_should():
    history = new()
    mask = does(history, Clicked(100, 150))
    assert iou(mask, disc(100, 150, 8 * 320 / 64)) > 0.9, "a disc of 8 pixels of the 64 that the network sees"
    assert history.entries[0].changed_px == (mask.sum(),)
    held = history._held(1)
    assert held.window.hw[0] * held.window.hw[1] < HEIGHT * WIDTH
    assert held.state.prob.shape == held.window.hw == held.state.image.shape[:2]
    assert np.array_equal(history.prob > 0.5, mask)


def test_what_a_click_costs_is_the_size_of_the_object():
    history = new()
    square = np.zeros(HW, bool)
    square[100:120, 200:230] = True
    does(history, Replaced(EncodedMask.pack(square)), Clicked(225, 118))
    held = history._held(2)
    assert held.window.union(Box(200, 100, 230, 120)) == held.window
    assert max(held.window.hw) < 100
    assert held.nbytes < 4 * 100 * 100


@pytest.mark.parametrize("point", [(0, 0), (WIDTH - 0.6, HEIGHT - 0.6), (0.4, HEIGHT - 1), (160.5, 120.5)])
def test_the_pixel_of_every_click_is_as_it_says(point):
    history = new()
    x, y = point
    row, column = Clicked(x, y).click.pixel(HW)
    assert does(history, Clicked(x, y))[row, column]
    assert not does(history, Clicked(x, y, False))[row, column]
    assert does(history, Clicked(x, y, cfr=2))[row, column]


def test_a_click_on_the_background_first():
    history = new()
    assert not does(history, Clicked(10, 10, False)).any()
    assert not does(history, Thresholded(0.4)).any()
    mask = does(history, Clicked(200, 100))
    assert mask[100, 200]
    assert not mask[10, 10]


def test_strokes_are_exact_also_outside_of_the_window_and_later_clicks_respect_them():
    history = new()
    before = does(history, Clicked(60, 60))
    stroke = Brushed(((250.0, 200.0), (300.0, 230.0)), 6)
    box, cover = painted(stroke, HW)
    drawn = does(history, stroke)
    wanted = before.copy()
    wanted[box.slices] |= cover
    assert np.array_equal(drawn, wanted)
    eraser = Brushed(((60.0, 60.0),), 5, erase=True)
    box, cover = painted(eraser, HW)
    after = does(history, eraser, Clicked(80, 60, cfr=1), Clicked(20, 200, False))
    assert not after[box.slices][cover].any()
    box, cover = painted(stroke, HW)
    assert after[box.slices][cover].all()


def test_imported_masks_stay_where_no_click_changes_them():
    square = np.zeros(HW, bool)
    square[20:60, 20:60] = True
    far = square.copy()
    far[200:203, 300:303] = True
    history = new()
    does(history, Replaced(EncodedMask.pack(far)))
    cleaned = does(history, Cleaned(drop_specks_px=9))
    assert np.array_equal(cleaned, square)


def test_masks_are_much_like_those_of_photos_that_are_not_large(monkeypatch):
    actions = Clicked(100, 150), Clicked(140, 150, cfr=1), Clicked(120, 100, False), Clicked(60, 150)
    here = does(new(), *actions)
    monkeypatch.setattr(windows, "LARGE_PX", 10**9)
    assert not is_large(HW)
    assert iou(here, does(new(), *actions)) > 0.85


xs, ys = st.floats(0, WIDTH - 1), st.floats(0, HEIGHT - 1)
actions = st.one_of(
    st.builds(Clicked, x=xs, y=ys, positive=st.booleans(), cfr=st.integers(0, 2)),
    st.builds(Brushed, st.lists(st.tuples(xs, ys), min_size=1, max_size=3).map(tuple), st.floats(1, 15), st.booleans()),
    st.integers(0, 4).map(lambda n: Replaced(EncodedMask.pack(disc(60 * n, 40 * n, 25)))),
    st.builds(Cleaned, st.integers(0, 60), st.integers(0, 60)),
    st.builds(Thresholded, st.floats(0.05, 0.95)),
)


@given(st.lists(st.one_of(actions, st.sampled_from(["undo", "redo", "restart", "thin"])), max_size=8))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_replays_give_the_same_masks_bit_for_bit(steps):
    history = new()
    for step in steps:
        match step:
            case "undo":
                history.undo()
            case "redo":
                history.redo()
            case "thin":
                history.thin()
            case "restart":
                entries, done = history._undo.every, history._undo.done
                history = History(PREDICTOR, first_state(PREDICTOR, PHOTO), entries, done)
            case _:
                does(history, step)
    start = first_state(PREDICTOR, PHOTO)
    for mask, entry in zip(replay(PREDICTOR, start, history.entries), history.entries, strict=True):
        assert np.array_equal(mask, entry.mask.mask())


def test_changed_pixels_are_counted_in_boxes():
    one, two = disc(50, 50, 20), disc(80, 60, 30)
    packed = EncodedMask.pack(one), EncodedMask.pack(two)
    assert count_changed(*packed) == (one != two).sum()
    assert count_changed(packed[0], packed[0]) == 0
    assert count_changed(EncodedMask.empty(HW), packed[0]) == one.sum()
    assert count_changed(EncodedMask.empty(HW), EncodedMask.empty(HW)) == 0
    assert difference(*packed) is not None
