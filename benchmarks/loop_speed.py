"""What a second of training is spent on: waiting for samples, simulating clicks, or learning; before and now.

    python benchmarks/speed.py train [--recipe compact:broad] [--steps 12] [--workers N] [--json FILE] [KEY=VALUE ...]

Both run on the device that is there, on the same samples, in turns. `before` is how it was until version 0.2: photos
travel as floats and are decoded each time, and each click of each sample is looked for on the CPU, one after another,
by a distance transform of two looks; memory is given back to the system after each step.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np
import torch
from torch import Tensor

from fewclicks.cli.options import pairs
from fewclicks.files.replace import write_json
from fewclicks.models import compact
from fewclicks.recipes import changed, recipe_named
from fewclicks.training import loop, objectives, samples
from fewclicks.training.distributed import machine
from fewclicks.training.memory import keep_memory
from fewclicks.training.objectives import Batch
from fewclicks.training.recipe import Recipe
from fewclicks.training.trainer import Trainer

CASES = ("before", "now")


def depth(region: np.ndarray) -> np.ndarray:
    """Distance to the outside, approximated over a neighbourhood of 5x5."""
    padded = np.pad(region, 1).astype(np.uint8)
    return np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, 5), np.float32)[1:-1, 1:-1]


def earlier_click(truth: np.ndarray, prob: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random pixel of the inner half of the larger error."""
    mask = prob > 0.49
    missed, spilled = depth((truth == 1) & ~mask), depth((truth == 0) & mask)
    positive = missed.max() > spilled.max()
    chosen = missed if positive else spilled
    if chosen.max() == 0:
        return np.array([[0, 0, -1]], np.float32)
    row, column = divmod(int(rng.choice(np.flatnonzero(chosen > chosen.max() / 2))), truth.shape[1])
    return np.array([[column, row, positive]], np.float32)


def earlier_add_clicks(batch: Batch, prob: Tensor, rngs: Sequence[np.random.Generator]) -> Batch:
    """A click a sample, by way of the CPU."""
    truths, probs = batch.truth.cpu().numpy(), prob[:, 0].float().cpu().numpy()
    clicks = np.stack([earlier_click(*sample) for sample in zip(truths, probs, rngs, strict=True)])
    return replace(batch, clicks=torch.cat((batch.clicks, torch.from_numpy(clicks).to(batch.clicks.device)), 1))


def earlier_collate(items: list[Any]) -> Batch:
    """Photos as floats before they travel."""
    batch = samples.collate(items)
    return replace(batch, image=batch.image.float() / 255)


def earlier_forward(self: compact.SameConv, x: Tensor) -> Tensor:
    """`SameConv.forward`, with the backward pass that suits CPUs on a GPU too."""
    if self.same:
        x = torch.nn.functional.pad(x, self.same)
    if self.groups > 1 and x.dtype != torch.float32 and torch.is_grad_enabled():
        return compact.Depthwise.apply(x, self.weight, self.bias, self.stride[0], self.padding[0])
    return torch.nn.Conv2d.forward(self, x)


@contextmanager
def as_it_was(case: str) -> Iterator[None]:
    """Training as before, or as it is."""
    if case == "now":
        yield
        return
    with (
        mock.patch.object(objectives, "add_clicks", earlier_add_clicks),
        mock.patch.object(loop, "collate", earlier_collate),
        mock.patch.object(compact.SameConv, "forward", earlier_forward),
    ):
        yield


class Stopwatch:
    """Adds up the time that a function takes, with all that the device still had to do for it."""

    def __init__(self, work: Callable[..., Any], device: torch.device) -> None:
        self.work, self.device, self.seconds = work, device, 0.0

    def __call__(self, *arguments: Any) -> Any:
        self.wait()
        began = time.perf_counter()
        found = self.work(*arguments)
        self.wait()
        self.seconds += time.perf_counter() - began
        return found

    def wait(self) -> None:
        """Let the device come to rest."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def measured(case: str, recipe: Recipe, steps: int, workers: int, cache: Path, accelerator: str) -> dict[str, float]:
    """Samples a second, and the shares of the time that wait for samples and for clicks, once it runs."""
    fabric = machine("auto", None, "auto", accelerator).fabric(recipe.precision)
    if case == "now" and fabric.device.type == "cpu":
        keep_memory()
    with as_it_was(case):
        trainer = Trainer(replace(recipe, init=""), fabric)
        options = {"cache": cache if case == "now" else None, "pin": case == "now" and fabric.device.type == "cuda"}
        batches = loop.batches(recipe, 0, workers, endless=True, **options)
        first = max(3, steps // 4)
        waited, clicks = (
            Stopwatch(lambda: next(batches), fabric.device),
            Stopwatch(objectives.add_clicks, fabric.device),
        )
        with mock.patch.object(objectives, "add_clicks", clicks):
            for step in range(first + steps):
                if step == first:  # kernels are chosen, workers have filled their queues
                    clicks.wait()
                    waited.seconds, clicks.seconds, began, worked = 0.0, 0.0, time.perf_counter(), time.process_time()
                trainer.train_step([part.to(fabric.device) for part in waited()], float(trainer.step))
            clicks.wait()
        total, worked = time.perf_counter() - began, time.process_time() - worked
    return {
        "samples_per_second": round(steps * recipe.batch / total, 2),
        "samples_per_cpu_second": round(steps * recipe.batch / worked, 2),  # what other programs take, left out
        "share_waiting_for_data": round(waited.seconds / total, 4),
        "share_for_clicks": round(clicks.seconds / total, 4),
    }


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="compact:broad")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="of the CPU")
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--accelerator", default="auto")
    parser.add_argument("--cache", type=Path, help="a folder for decoded photos that is kept")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--case", choices=CASES, help=argparse.SUPPRESS)
    parser.add_argument("changes", nargs="*", metavar="KEY=VALUE", help="fields of the recipe to change")
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    cv2.setNumThreads(given.threads)
    recipe = changed(recipe_named(given.recipe), pairs(given.changes))
    if given.case:
        numbers = (given.steps, given.workers)
        print(json.dumps(measured(given.case, recipe, *numbers, given.cache, given.accelerator)))
        return
    table = {
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {given.threads} threads",
        "recipe": recipe.name, "crop_hw": recipe.crop_hw, "batch": recipe.batch, "workers": given.workers,
        "steps": given.steps,
    }  # fmt: skip
    found: dict[str, list[dict[str, float]]] = {case: [] for case in CASES}
    with tempfile.TemporaryDirectory() as scratch:
        own = [*(sys.argv[1:] if arguments is None else arguments), "--cache", str(given.cache or scratch)]
        for _ in range(given.turns):
            for case in CASES:  # in processes of their own: how malloc was told to behave is not undone
                command = [sys.executable, __file__, *own, "--case", case]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                found[case].append(json.loads(done.stdout.splitlines()[-1]))
                print(f"{case:8} {found[case][-1]}", flush=True)
    rates = ("samples_per_second", "samples_per_cpu_second")
    for case, turns in found.items():
        best = max(turns, key=lambda one: one[rates[0]])
        table[case] = {**best, **{key: max(turn[key] for turn in turns) for key in rates}}
    for key in rates:
        table[f"gain_in_{key}"] = round(table["now"][key] / table["before"][key], 3)
    print(json.dumps(table))
    if given.json:
        write_json(given.json, table)


if __name__ == "__main__":
    main()
