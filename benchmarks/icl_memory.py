"""Peak memory of a training step of SimpleClick ViT-B at 448x448: one forward and backward, and ICL with three terms.

    python benchmarks/icl_memory.py [--batch N] [--json results/icl_memory.json]

Each figure is the peak resident set of a fresh process, whose imports, weights and gradients it includes, and what that
process grew by while it computed the gradient. They are taken twice: with the allocator as it is, whose heap has holes
after a forward and a backward, and with every freed block returned to the system (`exact`).

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
from pathlib import Path

from fewclicks.files.replace import write_json

MODES = {"one": (1.0,), "icl": (1.0, 2.0, 3.0), "sum": (1.0, 2.0, 3.0)}
ALLOCATORS = {"default": {}, "exact": {"MALLOC_MMAP_THRESHOLD_": "262144"}}
RECIPE = {"backbone": "vit", "size": "base", "random_length": False}


def resident_mb() -> float:
    """The present resident set."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def measure(mode: str, batch: int) -> dict[str, float]:
    """Megabytes of this process: at its peak, and what the gradient added."""
    import torch

    from fewclicks.training.distributed import machine
    from fewclicks.training.objectives import Batch
    from fewclicks.training.recipe import Recipe
    from fewclicks.training.trainer import Trainer

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
        import numpy as np

        for dropout in trainer.dropouts:
            dropout.seeds = [(0, sample) for sample in data.samples]
        rngs = [np.random.default_rng(sample) for sample in data.samples]
        terms = list(trainer.objective.terms(trainer.module, data, MODES[mode], rngs))
        fabric.backward(torch.stack([term.loss for term in terms]).sum())
    else:
        trainer.backward([data], MODES[mode])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"peak_mb": round(peak), "added_mb": round(peak - before)}


def main() -> None:
    """Measure each mode in a process of its own, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--mode", choices=MODES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.mode:
        print(json.dumps(measure(arguments.mode, arguments.batch)))
        return
    command = [sys.executable, __file__, "--batch", str(arguments.batch), "--mode"]
    result: dict[str, object] = {"network": "SimpleClick ViT-B, 448x448, fp32", "batch": arguments.batch}
    for allocator, variables in ALLOCATORS.items():
        environment = {**os.environ, **variables}
        modes = {}
        for mode in MODES:
            done = subprocess.run([*command, mode], check=True, capture_output=True, text=True, env=environment)
            modes[mode] = json.loads(done.stdout)
        one = modes["one"]
        ratios = {mode: {key: round(modes[mode][key] / one[key], 3) for key in one} for mode in ("icl", "sum")}
        result[allocator] = {"modes": modes, "ratios_to_one": ratios}
    print(json.dumps(result, indent=1))
    if arguments.json:
        write_json(arguments.json, result)


if __name__ == "__main__":
    main()
