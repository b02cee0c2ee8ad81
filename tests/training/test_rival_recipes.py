"""The recipes of the rivals: they learn, and their methods run what they leave."""

import json

import numpy as np
import pytest
import torch

import fewclicks
from fakes import shared
from fewclicks.checkpoints import checkpoint
from fewclicks.clicks import Click, Clicks
from fewclicks.methods.outline import outline
from fewclicks.plugins import find
from fewclicks.recipes import functions
from fewclicks.training import loop
from fewclicks.training.objectives import Batch
from fewclicks.training.outline_clicks import add_outline_clicks, first_outline_clicks
from fewclicks.training.recipe import Recipe
from fewclicks.training.trainer import network, shown

RIVALS = ("dios", "ld", "brs", "ucp_net", "pseudoclick")
FAMILIES = tuple(functions(find("recipes", "rivals")))
SMALL = {"fbrs": {"size": "tiny"}, "cdnet": {"size": "tiny_cdnet"}}
"""Smaller networks than those of the recipes, where they take long."""


def tiny(method, **changes):
    """A recipe of few steps on drawn shapes, or on real photos if `sets` says so."""
    from dataclasses import replace

    recipe: Recipe = getattr(find("recipes", method if method in RIVALS else "rivals"), method)()
    small = find("methods", method).SMALL if method in RIVALS else SMALL.get(method, {})
    plain = {
        **{key: small[key] for key in ("backbone", "size") if key in small},
        "sets": ("toy",), "set_weights": (1.0,), "init": "",
        "native": False, "crop_hw": (64, 64), "min_area_px": 60, "batch": 4, "accumulate": 1, "steps": 3, "warmup": 0,
        "precision": "fp32", "lr": 2e-3, "backbone_lr": 1.0, "keep_background_prob": 0.0, "milestones": (),
        "flip_vertical": False, "rotate90_prob": 0.0, "shift": 0.0, "holdout": 0, "decay_from": 1.0,
    }  # fmt: skip
    return replace(recipe, **{**plain, **changes})


def losses(out):
    return [json.loads(line)["loss"] for line in (out / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("method", RIVALS)
def test_what_is_trained_is_run_by_its_method(method, tmp_path):
    folder = loop.run(tiny(method), tmp_path / "run", workers=0, accelerator="cpu")
    config = checkpoint.read_config(folder)
    assert config["method"] == method
    assert {**find("methods", method).SMALL}.items() <= {**config["network"]}.items() | {("radius_px", 5.0)}
    predictor = fewclicks.load(folder, device="cpu")
    state = predictor.start(np.zeros((40, 60, 3), np.uint8))
    for clicks in (Clicks((Click(10, 10),)), Clicks((Click(10, 10), Click(50, 30)))):
        state = predictor.step(state, clicks)
    assert state.mask[30, 50]


@pytest.mark.slow
@pytest.mark.parametrize("method", [*RIVALS, *FAMILIES])
def test_the_loss_falls_on_real_photos(method, tmp_path):
    shared("train", "coco_instances")
    lr = 2e-3 if method in RIVALS else 5e-4
    steps = 160 if method == "segnext" else 60  # attention over whole photos learns slowly from nothing
    recipe = tiny(method, sets=("coco_instances",), steps=steps, batch=6, crop_hw=(96, 96), lr=lr)
    loop.run(recipe, tmp_path / "run", workers=0, accelerator="cpu")
    found = losses(tmp_path / "run")
    assert np.mean(found[-15:]) < 0.97 * np.mean(found[:15])


@pytest.mark.parametrize("method", RIVALS)
def test_what_is_trained_is_shown_photos_as_its_method_does(method):
    module = find("methods", method)
    for make in functions(find("recipes", method)).values():
        recipe = make()
        used = module.chosen(**shown(recipe))
        side = recipe.zoom or max(recipe.crop_hw)
        assert (used.zoom == 0) == (module.chosen().zoom == 0), "no zoom-in around a method that it does not suit"
        assert side == (used.zoom or used.side_px)


@pytest.mark.parametrize("method", RIVALS)
def test_recipes_name_networks_that_exist(method):
    from fewclicks.models.networks import build_network

    for make in functions(find("recipes", method)).values():
        recipe = make()
        assert recipe.method == method
        with torch.device("meta"):
            build_network(network(recipe))


def test_a_network_of_old_has_the_config_of_old():
    assert network(Recipe(name="a")) == {"backbone": "compact", "size": "lite0", "radius_px": 5.0}


def test_first_clicks_on_an_outline_are_two_or_more_and_on_it():
    truth = np.zeros((40, 50), np.int8)
    truth[10:30, 12:40] = 1
    edge = outline(truth == 1)
    counts = set()
    for seed in range(30):
        points = first_outline_clicks(truth, 6, 0.6, np.random.default_rng(seed))
        counts.add(len(points))
        assert all(edge[int(y), int(x)] and label == 1 for x, y, label in points)
    assert min(counts) == 2
    assert max(counts) > 2
    assert len(first_outline_clicks(np.zeros((4, 4), np.int8), 6, 0.6, np.random.default_rng(0))) == 0


def test_the_next_click_is_where_the_outlines_part():
    truth = torch.zeros(2, 40, 50, dtype=torch.int8)
    truth[0, 10:30, 12:40] = 1
    prob = torch.zeros(2, 1, 40, 50)
    prob[0, 0, 10:30, 12:20] = 1
    batch = Batch(torch.zeros(2, 3, 40, 50), truth, torch.tensor([[[12.0, 10.0, 1.0]], [[0, 0, -1.0]]]))
    added = add_outline_clicks(batch, prob, []).clicks
    assert added.shape == (2, 2, 3)
    assert added[0, 1, 0] == 39
    assert added[1, 1, 2] == -1
