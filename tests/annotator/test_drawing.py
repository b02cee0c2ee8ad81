"""Polygons, outlines drawn anew, masks that are fitted: done, undone, replayed, also in windows of large photos."""

import numpy as np
import pytest

from fakes import Discs, gradient
from fewclicks.annotator.editing import windows
from fewclicks.annotator.editing.actions import Boxed, Clicked, Fitted, Outlined, Replaced, Reshaped, from_json, to_json
from fewclicks.annotator.editing.history import History, replay
from fewclicks.annotator.editing.mask_codec import EncodedMask
from fewclicks.annotator.editing.shapes import polygon
from fewclicks.annotator.editing.windows import first_state
from fewclicks.errors import InputError
from fewclicks.refinement import CFR, ClickConsistency

SQUARE = ((10, 10), (29, 10), (29, 29), (10, 29))


def drawn(points, hw=(60, 80)):
    found, mask = polygon(points, hw), np.zeros(hw, bool)
    if found:
        mask[found[0].slices] = found[1]
    return mask


def begun(hw=(60, 80), predictor=None):
    predictor = predictor or ClickConsistency(CFR(Discs(), steps=1))
    return History(predictor, first_state(predictor, gradient(*hw)))


def does(history, *actions):
    masks = []
    for action in actions:
        history.commit(history.after(action))
        masks.append(history.mask.mask())
    return masks


@pytest.mark.parametrize(
    "action",
    [Outlined(SQUARE, True), Outlined(SQUARE), Reshaped(SQUARE, SQUARE[:3]), Fitted(2, True), Fitted()],
)
def test_the_journal_keeps_them(action):
    assert from_json(action.kind, to_json(action)) == action
    assert len(action.kind) <= 9


def test_a_polygon_holds_the_pixels_whose_centers_lie_within_it():
    mask = drawn(((9.5, 9.5), (19.5, 9.5), (19.5, 14.5), (9.5, 14.5)))
    assert mask.sum() == 50
    assert mask[10:15, 10:20].all()
    # By even-odd: where a lasso crosses itself twice is a hole. Beside the photo there is nothing.
    outer = ((0, 0), (40, 0), (40, 40), (0, 40), (0, 0), (10, 10), (30, 10), (30, 30), (10, 30), (10, 10))
    assert not drawn(outer)[20, 20]
    assert drawn(outer)[5, 5]
    assert not drawn(((-50, -50), (-10, -50), (-10, -10))).any()


def test_later_clicks_respect_what_was_drawn_and_a_polygon_overrules_earlier_ones():
    history = begun()
    _, added, taken = does(
        history, Clicked(30, 30), Outlined(SQUARE), Outlined(((50, 20), (79, 20), (79, 40), (50, 40)), True)
    )
    assert added[12:28, 12:28].all()
    assert not taken[22:38, 52:78].any()
    (after,) = does(history, Clicked(45, 30))
    assert after[12:28, 12:28].all()
    assert not after[22:38, 52:78].any()
    does(history, Outlined(((0, 0), (40, 0), (40, 59), (0, 59)), True))
    assert [(click.x, click.y) for click in history.clicks] == [(45, 30)]


def test_reshaping_changes_nothing_but_what_lies_between_the_two_outlines():
    history = begun()
    (before,) = does(history, Replaced(EncodedMask.pack(np.random.default_rng(1).random((60, 80)) > 0.5)))
    moved = (*SQUARE[:2], (40, 40), SQUARE[3])
    (after,) = does(history, Reshaped(SQUARE, moved))
    more, less = drawn(moved) & ~drawn(SQUARE), drawn(SQUARE) & ~drawn(moved)
    assert more.any()
    assert np.array_equal(after, (before | more) & ~less)
    # The other way round it comes back, but for what it had covered.
    (back,) = does(history, Reshaped(moved, SQUARE))
    assert np.array_equal(back, before & ~more | less)


def test_fitting_begins_from_the_mask_and_keeps_what_was_clicked_and_drawn():
    history = begun()
    mask = np.zeros((60, 80), bool)
    mask[20:40, 20:50] = True
    _, _, fitted = does(history, Replaced(EncodedMask.pack(mask)), Outlined(SQUARE, True), Fitted(None))
    assert history.entries[-1].action.cfr == 1
    assert len(history.passes) == 2
    assert not fitted[12:28, 12:28].any()
    assert not np.array_equal(fitted, mask)
    with pytest.raises(InputError, match="no mask to fit yet"):
        does(begun(), Fitted())


@pytest.mark.parametrize("size", [(60, 80), (410, 400)])
def test_they_are_undone_exactly_and_replayed(size, monkeypatch):
    for name in ("COARSE_SIDE_PX", "LEAST_PX"):
        monkeypatch.setattr(windows, name, getattr(windows, name) // 10)
    monkeypatch.setattr(windows, "LARGE_PX", windows.LARGE_PX // 100)
    k = size[0] / 60

    def at(points):
        return tuple((x * k, y * k) for x, y in points)

    corner = (*SQUARE[:2], (40, 40), SQUARE[3])
    actions = (
        Clicked(30 * k, 30 * k),
        Outlined(at(SQUARE)),
        Fitted(1),
        Clicked(50 * k, 20 * k),
        Boxed(9, 9, 40 * k, 50 * k),
        Reshaped(at(SQUARE), at(corner)),
        Clicked(45 * k, 45 * k, False),
        Fitted(0),
        Outlined(at(((40, 5), (60, 5), (60, 30))), True),
        Clicked(20 * k, 50 * k),
    )
    history = begun(size)
    masks = does(history, *actions)
    again = replay(history._predictor, history._start, history.entries)
    assert all(np.array_equal(one, mask) for one, mask in zip(again, masks, strict=True))
    for mask in (*masks[-2::-1], np.zeros(size, bool)):
        history.undo()
        assert np.array_equal(history.mask.mask(), mask)
    # With nothing kept but what the store has: the same again.
    again = History(history._predictor, history._start, history._undo.every, len(actions))
    assert np.array_equal(
        does(again, Clicked(33 * k, 33 * k))[0], does(redone(history, len(actions)), Clicked(33 * k, 33 * k))[0]
    )


def redone(history, count):
    for _ in range(count):
        history.redo()
    return history


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Outlined(SQUARE[:2]), "3 to 20,000 points, got 2"),
        (lambda: Outlined((*SQUARE[:2], (float("nan"), 3))), "far from any photo"),
        (lambda: Reshaped(SQUARE, ()), "got 0"),
        (lambda: Fitted(9), "0 to 8 times"),
    ],
)
def test_wrong_ones_are_refused_in_a_sentence(make, words):
    with pytest.raises(InputError, match=words):
        make()
