"""Parts of the user's own, by dotted name: losses, objectives, callbacks, and every parameter of a network."""

import json
from dataclasses import replace

import pytest
import torch

from commands import runner
from fewclicks.checkpoints import checkpoint
from fewclicks.errors import InputError, UnknownName
from fewclicks.recipes.toy import toy
from fewclicks.training import loop, objectives, trainer
from fewclicks.training.recipe import Recipe

SMALL = replace(toy(), crop_hw=(32, 32), min_area_px=20, batch=2, steps=2)
SAID = ("crop_hw=32,32", "min_area_px=20", "batch=2", "steps=2", "--workers", "0", "--log", "none")
PARTS = """
import torch
from fewclicks.training.objectives import Objective, bce

def dice(logits, truth):
    p, t = torch.sigmoid(logits[:, 0]), (truth == 1).float()
    return 1 - (2 * (p * t).sum((1, 2)) + 1) / (p.sum((1, 2)) + t.sum((1, 2)) + 1)

def wrong(logits, truth):
    return dice(logits, truth).mean()

def objective(recipe):
    return Objective(lambda rng: (0.0, 1.0), bce)

def nothing(recipe):
    return Objective(lambda rng: (0.0, 0.0), bce)

def number(recipe):
    return 5

def alone(logits):
    return logits.mean((1, 2, 3))

def fails(logits, truth):
    raise KeyError("boo")

word = 7

def callback(event):
    with open("events.txt", "a") as file:
        print(event.name, event.step, event.folder, "loss" in event.values, file=file)
"""


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """An empty folder with the module `own_parts`, which the user is in."""
    monkeypatch.setenv("FEWCLICKS_ALLOW", "")
    monkeypatch.delenv("FEWCLICKS_ALLOW_FROM", raising=False)
    monkeypatch.delitem(__import__("sys").modules, "own_parts", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_parts.py").write_text(PARTS)
    return tmp_path


@pytest.mark.slow
def test_loss_objective_and_callback_of_ones_own(lab, capsys, monkeypatch):
    fewclicks = runner(capsys)
    own = ("loss=own_parts:dice", "callbacks=own_parts:callback")
    assert fewclicks("train", "toy", *SAID, *own, "--out", "run")[0] == 0
    steps = [json.loads(line) for line in (lab / "run" / "metrics.jsonl").read_text().splitlines()]
    assert all(0 < step["loss_y1"] <= 1 and step["loss_y3"] <= 3 for step in steps), "dice is at most 1"
    assert (lab / "events.txt").read_text().splitlines() == [
        "start 0 run False", "step 1 run True", "step 2 run True", "checkpoint 2 run/last False", "end 2 run False",
    ]  # fmt: skip
    assert fewclicks("train", "toy", *SAID, "objective=own_parts:objective", "--out", "other")[0] == 0
    steps = [json.loads(line) for line in (lab / "other" / "metrics.jsonl").read_text().splitlines()]
    assert [step["terms"] for step in steps] == [2, 2]

    monkeypatch.setenv("FEWCLICKS_ALLOW", "")
    code, _, err = fewclicks("train", "--resume", "--out", "run")
    assert code == 2, "a run is data, which names no code"
    assert "fewclicks --allow own_parts" in err
    assert fewclicks("train", *own, "--resume", "--out", "run", "--log", "none")[0] == 0, "but the user may"


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("loss=own_parts:wrong", "gives a tensor of \\(\\) for two samples"),
        ("loss=nfll", "no loss named 'nfll'; there are: nfl, bce"),
        ("objective=icll", "no objective named 'icll'; there are: icl, last_click"),
        ("loss=own_parts:none", "has no 'none'"),
        ("loss=own_parts:word", "is no function, but 7"),
        ("loss=own_parts:alone", "must take \\(logits, truth\\), and takes \\(logits\\)"),
        ("loss=own_parts:fails", "your own code failed in own_parts, line \\d+: KeyError: 'boo'"),
        ("objective=own_parts:number", "gives 5; return"),
        ("click_weights=nan,1", "click_weights is a finite number"),
        ("method=grwo", "no method named 'grwo'; did you mean 'grow'"),
        ("backbone=own_lab.parts", "no module named 'own_lab.parts'"),
        ("callbacks=no_lab.parts:none", "no module named 'no_lab.parts'"),
    ],
)
def test_what_is_wrong_with_a_part_is_one_line_and_leaves_no_recipe(lab, said, says, capsys):
    code, _, err = runner(capsys)("train", "toy", *SAID, said, "--out", "run")
    assert code == 2
    assert __import__("re").search(says, err), err
    assert err.count("\n") == 1
    assert not (lab / "run" / "recipe.json").exists()


def test_a_step_of_ones_own_in_which_nothing_counts_is_refused(lab, capsys):
    code, _, err = runner(capsys)("train", "toy", *SAID, "objective=own_parts:nothing", "--out", "run")
    assert code == 2
    assert "the objective draws the weights (0.0, 0.0); one at least" in err


def test_bce_is_a_loss_too():
    logits, truth = torch.randn(2, 1, 8, 8), torch.randint(-1, 2, (2, 8, 8))
    chosen = objectives.loss_named(replace(SMALL, loss="bce"))
    assert torch.equal(chosen(logits, truth), objectives.bce(logits, truth))


@pytest.mark.slow
def test_every_parameter_of_a_network_is_in_the_recipe(tmp_path):
    assert trainer.network(SMALL) == {"backbone": "compact", "size": "lite0", "radius_px": 5.0}, "as it always was"
    fbrs = replace(SMALL, backbone="hrnet", size="18s", maps="tanh", radius_px=260.0, with_prev=False, fusion="input")
    focal = replace(SMALL, backbone="segformer", size="b0", scale=0.5, refiner="focalclick_gate")
    for recipe, keys in ((fbrs, {"maps", "with_prev", "fusion"}), (focal, {"scale", "refiner"})):
        last = loop.run(replace(recipe, steps=1), tmp_path / recipe.backbone, workers=0, accelerator="cpu")
        config = checkpoint.read_config(last)
        assert config["network"].keys() == {"backbone", "size", "radius_px"} | keys
        assert Recipe.from_json(json.dumps(config["recipe"])) == replace(recipe, steps=1)
        assert (
            checkpoint.load(last)(torch.rand(1, 3, 64, 64), torch.zeros(1, 1, 3), torch.zeros(1, 1, 64, 64)).ndim == 4
        )
    with pytest.raises(InputError, match="fusion"):
        trainer.built(replace(SMALL, fusion="sum"))


def test_data_names_no_part_of_its_own():
    for name, value in (("loss", "evil.parts:f"), ("objective", "evil:f"), ("callbacks", ["evil.parts"])):
        with pytest.raises(UnknownName, match="code outside of fewclicks"):
            Recipe.from_json(json.dumps({"name": "x", name: value}))
