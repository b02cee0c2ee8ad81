"""Scenes: one layer of ids as ever, several where objects overlap."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fewclicks.types import IGNORE_ID, Scene

BOAT = np.array([[1, 1, 0, 255], [1, 1, 0, 0]], np.uint8)
SAIL = np.array([[0, 300, 300, 300], [0, 0, 0, 255]], np.uint16)


def scene(ids, parents=None):
    return Scene(np.zeros((*ids.shape[:2], 3), np.uint8), ids, "x", parents or {})


def test_one_layer_of_ids():
    flat = scene(BOAT)
    assert flat.objects() == [1]
    assert flat.truth(1).tolist() == [[1, 1, 0, -1], [1, 1, 0, 0]]
    assert flat.truth().tolist() == [[0, 0, 0, -1], [0, 0, 0, 0]]
    assert flat.truth(1).dtype == np.int8


def test_objects_that_overlap():
    layered = scene(np.dstack([BOAT.astype(np.uint16), SAIL]))
    assert layered.objects() == [1, 300]
    assert layered.truth(1).tolist() == [[1, 1, 0, -1], [1, 1, 0, -1]]
    assert layered.truth(300).tolist() == [[0, 1, 1, 1], [0, 0, 0, -1]], "what is covered by a chosen id is counted"
    assert layered.truth(1, 300).tolist() == [[1, 1, 1, 1], [1, 1, 0, -1]]
    assert layered.truth().tolist() == [[0, 0, 0, -1], [0, 0, 0, -1]]
    assert layered.truth(1).dtype == np.int8


@given(hnp.arrays(np.uint8, (5, 6), elements=st.sampled_from([0, 1, 2, 254, 255])))
def test_layers_say_what_one_layer_said(ids):
    """Each object in a layer of its own, the ignored pixels in any of them."""
    flat, chosen = scene(ids), (2, 254)
    apart = [np.where((ids == k) | (ids == IGNORE_ID) & (k == 1), ids, 0) for k in (1, 2, 254)]
    for dtype in (np.uint8, np.uint16):
        layered = scene(np.dstack(apart).astype(dtype))
        assert layered.objects() == flat.objects()
        np.testing.assert_array_equal(layered.truth(*chosen), flat.truth(*chosen))
        np.testing.assert_array_equal(layered.truth(), flat.truth())
        np.testing.assert_array_equal(scene(ids.astype(dtype)).truth(1), flat.truth(1))


def test_roots_are_no_part_of_another():
    layered = scene(np.dstack([BOAT.astype(np.uint16), SAIL]), {300: 1})
    assert layered.objects() == [1, 300]
    assert layered.roots() == [1]
    assert scene(BOAT).roots() == [1]


def test_objects_can_be_left_out():
    layered = Scene(
        np.zeros((2, 4, 3), np.uint8), np.dstack([BOAT.astype(np.uint16), SAIL]), "x", {300: 1}, frozenset({1})
    )
    rest = layered.without(layered.stuff)
    assert rest.objects() == rest.roots() == [300]
    assert rest.truth(300).tolist() == layered.truth(300).tolist()
    assert layered.objects() == [1, 300], "the scene itself stays as it is"
    assert rest.ids.dtype == np.uint16
    assert not rest.stuff


def test_an_id_that_no_layer_can_hold_is_a_mistake():
    with pytest.raises(IndexError):
        scene(BOAT).truth(300)
