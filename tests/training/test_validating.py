"""What a run tells of itself while it runs: validation, the best checkpoint, loggers, several seeds."""

import csv
import json
from dataclasses import replace

import numpy as np
import PIL.Image
import pytest

from commands import runner
from fewclicks.checkpoints import checkpoint
from fewclicks.config import resolve
from fewclicks.engines.onnx_metadata import read_metadata
from fewclicks.errors import InputError
from fewclicks.evaluation.report import title
from fewclicks.methods import default
from fewclicks.recipes.toy import toy
from fewclicks.training import finish, logging, loop, seeds, validation
from fewclicks.training.progress import Course
from fewclicks.training.trainer import shown
from fewclicks.training.validation import Validation

SMALL = replace(toy(), name="small", crop_hw=(32, 32), min_area_px=20, batch=2, steps=3, holdout=20)
OPTIONS = {"workers": 0, "accelerator": "cpu"}


def figures(noc, iou=0.5, step=0):
    return {
        "dataset": "held out", "objects": 2, "noc_90": noc, "noc_95": noc, "failures_90": 0, "iou_at_click": [iou] * 20,
    }  # fmt: skip


@pytest.mark.slow
def test_a_run_is_validated_and_its_best_checkpoint_kept(tmp_path, monkeypatch):
    found = iter((figures(9), figures(4), figures(7)))
    monkeypatch.setattr(validation, "evaluate", lambda *_: None)
    monkeypatch.setattr(validation, "figures", lambda _: next(found))
    shown = loop.Shown(("csv", "tensorboard"), Validation(0, 2))
    loop.run(SMALL, tmp_path, shown=shown, **OPTIONS)
    lines = [json.loads(line) for line in (tmp_path / "validation.jsonl").read_text().splitlines()]
    assert [(line["step"], line["noc_90"], line["best"]) for line in lines] == [
        (1, 9, True),
        (2, 4, True),
        (3, 7, False),
    ]
    best = checkpoint.read_config(tmp_path / "best")
    assert (best["step"], best["validation"]["noc_90"]) == (2, 4)
    assert checkpoint.load(tmp_path / "best") is not None, "its hashes are right"
    assert checkpoint.read_config(tmp_path / "last")["step"] == 3
    rows = list(csv.DictReader((tmp_path / "csv" / "from_0000000" / "metrics.csv").read_text().splitlines()))
    assert [row["validation/noc_90"] for row in rows if row["validation/noc_90"]] == ["9.0", "4.0", "7.0"]
    losses = [
        {key: float(row[key]) for key in ("loss", "loss_y1", "loss_y2", "loss_y3")} for row in rows if row["loss"]
    ]
    assert len(losses) == 3
    assert all(
        one["loss"] == pytest.approx(one["loss_y1"] + one["loss_y2"] + one["loss_y3"], rel=1e-5) for one in losses
    )
    events = next((tmp_path / "tensorboard").glob("events*")).read_bytes()
    for tag in (b"loss_y2", b"validation/iou_1", b"samples", b"PNG"):
        assert tag in events, tag


def test_fewer_clicks_are_better_then_more_iou():
    assert validation.better(figures(9), None)
    assert validation.better(figures(4), figures(9))
    assert not validation.better(figures(9), figures(4))
    assert validation.better(figures(4, 0.6), figures(4, 0.5))
    assert not validation.better(figures(4), figures(4))
    assert validation.better(figures(9), {**figures(4), "objects": 3}), "what was measured on others does not count"


def test_validation_takes_no_time_of_the_course():
    ticks = iter((0.0, 5.0, 65.0, 66.0))
    course = Course(SMALL, 100.0, clock=lambda: next(ticks))
    with course.paused():
        pass
    assert course.elapsed() == 6.0


@pytest.mark.slow
def test_a_real_validation_measures_what_is_held_out(tmp_path):
    loop.run(replace(SMALL, steps=1), tmp_path, shown=loop.Shown((), Validation(60, 1)), **OPTIONS)
    (line,) = (tmp_path / "validation.jsonl").read_text().splitlines()
    found = json.loads(line)
    assert (found["dataset"], found["objects"], len(found["iou_at_click"])) == ("held out", 1, 20)
    with pytest.raises(InputError, match="holdout=20, or --validate-on"):
        loop.run(replace(SMALL, holdout=0), tmp_path / "b", shown=loop.Shown((), Validation(60, 1)), **OPTIONS)


@pytest.mark.slow
def test_weights_and_biases_offline(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.chdir(tmp_path)
    with logging.Watch(SMALL, tmp_path, 0, loggers=("wandb",)) as watch:
        watch.record(1, {"loss": 1.0, "iou": 0.5, "loss_y1": 0.25, "elapsed": 1.0})
        first = (tmp_path / "wandb" / "id.txt").read_text()
    (run,) = (tmp_path / "wandb").glob("offline-run-*")
    data = next(run.glob("*.wandb")).read_bytes()
    assert b"loss_y1" in data
    assert b"click_weights" in data, "the recipe is its config"
    assert first == watch.loggers[0].version


def test_an_unknown_logger_is_told_before_the_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, _, err = runner(capsys)("train", "toy", "--log", "mlflow")
    assert code == 2
    assert "no logger named 'mlflow'; there are: tensorboard, csv, wandb, or none" in err
    assert not (tmp_path / "runs").exists()


def test_a_run_that_cannot_be_measured_is_not_begun(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for asked in (("--seeds", "2"), ("--evaluate", "3")):
        code, _, err = runner(capsys)("train", "toy", "holdout=0", *asked, "--out", "run")
        assert code == 2
        assert "no photo is held out of training (holdout is 0)" in err
    assert "no folder" in runner(capsys)("train", "toy", "--seeds", "2", "--validate-on", "sbd/val", "--out", "run")[2]
    assert "say when too" in runner(capsys)("train", "toy", "--validate-on", "grabcut", "--out", "run")[2]
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_the_end_of_a_run_is_measured_anew_where_other_objects_are_asked_for(tmp_path, monkeypatch):
    last = loop.run(replace(SMALL, steps=1, holdout=20), tmp_path / "run", shown=loop.Shown(()), **OPTIONS)
    monkeypatch.setattr(finish, "evaluate", lambda predictor, dataset: dataset)
    monkeypatch.setattr(finish, "figures", lambda dataset: {"dataset": dataset.name, "objects": len(dataset)})
    assert finish.finish(last, 3)["objects"] == 3
    assert finish.measured(last.parent, 3)["objects"] == 3
    assert finish.measured(last.parent, 4) is None
    assert finish.measured(last.parent, 3, "grabcut") is None
    for kind in ("images", "masks"):
        (tmp_path / "mine" / kind).mkdir(parents=True)
    ids = np.zeros((20, 30), np.uint8)
    ids[4:12, 5:16], ids[14:, 20:] = 1, 2
    PIL.Image.fromarray(ids * 60).convert("RGB").save(tmp_path / "mine/images/a.png")
    PIL.Image.fromarray(ids).save(tmp_path / "mine/masks/a.png")
    assert finish.finish(last, 3, str(tmp_path / "mine")) == {"dataset": "mine", "objects": 2}
    assert finish.measured(last.parent, 3, str(tmp_path / "mine"))["objects"] == 2


@pytest.mark.slow
def test_seeds_give_a_mean_and_an_interval(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    worth = {0: 4.0, 1: 5.0, 2: 9.0}
    monkeypatch.setattr("fewclicks.training.finish.finish", lambda last, *_: figures(worth[int(last.parent.name[-1])]))
    said = ("crop_hw=32,32", "min_area_px=20", "batch=2", "steps=1", "--workers", "0", "--log", "none", "--seeds", "3")
    code, out, _ = runner(capsys)("train", "toy", *said, "--out", "run")
    assert code == 0
    told = json.loads((tmp_path / "run" / seeds.SUMMARY).read_text())
    assert told["seeds"] == [0, 1, 2]
    assert told["noc_90"]["each"] == [4, 5, 9]
    assert told["noc_90"]["mean"] == 6
    # the standard deviation is the root of 7, and t of two degrees of freedom 4.303
    assert told["noc_90"]["interval"] == pytest.approx(
        [6 - 4.303 * (7 / 3) ** 0.5, 6 + 4.303 * (7 / 3) ** 0.5], abs=1e-3
    )
    assert "clicks to IoU 0.90     6.000  [-0.573, 12.573]" in out
    recipes = [json.loads((tmp_path / "run" / f"seed{k}" / "recipe.json").read_text()) for k in range(3)]
    assert [recipe["seed"] for recipe in recipes] == [0, 1, 2]
    assert runner(capsys)("train", "toy", *said, "--out", "run", "--resume")[0] == 0, "what is over stays"
    assert runner(capsys)("train", *said[-2:], "--out", "run", "--resume")[0] == 0, "the recipe is that of the runs"
    code, _, err = runner(capsys)("train", "toy", *said, "lr=0.5", "--out", "run", "--resume")
    assert code == 2
    assert "run/seed0 goes on with its own recipe, in which lr is 0.001, not 0.5" in err
    assert "nothing to resume" in runner(capsys)("train", *said[-2:], "--out", "nowhere", "--resume")[2]
    (tmp_path / "run" / "seed1" / "last" / "config.json").write_text(
        (tmp_path / "run/seed1/last/config.json").read_text().replace('"lr": 0.001', '"lr": 0.5')
    )
    assert (
        "run/seed1 goes on with its own recipe, in which lr is 0.5"
        in runner(capsys)("train", *said[-2:], "--out", "run", "--resume")[2]
    )
    assert "2 to 30" in runner(capsys)("train", "toy", *said[:-1], "1", "--out", "run")[2]


def test_a_run_is_shown_photos_as_it_was_trained_and_is_named(tmp_path):
    last = loop.run(replace(SMALL, steps=1, zoom=96, fit="square"), tmp_path, shown=loop.Shown(()), **OPTIONS)
    config = checkpoint.read_config(last)
    assert config["predictor"] == {"zoom": 96, "fit": "square", "flip": False, "threshold": 0.5}
    assert config["method"] == "default"
    used = default.chosen(weights=last)
    assert (used.zoom, used.fit) == (96, "square")
    assert default.chosen(weights=last, zoom=64).zoom == 64, "what is said counts"
    told = default.describe(weights=last)
    sha256 = config["sha256"][checkpoint.WEIGHTS]
    assert told["network"] == {
        "name": f"compact lite0 {sha256[:8]}", "family": "compact", "size": "lite0", "run": "small", "sha256": sha256,
    }  # fmt: skip
    assert title({"preset": None, **told}) == f"compact lite0 {sha256[:8]}, no CFR"
    assert title({**default.describe(cfr=1), "preset": "paper"}) == "default, paper, CFR-1"
    said = resolve("default", {"zoom": 96}, flip=True, cfr=0, threads=1).describe()
    assert title(said) == "default, no CFR, flip=true, zoom=96", "what was changed is another method"
    rules = {"robot": "noisy_human", "max_clicks": 5, "preset": None}
    assert title({**default.describe(), **rules}) == "default, CFR-1, by noisy_human, 5 clicks at most"
    assert title({"method": "my_lab.own", "preset": None}) == "my_lab.own", "it tells nothing of CFR"
    assert shown(replace(SMALL, crop_hw=(320, 480)))["zoom"] == 480, "as long as the crops, where nothing is said"


def test_an_exported_file_tells_how_it_is_shown_photos_without_being_loaded(tmp_path):
    told = read_metadata(default.WEIGHTS)
    assert json.loads(told["recipe"])["backbone"] == "compact"
    whole = default.WEIGHTS.read_bytes()
    for name, data in (("cut", whole[:1000]), ("empty", b""), ("text", b"[1, 2, 3]" * 30), ("ones", b"\xff" * 99)):
        (tmp_path / name).write_bytes(data)
        assert read_metadata(tmp_path / name) == {}
    key, value = b"\x0a\x09predictor", b'\x12\x0c{"zoom": 64}'
    mine = tmp_path / "mine.onnx"
    mine.write_bytes(whole + b"\x72" + bytes([len(key + value)]) + key + value)
    assert default.chosen(weights=mine).zoom == 64
    assert default.chosen().zoom == default.OWN["zoom"]
