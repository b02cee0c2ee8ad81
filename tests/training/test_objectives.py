"""NFL against golden numbers; Eq. 2 and Eq. 3 against each other and against the plain sum."""

import itertools
import json
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from fakes import shared
from fewclicks.errors import InputError, UnknownName
from fewclicks.models.prompt import disk_maps
from fewclicks.training import objectives
from fewclicks.training.objectives import Batch, Objective, bce, icl, last_click, nfl
from fewclicks.training.recipe import Recipe


class Tiny(nn.Module):
    """A network of two convolutions as the objective calls it; counts its forwards."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(6, 8, 3, padding=1), nn.Tanh(), nn.Conv2d(8, 1, 3, padding=1))
        self.calls = 0

    def forward(self, image, clicks, prev):
        self.calls += 1
        logits = self.body(torch.cat((image, prev, disk_maps(clicks, tuple(image.shape[-2:]), 2)), 1))
        return logits, (2 * logits, None, None)


def batch() -> Batch:
    rng = np.random.default_rng(3)
    truth = np.zeros((2, 24, 32), np.int8)
    truth[0, 4:15, 6:20] = 1
    truth[1, 10:20, 3:12] = 1
    truth[1, :3, :5] = -1
    image = torch.from_numpy(rng.random((2, 3, 24, 32), np.float32))
    clicks = torch.tensor([[[10.0, 8.0, 1.0]], [[6.0, 14.0, 1.0]]])
    return Batch(image, torch.from_numpy(truth), clicks, ("a", "b"))


def terms(net, weights, loss=nfl, seed=5, **options):
    """The terms of an Eq. 3 with these weights."""
    rngs = [np.random.default_rng([seed, i]) for i in range(2)]
    return Objective(lambda rng: weights, loss, **options).terms(net, batch(), weights, rngs)


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
    for term in terms(one, (1, 2, 3)):
        term.loss.backward()
    all_terms = list(terms(whole, (1, 2, 3)))
    sum(term.loss for term in all_terms).backward()
    assert len(all_terms) == 3
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

    for term in terms(Tiny(), (1, 2, 3), watched):
        term.loss.backward()
        del term
    assert peak == 1


def test_only_the_last_click_of_eq_2_learns():
    net = Tiny()
    weights = last_click((1.0, 1.0, 1.0), False, np.random.default_rng(0))
    losses = [term.loss for term in terms(net, weights)]
    assert [loss.requires_grad for loss in losses] == [False, False, True]
    losses[-1].backward()
    assert net.calls == 3
    assert gradient(net).abs().sum() > 0


def test_clicks_may_be_simulated_in_eval_mode():
    modes = []
    net = Tiny()
    net.register_forward_pre_hook(lambda module, _: modes.append(module.training))
    list(terms(net, (0.0, 0.0, 1.0), eval_clicks=True))
    assert modes == [False, False, True]
    assert net.training


def test_a_sample_gets_the_same_clicks_alone_as_in_a_batch():
    seen: list[torch.Tensor] = []
    net = Tiny()
    net.register_forward_pre_hook(lambda _, args: seen.append(args[1]))
    whole = batch()
    objective = Objective(lambda rng: (1, 1, 1), nfl)
    list(objective.terms(net, whole, (1, 1, 1), [np.random.default_rng(i) for i in range(2)]))
    second = Batch(whole.image[1:], whole.truth[1:], whole.clicks[1:])
    list(objective.terms(net, second, (1, 1, 1), [np.random.default_rng(1)]))
    assert torch.equal(seen[2][1:], seen[5])


def test_auxiliary_logits_add_their_cross_entropy():
    (plain,), (with_aux,) = (list(terms(Tiny(), (1.0,), aux_weight=w)) for w in (0.0, 0.4))
    logits = Tiny()(batch().image, batch().clicks, torch.zeros(2, 1, 24, 32))[0]
    expected = plain.loss + 0.4 * bce(2 * logits, batch().truth).mean()
    torch.testing.assert_close(with_aux.loss, expected)
    ignored = torch.full((1, 4, 4), -1, dtype=torch.int8)
    ignored[0, 0, 0] = 1
    assert float(bce(torch.zeros(1, 1, 4, 4), ignored)) == pytest.approx(np.log(2) / 16)  # ignored ones are in the mean


def test_a_click_is_added_between_terms_and_lies_on_the_error():
    seen: list[torch.Tensor] = []
    net = Tiny()
    net.register_forward_pre_hook(lambda _, args: seen.append(args[1]))
    list(terms(net, (1, 2, 3)))
    assert [c.shape[1] for c in seen] == [1, 2, 3]
    for before, after in itertools.pairwise(seen):
        assert torch.equal(after[:, :-1], before)
    x, y, label = (int(v) for v in seen[-1][0, -1])
    assert label == -1 or bool(batch().truth[0, y, x] == 1) == bool(label)


def test_random_length_draws_every_number_of_terms():
    drawn = {icl((1, 2, 3), True, np.random.default_rng(s)) for s in range(12)}
    assert drawn == {(1,), (1, 2), (1, 2, 3)}
    assert {len(last_click((1, 1, 1), True, np.random.default_rng(s))) for s in range(12)} == {1, 2, 3}
    assert icl((1, 2, 3), False, np.random.default_rng(0)) == (1, 2, 3)


def test_a_step_without_any_loss_is_never_drawn():
    rngs = [np.random.default_rng(s) for s in range(20)]
    assert {icl((0, 1, 2, 3), True, rng) for rng in rngs} == {(0, 1), (0, 1, 2), (0, 1, 2, 3)}
    assert {len(last_click((0, 1, 1, 1), True, rng)) for rng in rngs} == {2, 3, 4}
    for weights in ((0.0, 0.0), (), (1.0, -1.0)):
        with pytest.raises(InputError, match="click_weights"):
            Recipe(name="x", click_weights=weights)


def test_the_default_is_equation_3():
    """Paper, Eq. 3: three generated clicks, weights 1, 2, 3 on Y^1 to Y^3; Y^0 is not counted."""
    for seed in range(5):
        drawn = objectives.build(Recipe(name="x")).draw(np.random.default_rng(seed))
        assert drawn == (0.0, 1.0, 2.0, 3.0)


def test_recipe_names_the_objective():
    rng = np.random.default_rng(0)
    whole = Recipe(name="x", random_length=False, click_weights=(1.0, 2.0))
    assert objectives.build(whole).draw(rng) == (1.0, 2.0)
    assert objectives.build(replace(whole, objective="last_click")).draw(rng) == (0.0, 1.0)
    with pytest.raises(UnknownName, match="icl, last_click"):
        objectives.build(Recipe(name="x", objective="lastclick"))
