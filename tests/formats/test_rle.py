import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from fewclicks.errors import InputError
from fewclicks.formats import rle


def blobs(rng, hw, share=0.5):
    """A mask of runs of many lengths."""
    small = rng.random((-(-hw[0] // 7), -(-hw[1] // 5))) < share
    return np.kron(small, np.ones((7, 5), bool))[: hw[0], : hw[1]] ^ (rng.random(hw) < 0.02)


def same_as_coco(mask):
    theirs = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    lengths = rle.runs(mask)
    assert rle.text(lengths) == theirs["counts"].decode("ascii")
    assert np.array_equal(rle.runs_of_text(theirs["counts"]), lengths)
    assert np.array_equal(rle.mask_of(lengths, mask.shape), mask)


@pytest.mark.parametrize("hw", [(1, 1), (1, 7), (7, 1), (3, 5), (64, 31), (301, 403)])
def test_runs_are_those_of_pycocotools(hw):
    rng = np.random.default_rng(hw)
    same_as_coco(np.zeros(hw, bool))
    same_as_coco(np.ones(hw, bool))
    for share in (0.01, 0.3, 0.5, 0.98):
        same_as_coco(blobs(rng, hw, share))
        same_as_coco(rng.random(hw) < share)
    corner = np.zeros(hw, bool)
    corner[-1, -1] = True
    same_as_coco(corner)
    same_as_coco(~corner)
    same_as_coco(np.asfortranarray(rng.random(hw) < 0.5))


def test_long_runs():
    mask = np.zeros((3000, 2001), bool)
    mask[:, 700:1900] = True
    mask[5, 1000] = False
    same_as_coco(mask)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 2**32), st.floats(0, 1))
def test_any_mask_comes_back(height, width, seed, share):
    same_as_coco(np.random.default_rng(seed).random((height, width)) < share)


def test_a_literal():
    mask = np.array([[0, 1, 1], [0, 1, 0], [1, 1, 0], [0, 0, 0]], bool)
    assert rle.runs(mask).tolist() == [2, 1, 1, 3, 1, 1, 3]
    assert np.array_equal(rle.mask_of([2, 1, 1, 3, 1, 1, 3], (4, 3)), mask)


@pytest.mark.parametrize(
    "lengths",
    [[11], [13], [], [-1, 13], [6, 2**62, 6, 2**62], [1.5, 10.5], ["6", 6], [[6, 6]], [[6], [5, 1]], [None], [2**70]],
)
def test_runs_that_do_not_fit_are_refused(lengths):
    with pytest.raises(InputError, match="RLE"):
        rle.mask_of(lengths, (3, 4))


@pytest.mark.parametrize("string", ["ÿ", "\x10", "p", "pppppppppp0", "0p", " ", "~~~"])
def test_text_that_is_no_rle_is_refused(string):
    with pytest.raises(InputError, match="RLE"):
        rle.runs_of_text(string)


def test_any_text_gives_runs_or_an_error():
    rng = np.random.default_rng(0)
    for _ in range(2000):
        string = bytes(rng.integers(40, 120, rng.integers(0, 30)).astype(np.uint8))
        try:
            rle.mask_of(rle.runs_of_text(string), (5, 6))
        except InputError:
            continue
