"""Clicks as disks: the golden areas and rows, pads, and clicks beyond the border."""

import json

import torch

from fakes import shared
from fewclicks.nets.prompt import Prompt, disk_maps


def test_disks_are_the_golden_ones():
    golden = json.loads(shared("golden", "ops.json").read_text())["disk_maps"]
    clicks = torch.tensor([[[12, 10, 1], [0, 0, -1], [5.6, 20.4, 0], [4, -3, 0]]])  # (x, y, label)
    positive, negative = disk_maps(clicks, (40, 50), radius_px=5)[0]
    assert positive.sum() == golden["pos_area"]
    assert negative.sum() == golden["neg_area"]
    for row in (0, 1):  # of the click above the border
        assert negative[row].nonzero().flatten().tolist() == golden[f"neg_row{row}_cols"]


def test_no_click_no_disk_and_polarities_stay_apart():
    pads = torch.tensor([[[5.0, 5.0, -1.0]]])
    assert disk_maps(pads, (20, 20)).sum() == 0
    one = torch.tensor([[[5.0, 5.0, 1.0], [5.0, 5.0, 0.0]]])
    assert disk_maps(one, (20, 20), 2).sum((2, 3)).tolist() == [[13, 13]]


def test_prompt_maps_are_previous_mask_positive_negative():
    prev = torch.rand(2, 1, 8, 9)
    maps = Prompt(0)(torch.tensor([[[1.0, 2.0, 1.0]], [[3.0, 4.0, 0.0]]]), prev)
    assert torch.equal(maps[:, :1], prev)
    assert maps[0, 1].nonzero().tolist() == [[2, 1]]
    assert maps[1, 2].nonzero().tolist() == [[4, 3]]
    assert maps[0, 2].sum() == maps[1, 1].sum() == 0
