"""The four modes on 4x4 literals."""

import numpy as np

from fewclicks.training import suem

A = np.full((4, 4, 3), 100, np.uint8)
B = np.full((4, 4, 3), 200, np.uint8)
TRUTH = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, -1]], np.int8)
OTHER = np.array([[0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]], np.int8)


def grey(image: np.ndarray) -> list[list[int]]:
    return image[..., 0].tolist()


def test_simple_puts_the_object_on_the_other_photo():
    image, truth = suem.simple(A, TRUTH, B)
    assert grey(image) == [[100, 100, 200, 200], [100, 100, 200, 200], [200] * 4, [200] * 4]
    assert truth.tolist() == TRUTH.tolist()
    veiled, _ = suem.simple(A, TRUTH, B, 0.5)
    assert grey(veiled) == [[150, 150, 200, 200], [150, 150, 200, 200], [200] * 4, [200] * 4]


def test_union_makes_both_the_target():
    image, truth = suem.union(A, TRUTH, B, OTHER)
    assert grey(image) == [[100, 200, 200, 100], [100, 200, 200, 100], [100] * 4, [100] * 4]
    assert truth.tolist() == [[1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, -1]]


def test_exclusion_leaves_what_is_not_covered():
    image, truth = suem.exclusion(A, TRUTH, B, OTHER)
    assert grey(image) == [[100, 200, 200, 100], [100, 200, 200, 100], [100] * 4, [100] * 4]
    assert truth.tolist() == [[1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, -1]]


def test_blend_veils_the_other_object_and_keeps_the_target():
    image, truth = suem.blend(A, TRUTH, B, OTHER, 0.75)
    assert grey(image) == [[100, 125, 125, 100], [100, 125, 125, 100], [100] * 4, [100] * 4]
    assert truth.tolist() == TRUTH.tolist()


def test_mixing_blends_the_photos_and_keeps_the_target():
    image, truth = suem.mixing(A, TRUTH, B, 0.75)
    assert grey(image) == [[125] * 4] * 4
    assert truth.tolist() == TRUTH.tolist()


def test_nothing_is_changed_in_place():
    before = [x.copy() for x in (A, TRUTH, B, OTHER)]
    suem.simple(A, TRUTH, B, 0.5)
    suem.mixing(A, TRUTH, B)
    for mode in (suem.union, suem.exclusion, suem.blend):
        mode(A, TRUTH, B, OTHER)
    assert all((x == y).all() for x, y in zip(before, (A, TRUTH, B, OTHER), strict=True))


def test_place_moves_and_rescales_the_object_as_a_whole():
    image = np.zeros((60, 80, 3), np.uint8)
    truth = np.zeros((60, 80), np.int8)
    truth[20:40, 30:50], image[20:40, 30:50] = 1, 255
    areas = set()
    for seed in range(20):
        moved, where = suem.place(image, truth, np.random.default_rng(seed))
        areas.add(int(where.sum()))
        assert where.any()
        assert moved[where == 1].mean() > 200  # the pixels moved with the truth
        assert moved[where == 0].mean() < 5
    assert len(areas) > 5
