"""Runs that go by time: the schedule is that of the seconds spent, in however many legs, and ends with a model."""

import itertools
import json
import os
import signal
from dataclasses import replace

import pytest
import torch

from fakes import shared
from fewclicks.checkpoints import checkpoint
from fewclicks.errors import InputError, MissingExtra
from fewclicks.recipes.toy import toy
from fewclicks.training import finish, loop, trainer
from fewclicks.training.optimizer import schedule
from fewclicks.training.progress import Course, seconds_of
from fewclicks.training.samples import Samples
from fewclicks.training.sets import Toy

SMALL = replace(toy(), name="small", crop_hw=(32, 32), min_area_px=20, batch=2, steps=100, warmup=20, decay_from=0.5)


class Clock:
    """Each look at it takes as long as the list says, then two seconds each."""

    def __init__(self, *seconds: float) -> None:
        self.now, self.seconds = 1000.0, itertools.chain(seconds, itertools.repeat(2.0))

    def __call__(self) -> float:
        now = self.now
        self.now += next(self.seconds)
        return now


def lines(out):
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def test_times_are_read_as_people_write_them():
    assert [seconds_of(text) for text in ("90s", "9m", "1.5h", "1h30m", "2d")] == [90, 540, 5400, 5400, 172800]
    for wrong in ("", "9", "m", "9 m", "-9m", "9x", "0m", "1h30", "nine minutes", "9m;"):
        with pytest.raises(InputError, match="9m"):
            seconds_of(wrong)


def test_the_schedule_is_stretched_over_the_time():
    course = Course(SMALL, 10.0, clock=Clock())
    steps = [course.position(7, elapsed) for elapsed in (0.0, 1.0, 5.0, 10.0, 11.0)]
    assert steps == pytest.approx([0, 10, 50, 100, 100])
    factors = [schedule(SMALL, position) for position in steps]
    assert factors == pytest.approx([0.05, 0.55, 1.0, 0.01, 0.01])
    assert not course.over(10_000, 9.99)
    assert course.over(0, 10.0)
    by_steps = Course(SMALL)
    assert by_steps.position(7, 1e9) == 7
    assert by_steps.over(100, 0.0)


@pytest.mark.slow
def test_a_stopped_run_goes_on_at_the_same_rates(tmp_path, monkeypatch):
    options = {"workers": 0, "accelerator": "cpu"}
    whole = loop.run(SMALL, tmp_path / "whole", seconds=20.0, clock=Clock(), **options)
    rates = [(line["elapsed"], line["lr"]) for line in lines(tmp_path / "whole")]
    assert [elapsed for elapsed, _ in rates] == [2, 4, 6, 8, 10, 12, 14, 16, 18]
    assert rates[0][1] < rates[2][1] == SMALL.lr > rates[-1][1]

    stop_after(monkeypatch, 4)
    loop.run(SMALL, tmp_path / "parts", seconds=20.0, clock=Clock(), **options)
    monkeypatch.undo()
    config = checkpoint.read_config(tmp_path / "parts" / "last")
    assert (config["step"], config["elapsed_s"], config["for_s"]) == (4, 10.0, 20.0)
    # the process that goes on looks at its own clock two seconds after it began
    parts = loop.run(SMALL, tmp_path / "parts", resume=True, clock=Clock(0.0), **options)
    assert [(line["elapsed"], line["lr"]) for line in lines(tmp_path / "parts")] == rates
    for file in (checkpoint.WEIGHTS, trainer.STATE):
        a, b = checkpoint.read_tensors(whole, file), checkpoint.read_tensors(parts, file)
        assert a.keys() == b.keys()
        assert all(torch.equal(a[key], b[key]) for key in a)


def stop_after(monkeypatch, steps):
    """Let a run be stopped as by Ctrl-C, once it has taken so many steps."""
    original = trainer.Trainer.train_step

    def train_step(self, *arguments):
        done = original(self, *arguments)
        if self.step == steps:
            os.kill(os.getpid(), signal.SIGINT)
        return done

    monkeypatch.setattr(trainer.Trainer, "train_step", train_step)


@pytest.mark.slow
def test_more_time_can_be_given_later(tmp_path):
    options = {"workers": 0, "accelerator": "cpu"}
    loop.run(SMALL, tmp_path / "run", seconds=6.0, clock=Clock(), **options)
    first = len(lines(tmp_path / "run"))
    loop.run(SMALL, tmp_path / "run", resume=True, seconds=20.0, clock=Clock(), **options)
    assert len(lines(tmp_path / "run")) > first
    assert checkpoint.read_config(tmp_path / "run" / "last")["for_s"] == 20.0


def test_a_run_that_goes_by_time_ends_with_a_measured_model(tmp_path, monkeypatch, caplog):
    def no_exporter(folder, out, half):
        raise MissingExtra("export needs onnxscript; run: pip install 'fewclicks[train]'")

    monkeypatch.setattr(finish, "export_onnx", no_exporter)  # its own tests are elsewhere, and it takes a while
    options = {"workers": 0, "accelerator": "cpu", "clock": Clock()}
    last = loop.run(replace(SMALL, holdout=20), tmp_path / "run", seconds=4.0, **options)
    found = finish.at_the_end(last, 1)
    assert "not exported: export needs onnxscript" in caplog.text
    assert (found["dataset"], found["objects"]) == ("held out", 1)
    assert 1 <= found["noc_90"] <= found["noc_95"] <= 20
    written = json.loads((tmp_path / "run" / finish.MEASURED).read_text())
    assert written == {"step": checkpoint.read_config(last)["step"], "limit": 1, "on": None, **found}
    assert finish.at_the_end(last, 0) is None


@pytest.mark.slow
def test_a_run_by_steps_or_a_stopped_one_is_not_measured_unasked(tmp_path, monkeypatch):
    monkeypatch.setattr(finish, "finish", lambda folder, objects, on: {"objects": objects})
    options = {"workers": 0, "accelerator": "cpu"}
    by_steps = loop.run(replace(SMALL, steps=1), tmp_path / "steps", **options)
    assert finish.at_the_end(by_steps) is None
    assert finish.at_the_end(by_steps, 3) == {"objects": 3}
    stop_after(monkeypatch, 1)
    stopped = loop.run(SMALL, tmp_path / "stopped", seconds=100.0, clock=Clock(), **options)
    assert finish.at_the_end(stopped) is None
    timed = loop.run(SMALL, tmp_path / "timed", seconds=3.0, clock=Clock(), **options)
    assert finish.at_the_end(timed) == {"objects": 64}


def test_what_is_measured_was_not_trained_on():
    held = finish.unseen(replace(SMALL, holdout=20))
    names = {held[i].name.partition("#")[0].partition("/")[2] for i in range(len(held))}
    kept = Samples(replace(SMALL, holdout=20), [Toy()]).kept[0]
    assert names
    assert not names & {f"toy{i}" for i in kept}
    assert all((held[i].truth == 1).any() for i in range(len(held)))
    assert finish.unseen(replace(SMALL, holdout=0)) is None


def test_the_validation_split_is_measured_where_the_run_trained_on_its_sets():
    shared("train")
    assert finish.unseen(replace(SMALL, sets=("coco_instances",), holdout=20)).name == "Validation"
    assert finish.unseen(replace(SMALL, holdout=20)).name == "held out"
