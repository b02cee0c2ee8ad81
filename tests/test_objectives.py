"""NFL against golden numbers; Eq. 2 and Eq. 3 against each other and against the plain sum."""

import itertools
import json
import weakref
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from fakes import shared
from fewclicks.errors import InputError
from fewclicks.nets.prompt import disk_maps
from fewclicks.training import objectives
from fewclicks.training.objectives import Batch, icl, last_click, nfl
from fewclicks.training.recipe import Recipe


class Tiny(nn.Module):
    """A network of two convolutions with the Segmenter's signature; counts its forwards."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(6, 8, 3, padding=1), nn.Tanh(), nn.Conv2d(8, 1, 3, padding=1))
        self.calls = 0

    def forward(self, image, clicks, prev):
        self.calls += 1
        return self.body(torch.cat((image, prev, disk_maps(clicks, tuple(image.shape[-2:]), 2)), 1))


def batch() -> Batch:
    rng = np.random.default_rng(3)
    truth = np.zeros((2, 24, 32), np.int8)
    truth[0, 4:15, 6:20] = 1
    truth[1, 10:20, 3:12] = 1
    truth[1, :3, :5] = -1
    image = torch.from_numpy(rng.random((2, 3, 24, 32), np.float32))
    clicks = torch.tensor([[[10.0, 8.0, 1.0]], [[6.0, 14.0, 1.0]]])
    return Batch(image, torch.from_numpy(truth), clicks, ("a", "b"))


def gradient(net: nn.Module) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in net.parameters()])


def test_nfl_equals_the_golden_numbers():
    golden = json.loads(shared("golden", "ops.json").read_text())["NFL_a0.5_g2"]
    i, j = torch.meshgrid(torch.arange(24.0), torch.arange(32.0), indexing="ij")
    logits = torch.stack((3 * torch.sin(0.3 * i + 0.2 * j), 2 * torch.cos(0.15 * i - 0.4 * j)))[:, None]
    truth = torch.stack(((i - 12) ** 2 + (j - 16) ** 2 < 60, (i - 6) ** 2 + (j - 20) ** 2 < 90)).to(torch.int8)
    truth[1, :3, :5] = -1
    logits.requires_grad_()
    losses = nfl(logits, truth)
    assert losses.tolist() == pytest.approx(golden["per_sample"], abs=1e-5)
    losses.mean().backward()
    assert float(logits.grad.abs().sum()) == pytest.approx(golden["grad_abs_sum"], abs=2e-4)
    assert float(logits.grad[0, 0, 12, 16]) == pytest.approx(golden["grad_at_0_12_16"], rel=1e-3)
    assert float(logits.grad[1, 0, 1, 2]) == 0


def test_terms_backpropagated_one_by_one_give_the_gradient_of_the_sum():
    one, whole = Tiny(), Tiny()
    for term in icl(one, batch(), np.random.default_rng(5), loss=nfl, weights=(1, 2, 3)):
        term.loss.backward()
    terms = list(icl(whole, batch(), np.random.default_rng(5), loss=nfl, weights=(1, 2, 3)))
    sum(term.loss for term in terms).backward()
    assert len(terms) == 3
    torch.testing.assert_close(gradient(one), gradient(whole), rtol=1e-5, atol=1e-7)


def test_memory_is_that_of_one_forward():
    alive, peak = 0, 0

    def freed(_: object) -> None:
        nonlocal alive
        alive -= 1

    def watched(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        nonlocal alive, peak
        alive += 1
        peak = max(peak, alive)
        weakref.finalize(logits, freed, None)
        return nfl(logits, truth)

    for term in icl(Tiny(), batch(), np.random.default_rng(5), loss=watched, weights=(1, 2, 3)):
        term.loss.backward()
        del term
    assert peak == 1


def test_icl_with_all_weight_on_the_last_click_is_eq_2():
    a, b = Tiny(), Tiny()
    for net, objective in (
        (a, partial(icl, weights=(0, 0, 1))),
        (b, partial(last_click, clicks=3, random_length=False)),
    ):
        losses = [t.loss for t in objective(net, batch(), np.random.default_rng(5), loss=nfl)]
        assert [loss.requires_grad for loss in losses] == [False, False, True]
        losses[-1].backward()
    assert torch.equal(gradient(a), gradient(b))
    assert a.calls == b.calls == 3


def test_a_click_is_added_between_terms_and_lies_on_the_error():
    seen: list[torch.Tensor] = []
    net = Tiny()
    net.register_forward_pre_hook(lambda _, args: seen.append(args[1]))
    list(icl(net, batch(), np.random.default_rng(5), loss=nfl, weights=(1, 2, 3)))
    assert [c.shape[1] for c in seen] == [1, 2, 3]
    for before, after in itertools.pairwise(seen):
        assert torch.equal(after[:, :-1], before)
    x, y, label = (int(v) for v in seen[-1][0, -1])
    assert label == -1 or bool(batch().truth[0, y, x] == 1) == bool(label)


def test_random_length_draws_every_number_of_terms():
    lengths = {
        len(list(icl(Tiny(), batch(), np.random.default_rng(s), loss=nfl, weights=(1, 2, 3), random_length=True)))
        for s in range(12)
    }
    assert lengths == {1, 2, 3}


def test_recipe_names_the_objective():
    assert objectives.build(Recipe(name="x")).keywords["weights"] == (1.0, 2.0, 3.0)
    with pytest.raises(InputError, match="icl, last_click"):
        objectives.build(Recipe(name="x", objective="lastclick"))
