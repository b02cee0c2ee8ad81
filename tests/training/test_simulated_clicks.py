"""Simulated clicks: exact, the same by both ways to find depths, and for a batch as for its samples one by one."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fewclicks.checkpoints import checkpoint
from fewclicks.recipes.toy import toy
from fewclicks.training import loop, objectives
from fewclicks.training.clicks import draw, next_click
from fewclicks.training.simulated_clicks import DRAW, Depths, clicks_on_errors, in_parallel, squared_depth


def regions(seed, height, width):
    """Masks of many kinds: nothing, all, dots, noise, ellipses."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    masks = [np.zeros((height, width), bool), np.ones((height, width), bool), rng.random((height, width)) < 0.02]
    masks += [rng.random((height, width)) < 0.97, rng.random((height, width)) < 0.5]
    for _ in range(3):
        y, x, a, b = rng.random(4) * (height, width, height, width) + (0, 0, 1, 1)
        masks.append(((rows - y) / a) ** 2 + ((columns - x) / b) ** 2 < 1)
    return torch.from_numpy(np.stack(masks))


def by_definition(region):
    """The squared distance to the nearest pixel outside, one pair of pixels after another."""
    padded = np.pad(region.numpy(), 1)
    outside = np.argwhere(~padded)
    found = np.zeros(padded.shape, int)
    for y, x in np.argwhere(padded):
        found[y, x] = ((outside - (y, x)) ** 2).sum(1).min()
    return found[1:-1, 1:-1]


@pytest.mark.parametrize("hw", [(13, 17), (1, 9), (9, 1), (24, 24)])
def test_depths_are_exact_by_both_ways(hw):
    masks = regions(0, *hw)
    wanted = np.stack([by_definition(mask) for mask in masks])
    assert np.array_equal(squared_depth(masks), wanted)
    assert np.array_equal([one_by_one(mask.numpy()) for mask in masks], wanted)


def one_by_one(mask):
    """The depths of the whole picture from those of the box."""
    found, whole = Depths.of(mask), np.zeros(mask.shape, int)
    height, width = found.squares.shape
    whole[found.above : found.above + height, found.left : found.left + width] = found.squares
    return whole


def test_both_ways_agree_on_large_pictures():
    masks = regions(1, 352, 301)
    assert np.array_equal(squared_depth(masks), [one_by_one(mask.numpy()) for mask in masks])


def test_all_at_once_finds_the_clicks_that_one_by_one_finds():
    truth = torch.stack([mask.to(torch.int8) for mask in regions(3, 60, 77)]).repeat(5, 1, 1)
    rng = torch.Generator().manual_seed(1)
    prob = torch.rand(truth.shape, generator=rng) * (truth.roll(9, 2) == 1)
    prob[10:] = torch.rand(len(truth) - 10, 1, 1, generator=rng)  # all or nothing
    truth[::7, :4] = -1
    draws = draw([np.random.default_rng(i) for i in range(len(truth))])
    one_by_one_ = clicks_on_errors(truth, prob, draws)
    assert torch.equal(in_parallel(truth, prob, draws, 0.49), one_by_one_)
    assert set(one_by_one_[..., 2].unique().tolist()) == {-1.0, 0.0, 1.0}


def test_a_batch_has_the_clicks_of_its_samples():
    rng = np.random.default_rng(2)
    truth = torch.from_numpy(rng.choice(np.int8([-1, 0, 1]), (6, 20, 31), p=(0.1, 0.5, 0.4)))
    prob = torch.from_numpy(rng.random((6, 20, 31), np.float32))
    prob[0], prob[1] = (truth[0] == 1).float(), 0
    together = clicks_on_errors(truth, prob, draw([np.random.default_rng(i) for i in range(6)]))
    assert together.shape == (6, 1, 3)
    for i in range(6):
        alone = next_click(truth[i].numpy(), prob[i].numpy(), np.random.default_rng(i))
        assert np.array_equal(together[i], alone)
    assert together[0, 0].tolist() == [0, 0, -1], "nothing is wrong there"
    for (x, y, label), one, p in zip(together[1:, 0].int().tolist(), truth[1:], prob[1:], strict=True):
        assert one[y, x] == label
        assert (p[y, x] > 0.49) == (label == 0)


@pytest.mark.slow
def test_a_run_learns_the_same_from_clicks_found_all_at_once(tmp_path, monkeypatch):
    """What a GPU does with errors, done on the CPU: the same clicks, so the same weights, bit for bit."""
    recipe = replace(toy(), crop_hw=(32, 32), min_area_px=20, batch=2, steps=3, random_length=False)
    folders = [loop.run(recipe, tmp_path / "one_by_one", workers=0, accelerator="cpu")]
    monkeypatch.setattr(objectives, "clicks_on_errors", lambda *given: in_parallel(*given, 0.49))
    folders.append(loop.run(recipe, tmp_path / "at_once", workers=0, accelerator="cpu"))
    one_by_one_, at_once = (checkpoint.read_tensors(folder) for folder in folders)
    assert all(torch.equal(one_by_one_[key], at_once[key]) for key in one_by_one_)


def test_every_pixel_of_the_inner_half_is_as_likely_and_no_other_comes():
    truth = torch.zeros(1, 9, 9, dtype=torch.int8)
    truth[0, 1:8, 1:8] = 1  # 7x7: depths 1 to 4, the inner half is deeper than 2: 3x3 pixels
    draws = torch.randint(DRAW, (9000,), generator=torch.Generator().manual_seed(0))
    clicks = clicks_on_errors(truth.expand(len(draws), -1, -1), torch.zeros(len(draws), 9, 9), draws)[:, 0]
    places, counts = clicks.int().unique(dim=0, return_counts=True)
    assert places.tolist() == [[x, y, 1] for x in (3, 4, 5) for y in (3, 4, 5)]
    assert counts.min() > 850


def test_of_two_errors_as_deep_the_spilled_one_is_clicked():
    truth = torch.zeros(1, 5, 12, dtype=torch.int8)
    truth[0, 1:4, 1:4] = 1
    prob = torch.zeros(1, 5, 12)
    prob[0, 1:4, 8:11] = 1
    assert clicks_on_errors(truth, prob, draw([np.random.default_rng(0)])).tolist() == [[[9, 2, 0]]]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_a_gpu_finds_the_same_clicks():
    truth = torch.stack([mask.to(torch.int8) for mask in regions(3, 320, 320)])
    prob = torch.rand(truth.shape, generator=torch.Generator().manual_seed(1)) * (truth.roll(9, 2) == 1)
    draws = draw([np.random.default_rng(i) for i in range(len(truth))])
    there = clicks_on_errors(*(x.cuda() for x in (truth, prob, draws)))
    assert torch.equal(there.cpu(), clicks_on_errors(truth, prob, draws))
