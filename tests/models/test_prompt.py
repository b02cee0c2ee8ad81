"""Clicks as maps: the golden areas and rows, pads, clicks beyond the border, and the memory that it takes."""

import json
import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from fakes import shared
from fewclicks.models.prompt import Prompt, disk_maps, tanh_maps


class Largest(TorchDispatchMode):
    """Notes the size of the largest tensor that any operation makes."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple | list) else [made]:
            if isinstance(tensor, torch.Tensor):
                self.elements = max(self.elements, tensor.numel())
        return made


def some_clicks(batch: int, count: int, hw: tuple[int, int]) -> torch.Tensor:
    """Clicks in and around a map, with fractions, in eighths and whole, some of them pads."""
    generator = torch.Generator().manual_seed(count)
    clicks = torch.rand(batch, count, 3, generator=generator) * torch.tensor([hw[1] + 10.0, hw[0] + 10.0, 3.0]) - 5
    clicks[:, 1::3] = clicks[:, 1::3].round()
    clicks[:, 2::3] = (clicks[:, 2::3] * 8).round() / 8
    clicks[..., 2] = torch.randint(-1, 2, (batch, count), generator=generator)
    return clicks


def squared_distances(clicks: torch.Tensor, hw: tuple[int, int]) -> torch.Tensor:
    """Bx2xNxHxW: of each pixel to each positive | negative click, by the plain formula; infinite for the others."""
    rows, cols = torch.arange(hw[0], dtype=torch.float32), torch.arange(hw[1], dtype=torch.float32)
    x, y, label = clicks[:, None, ..., None, None].unbind(3)  # Bx1xNx1x1
    squared = (rows[:, None] - y) ** 2 + (cols - x) ** 2
    return torch.where(label == torch.tensor([1.0, 0.0]).view(2, 1, 1, 1), squared, math.inf)


@pytest.mark.parametrize("radius", [0, 2, 5, 5.5, 24])
def test_disks_are_those_of_the_plain_formula(radius):
    clicks = some_clicks(3, 12, (30, 40))
    wanted = (squared_distances(clicks, (30, 40)).amin(2) <= radius**2).float()
    assert torch.equal(disk_maps(clicks, (30, 40), radius), wanted)
    assert wanted.any()


def test_tanh_maps_grow_from_0_at_a_click_to_1_far_away():
    clicks = some_clicks(3, 12, (30, 40))
    wanted = torch.tanh(2 * (squared_distances(clicks, (30, 40)).amin(2) / 20**2).sqrt())
    torch.testing.assert_close(tanh_maps(clicks, (30, 40), 20), wanted, rtol=0, atol=1e-6)
    one = tanh_maps(torch.tensor([[[5.0, 3.0, 0.0], [7.0, 7.0, -1.0]]]), (8, 9), 260)
    assert one[0, 1, 3, 5] == 0
    assert (one[0, 0] == 1).all()


@pytest.mark.parametrize("draw", [disk_maps, tanh_maps])
def test_memory_is_that_of_the_maps_whatever_the_number_of_clicks(draw):
    with Largest() as largest:
        draw(some_clicks(2, 100, (200, 300)), (200, 300), 5.0)
    assert largest.elements <= 2 * 3 * 200 * 300


def test_clicks_that_are_no_numbers_draw_nothing():
    odd = torch.tensor([[[math.nan, 3.0, 1.0], [3.0, math.inf, 0.0], [1e30, 3.0, 1.0]]])
    assert disk_maps(odd, (8, 9)).sum() == 0


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
