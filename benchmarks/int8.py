"""The default model in 8 bits against itself in float: time of a forward, in turn; the same masks?; clicks to 90 %.

    python benchmarks/int8.py [--json results/int8.json] [--limit 48]

Time: the fastest of many forwards of a square crop, both networks in turn, so that they see the same machine.
Agreement: on what the float network is asked on validation objects. NoC: of both on the validation objects, which no
run trains on, as they ship; the interval is that of the mean of the differences, object by object.
"""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path
from statistics import fmean
from time import perf_counter
from typing import Any

import cv2
import numpy as np

import fewclicks
from fewclicks.config import PredictorConfig
from fewclicks.datasets import Subset, open_benchmark
from fewclicks.engines import onnx
from fewclicks.engines.network import Floats, Network
from fewclicks.evaluation.metrics import interval
from fewclicks.evaluation.rollout import evaluate, rollout
from fewclicks.files.replace import write_text
from fewclicks.methods import default, default_int8
from fewclicks.types import Dataset

NETS = {"float": default.WEIGHTS, "int8": default_int8.WEIGHTS}
SIDE, SECONDS = PredictorConfig().zoom, 10.0
LEVELS = (0.85, 0.90)
AGREE = 40
"""On so many objects, three clicks each, the masks are compared."""


def times(threads: int) -> dict[str, Any]:
    """The shortest time of a forward of each network, in milliseconds, and their ratio."""
    rng = np.random.default_rng(0)
    feed = (
        rng.random((1, 3, SIDE, SIDE), np.float32),
        np.array([[[200, 180, 1], [90, 60, 0]]], np.float32),
        rng.random((1, 1, SIDE, SIDE), np.float32),
    )
    nets = {name: onnx.load(path, threads) for name, path in NETS.items()}
    best = dict.fromkeys(nets, float("inf"))
    ends = perf_counter() + SECONDS
    while perf_counter() < ends:
        for name, net in nets.items():
            began = perf_counter()
            net(*feed)
            best[name] = min(best[name], 1000 * (perf_counter() - began))
    ratio = best["int8"] / best["float"]
    return {**{f"{name}_ms": round(value, 2) for name, value in best.items()}, "ratio": round(ratio, 3)}


def agreement(dataset: Dataset) -> dict[str, Any]:
    """How alike the logits and the masks are, forward by forward."""
    first, second = (onnx.load(path, 1) for path in NETS.values())
    correlations, ious = [], []

    def both(image: Floats, clicks: Floats, prev: Floats) -> Floats:
        one, other = first(image, clicks, prev), second(image, clicks, prev)
        correlations.append(float(np.corrcoef(one.ravel(), other.ravel())[0, 1]))
        if union := np.count_nonzero((one > 0) | (other > 0)):
            ious.append(np.count_nonzero((one > 0) & (other > 0)) / union)
        return one

    predictor = PredictorConfig(**default.OWN).around(Network(both))
    for i in range(len(dataset)):
        rollout(predictor, dataset[i], max_clicks=3)
    return {
        "forwards": len(correlations),
        "logit_correlation": round(fmean(correlations), 5),
        "lowest_logit_correlation": round(min(correlations), 5),
        "mask_iou": round(fmean(ious), 4),
    }


def clicks(dataset: Dataset) -> dict[str, Any]:
    """NoC of both, and the mean difference with its 95 % interval."""
    results = {
        name: evaluate(fewclicks.load(path, threads=1), dataset, stop_iou=max(LEVELS)) for name, path in NETS.items()
    }
    found: dict[str, Any] = {"objects": len(dataset), **default.OWN}
    for level in LEVELS:
        more = np.subtract(results["int8"].clicks_to(level), results["float"].clicks_to(level))
        found[f"noc{round(100 * level)}"] = {
            **{name: round(result.noc(level), 4) for name, result in results.items()},
            "difference": round(float(more.mean()), 4),
            "interval": [round(end, 4) for end in interval(more.tolist())],
        }
    return found


def cpu() -> dict[str, Any]:
    """What decides whether bytes are multiplied fast."""
    info = Path("/proc/cpuinfo")
    flags = (
        next((line for line in info.read_text().splitlines() if line.startswith("flags")), "") if info.exists() else ""
    )
    known = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "amx_int8")
    return {"machine": platform.machine(), "flags": [flag for flag in known if flag in flags.split()]}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--limit", type=int, default=10**6, help="So many validation objects.")
    parser.add_argument("--times-only", action="store_true")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    figures: dict[str, Any] = {
        "cpu": cpu(),
        "weights_sha256": {name: default.weights_hash(path) for name, path in NETS.items()},
        "megabytes": {name: round(path.stat().st_size / 1e6, 1) for name, path in NETS.items()},
        f"forward_{SIDE}x{SIDE}": {f"{threads} threads": times(threads) for threads in (1, 2)},
    }
    if not arguments.times_only:
        dataset = Subset(open_benchmark("validation"), arguments.limit)
        figures["agreement"] = agreement(Subset(dataset, AGREE))
        figures["validation"] = clicks(dataset)
    text = json.dumps(figures, indent=1)
    print(text)
    if arguments.json:
        write_text(arguments.json, text + "\n")


if __name__ == "__main__":
    main()
