"""The classical methods' tools: the cheapest cut, and neutro-connectedness."""

import itertools

import numpy as np
import pytest

pytest.importorskip("scipy")

from fewclicks.models.graph_cut import CERTAIN, Borders, cut
from fewclicks.models.neutro import Forest


def energy(mask, cost, image, smoothness):
    """What `cut` makes least."""
    flat = mask.ravel()
    borders = Borders.of(image)
    border = (borders.contrast * (flat[borders.first] != flat[borders.second])).sum()
    return (cost * mask).sum() + smoothness * border


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_no_other_mask_costs_less(seed):
    rng = np.random.default_rng(seed)
    cost, image = rng.normal(size=(3, 4)), rng.random((3, 4, 3))
    cost[0, 0], cost[2, 3] = -CERTAIN, CERTAIN
    found = energy(cut(cost, Borders.of(image), 0.7), cost, image, 0.7)
    every = itertools.product((False, True), repeat=12)
    least = min(energy(np.reshape(mask, (3, 4)), cost, image, 0.7) for mask in every)
    assert found == pytest.approx(least, abs=0.05)


def test_certain_pixels_stay_where_they_are():
    cost = np.full((5, 5), 1.0)
    cost[2, 2] = -CERTAIN
    mask = cut(cost, Borders.of(np.zeros((5, 5, 3))), 0.01)
    assert mask[2, 2]
    assert mask.sum() == 1


def test_a_photo_whose_pixels_are_all_certain_is_cut_as_they_say():
    cost = np.array([[-CERTAIN, CERTAIN], [CERTAIN, -CERTAIN]])
    assert cut(cost, Borders.of(np.zeros((2, 2, 3))), 1.0).tolist() == [[True, False], [False, True]]


def test_a_single_pixel_has_no_neighbors():
    assert cut(np.array([[-1.0]]), Borders.of(np.zeros((1, 1, 3))), 1.0).all()
    assert Forest.grown(np.zeros((1, 1, 3)), np.zeros((1, 1))).connect(np.ones((1, 1), bool)).truth[0, 0] == 1


def weakest_links(image, seed):
    """The least weakness of the worst link of all paths from a seed, by relaxation until nothing changes."""
    rows, columns = image.shape[:2]
    best = np.full((rows, columns), np.inf)
    best[seed] = 0
    for _ in range(rows * columns):
        for y, x in itertools.product(range(rows), range(columns)):
            for dy, dx in itertools.product((-1, 0, 1), repeat=2):
                if 0 <= y + dy < rows and 0 <= x + dx < columns:
                    link = float(np.linalg.norm(image[y, x] - image[y + dy, x + dx]))
                    best[y, x] = min(best[y, x], max(best[y + dy, x + dx], link))
    return best


def test_truth_is_the_weakest_link_of_the_best_path():
    image = np.random.default_rng(0).random((5, 6, 3))
    forest = Forest.grown(image, np.zeros((5, 6)))
    seeds = np.zeros((5, 6), bool)
    seeds[1, 2] = True
    found = forest.connect(seeds)
    np.testing.assert_allclose(found.truth, np.exp(-weakest_links(image, (1, 2)) / forest.scale), atol=1e-9)
    assert (found.seed == 1 * 6 + 2).all()


def test_every_pixel_goes_to_the_seed_on_its_side_of_an_edge():
    image = np.zeros((4, 8, 1))
    image[:, 5:] = 1
    seeds = np.zeros((4, 8), bool)
    seeds[0, 0] = seeds[3, 7] = True
    found = Forest.grown(image, np.zeros((4, 8))).connect(seeds).seed
    assert (found[:, :5] == 0).all()
    assert (found[:, 5:] == 31).all()


def test_indeterminacy_is_the_mean_of_the_ground_along_the_path():
    ground = np.array([[0.0, 0.2, 0.4, 0.6]])
    seeds = np.array([[True, False, False, False]])
    found = Forest.grown(np.zeros((1, 4, 1)), ground).connect(seeds).indeterminacy
    np.testing.assert_allclose(found, [[0.0, 0.1, 0.2, 0.3]])


def test_nothing_is_connected_where_there_are_no_seeds():
    found = Forest.grown(np.zeros((2, 2, 1)), np.zeros((2, 2))).connect(np.zeros((2, 2), bool))
    assert not found.truth.any()
    assert (found.seed == -1).all()
