"""Memory: of loading a large published checkpoint, and of a training step with three terms.

    python benchmarks/memory.py load [--size base] [--json results/convert_memory.json]
    python benchmarks/memory.py step [--batch 2] [--json results/icl_memory.json]

`load`: SimpleClick ViT-B with random weights, 392 MB. Each way of loading runs in a fresh process; in the end every
weight is read once, so that nothing is still to come from the disk. Its figure is the highest resident memory above
that before loading, pages of mapped files included. Linux only.

`step`: the peak of SimpleClick ViT-B at 448x448, of a fresh process, whose imports, weights and gradients it
includes, and what that process grew by while it computed the gradient. Taken twice: with the allocator as it is,
whose heap has holes after a forward and a backward, and with every freed block returned to the system (`exact`).
`one` is the loss of one click; `icl` the three terms of Eq. 3 as training does them, each term's backward right after
its forward; `sum` adds the three losses up and runs one backward.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fewclicks.checkpoints import checkpoint
from fewclicks.checkpoints.convert import convert, read_published
from fewclicks.files.replace import write_json
from fewclicks.models.segmenter import Segmenter, build_segmenter
from fewclicks.models.vit import SIZES
from fewclicks.training.distributed import machine
from fewclicks.training.objectives import Batch
from fewclicks.training.recipe import Recipe
from fewclicks.training.trainer import Trainer

CONFIG = {
    "class": "isegm.model.is_plainvit_model.PlainVitModel",
    "params": {"use_disks": {"type": "builtin", "value": True}, "norm_radius": {"type": "builtin", "value": 5}},
}


def plain_torch(path: str) -> Segmenter:
    """As usually done: everything in memory, then copied into a network with fresh weights."""
    state = torch.load(path, weights_only=False)["state_dict"]
    net = build_segmenter(
        "vit", next(name for name, size in SIZES.items() if size.dim == state["backbone.cls_token"].shape[-1])
    )
    net.load_state_dict(state)
    return net


def converted(path: str) -> Segmenter:
    """The conversion, and then the folder that it wrote."""
    return checkpoint.load(convert(path, f"{path}.converted"))


WAYS = {
    "read_published, zip form": (read_published, "zip.pth"),
    "read_published, form of torch < 1.6": (read_published, "legacy.pth"),
    "convert, then load the folder": (converted, "zip.pth"),
    "load a converted folder": (checkpoint.load, "zip.pth.converted"),
    "torch.load and load_state_dict, for comparison": (plain_torch, "zip.pth"),
}


def status(field: str) -> int:
    """A field of this process's memory in bytes: VmRSS now, VmHWM at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def of_loading(way: str, folder: Path) -> dict[str, float]:
    """One way of loading, in this process."""
    load, name = WAYS[way]
    build_segmenter("vit", "xtiny")  # what the libraries allocate once
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts anew
    before, began = status("VmRSS"), time.perf_counter()
    net = load(str(folder / name))
    for value in net.state_dict().values():
        value.sum()
    seconds = time.perf_counter() - began
    size = (folder / "zip.pth").stat().st_size
    extra = status("VmHWM") - before
    return {"extra_mb": round(extra / 1e6), "times_the_file": round(extra / size, 3), "seconds": round(seconds, 2)}


def make_files(folder: Path, size: str) -> int:
    """The checkpoint in both forms; its size in bytes."""
    torch.manual_seed(0)
    state = build_segmenter("vit", size).state_dict()
    for name, zipped in (("zip.pth", True), ("legacy.pth", False)):
        held = {"state_dict": state, "config": CONFIG}
        torch.save(held, folder / name, _use_new_zipfile_serialization=zipped)
    return (folder / "zip.pth").stat().st_size


MODES = {"one": (1.0,), "icl": (1.0, 2.0, 3.0), "sum": (1.0, 2.0, 3.0)}
ALLOCATORS = {"default": {}, "exact": {"MALLOC_MMAP_THRESHOLD_": "262144"}}
RECIPE = {"backbone": "vit", "size": "base", "random_length": False}


def resident_mb() -> float:
    """The present resident set."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def of_a_step(mode: str, batch: int) -> dict[str, float]:
    """Megabytes of this process: at its peak, and what the gradient added."""
    fabric = machine("auto", None, "auto", "cpu").fabric("fp32")
    trainer = Trainer(Recipe(name="memory", batch=batch, **RECIPE), fabric)
    truth = torch.zeros(batch, 448, 448, dtype=torch.int8)
    truth[:, 100:300, 120:260] = 1
    clicks = torch.tensor([[[190.0, 200.0, 1.0]]]).repeat(batch, 1, 1)
    data = Batch(torch.rand(batch, 3, 448, 448), truth, clicks, samples=tuple(range(batch)))
    for parameter in trainer.net.parameters():  # the gradient's own memory is the same in all modes
        parameter.grad = torch.zeros_like(parameter) if parameter.requires_grad else None
    before = resident_mb()
    if mode == "sum":
        for dropout in trainer.dropouts:
            dropout.seeds = [(0, sample) for sample in data.samples]
        rngs = [np.random.default_rng(sample) for sample in data.samples]
        terms = list(trainer.objective.terms(trainer.module, data, MODES[mode], rngs))
        fabric.backward(torch.stack([term.loss for term in terms]).sum())
    else:
        trainer.backward([data], MODES[mode])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"peak_mb": round(peak), "added_mb": round(peak - before)}


def load(size: str) -> dict[str, Any]:
    """Measure each way of loading."""
    with tempfile.TemporaryDirectory() as folder:
        report: dict[str, Any] = {"file_mb": round(make_files(Path(folder), size) / 1e6)}
        for way in WAYS:
            report[way] = fresh("load", "--case", way, "--folder", folder)
    return report


def step(batch: int) -> dict[str, Any]:
    """Measure each way to compute a gradient, with both allocators."""
    report: dict[str, Any] = {"network": "SimpleClick ViT-B, 448x448, fp32", "batch": batch}
    for allocator, variables in ALLOCATORS.items():
        modes = {mode: fresh("step", "--batch", str(batch), "--case", mode, **variables) for mode in MODES}
        one = modes["one"]
        ratios = {mode: {key: round(modes[mode][key] / one[key], 3) for key in one} for mode in ("icl", "sum")}
        report[allocator] = {"modes": modes, "ratios_to_one": ratios}
    return report


def fresh(*arguments: str, **variables: str) -> Any:
    """Measure a case in a process of its own."""
    command = [sys.executable, __file__, *arguments]
    environment = {**os.environ, **variables}
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout)


def main() -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("load", "step"))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--size", default="base", help="load: of the ViT, xtiny, base, large or huge")
    parser.add_argument("--batch", type=int, default=2, help="step: photos")
    parser.add_argument("--case", choices=(*WAYS, *MODES), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.what == "load":
        torch.set_num_threads(2)
    if asked.case:
        found = of_loading(asked.case, asked.folder) if asked.what == "load" else of_a_step(asked.case, asked.batch)
        print(json.dumps(found))
        return
    report = load(asked.size) if asked.what == "load" else step(asked.batch)
    print(json.dumps(report, indent=1))
    if asked.json:
        write_json(asked.json, report)


if __name__ == "__main__":
    main()
