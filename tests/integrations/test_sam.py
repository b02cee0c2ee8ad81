"""The shape of SAM's predictor, and what it answers."""

import numpy as np
import PIL.Image
import pytest

import fakes
import fewclicks
from fewclicks.clicks import Click, Clicks
from fewclicks.errors import InputError
from fewclicks.integrations.replay import Replay
from fewclicks.integrations.sam import SamPredictor, mask_of_any

PHOTO = "examples/images/coffee.png"


@pytest.fixture(scope="module")
def predictor():
    made = SamPredictor("default", threads=1)
    made.set_image(np.asarray(PIL.Image.open(PHOTO).convert("RGB")))
    return made


def test_points_give_what_a_session_gives(predictor):
    masks, scores, logits = predictor.predict(
        np.array([[290, 130], [150, 290]]), np.array([1, 0]), multimask_output=False
    )
    session = fewclicks.open(PHOTO, threads=1)
    session.click(290, 130)
    assert np.array_equal(masks[0], session.click(150, 290, positive=False))
    assert masks.shape == logits.shape == (1, *predictor.original_size)
    assert (masks.dtype, logits.dtype, scores.dtype) == (bool, np.float32, np.float32)
    assert np.array_equal(logits > predictor.mask_threshold, masks)
    again = predictor.predict(np.array([[290, 130]]), np.array([1]), mask_input=logits, multimask_output=False)[0]
    assert _iou(again[0], masks[0]) > 0.8, "the logits are the mask to correct"


def test_three_masks_from_the_part_to_the_whole(predictor):
    masks, scores, _ = predictor.predict(np.array([[290, 130]]), np.array([1]))
    areas = masks.sum(axis=(1, 2))
    assert masks.shape[0] == scores.shape[0] == 3
    assert list(areas) == sorted(areas)
    assert all(mask[130, 290] for mask in masks)
    assert ((scores > 0) & (scores <= 1)).all()


def test_a_box_and_a_mask_of_another_tool(predictor):
    session = fewclicks.open(PHOTO, threads=1)
    session.click(290, 130)
    truth = session.click(150, 290, positive=False)
    rows, columns = np.nonzero(truth)
    box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    assert _iou(predictor.predict(box=box, multimask_output=False)[0][0], truth) > 0.5
    half = truth.copy()
    half[:, : int(columns.mean())] = False
    small = half[::3, ::3].astype(np.uint8) * 255
    for mask in (half, small, small[None].astype(np.float32) / 255):
        assert _iou(predictor.predict(mask_input=mask, multimask_output=False)[0][0], truth) > _iou(half, truth)


def test_masks_of_any_kind_mean_the_same():
    wide = np.zeros((60, 120), bool)
    wide[10:50, 20:100] = True
    logits = np.where(wide, 9.0, -9.0)
    for mask in (wide, wide.astype(np.uint8) * 255, wide.astype(np.float64), logits, logits[None]):
        assert np.array_equal(mask_of_any(mask, (60, 120)) > 0.5, wide)
    padded = np.full((256, 256), -9.0)
    padded[21:107, 43:213] = 9.0  # SAM's: scaled by 256 / 120, in the upper left corner
    assert _iou(mask_of_any(padded, (60, 120)) > 0.5, wide) > 0.95
    for bad in (np.zeros(5), np.zeros((3, 4, 4)), np.full((4, 4), np.nan)):
        with pytest.raises(InputError, match="mask_input"):
            mask_of_any(bad, (60, 120))


def test_wrong_use_says_the_cure():
    empty = SamPredictor(fakes.Discs())
    with pytest.raises(RuntimeError, match=r"An image must be set with \.set_image"):
        empty.predict(np.array([[1, 1]]), np.array([1]))
    empty.set_image(np.zeros((20, 30, 3), np.uint8), "BGR")
    assert empty.is_image_set
    with pytest.raises(AssertionError, match="point_labels"):
        empty.predict(np.array([[1, 1]]))
    for arguments, cure in (
        ({}, "pass point_coords"),
        ({"point_coords": [[1, 1]], "point_labels": [1, 0]}, "a label for each point"),
        ({"point_coords": [[1, 1]], "point_labels": [2]}, "labels are 1"),
        ({"point_coords": [[100, 1]], "point_labels": [1]}, "outside the image"),
        ({"box": [1, 2, 3]}, "one box at a time"),
    ):
        with pytest.raises(InputError, match=cure):
            empty.predict(**arguments)
    assert empty.predict(np.array([[30, 20], [3, 3]]), np.array([1, -1]))[0].any(), "the edge counts, padding does not"
    empty.reset_predictor()
    assert not empty.is_image_set


def test_only_the_last_click_is_computed():
    spy = fakes.Spy()
    replay = Replay(spy, fakes.gradient(60, 80))
    clicks = Clicks()
    for x in (10, 30, 50):
        clicks += Click(x, 20)
        last = replay.state(clicks)
    assert [len(said) for _, said in spy.seen] == [1, 2, 3]
    assert len(spy.started) == 1
    assert replay.state(clicks) is last
    replay.state(Clicks((Click(10, 20), Click(31, 20))))
    assert len(spy.seen) == 4, "what was said alike is kept"
    replay.state(clicks, mask=np.ones((60, 80), np.float32))
    assert len(spy.seen) == 7, "another mask to correct begins anew"


def _iou(one, other):
    return (one & other).sum() / (one | other).sum()
