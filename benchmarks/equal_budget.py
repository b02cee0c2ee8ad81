"""Train the smallest variant of each method with one equal budget, measure them, write results/equal_budget.json.

    python benchmarks/equal_budget.py [--samples N] [--out runs/equal_budget] [--methods dios,ld,...] [--show]

Each method has the same photos, the same number of samples of the same size, and the objective of its own paper. Those
that can take any backbone have one with the same ImageNet weights (EfficientNet-Lite0); `icl` is the default model's
network under the paper's objective, `last_click` the same without it. Those that are tied to a network of their own
have the smallest of its kind, which begins from nothing. Each is measured without CFR and with CFR-1.

What is finished is kept: the command can be stopped at any time and called again. First all methods are measured on the
first dataset, then on the next. The results are written anew after each method; `--show` only writes them, and says
what has not run yet.

It compares what the ideas are worth on one small network and little training. It cannot say which published system is
better: theirs have other backbones, a thousand times the data and days of training. Nor can it compare what begins from
ImageNet with what begins from nothing.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from fewclicks.evaluation.comparison import Runs
from fewclicks.evaluation.report import read_json
from fewclicks.files.replace import write_text

ROOT = Path(__file__).resolve().parents[1]
ON_IMAGENET = {
    "last_click": ["compact:compact", "objective=last_click", "click_weights=1,1,1"],
    "icl": ["compact:compact"],
    "dios": ["dios:compact"],
    "ucp_net": ["ucp_net:compact"],
    "pseudoclick": ["pseudoclick:compact"],
    "ld": ["ld:compact"],
    "brs": ["brs:compact"],
}
"""What is trained from one backbone with ImageNet weights, and with which changes; the cheapest first."""
FROM_NOTHING = (
    "simpleclick", "cfr_icl", "sam", "hq_sam", "sam2", "segnext", "focalclick", "emcclick", "ritm", "fcanet", "cdnet",
    "fbrs",
)  # fmt: skip
"""What is tied to a network of its own; the cheapest first."""
RECIPES = ON_IMAGENET | {name: [f"rivals:{name}"] for name in FROM_NOTHING}
DATASETS = ("grabcut", "berkeley", "davis")
CFR = (0, 1)
PAIRED = ("NoC@80", "NoC@90", "IoU@5")
KEYS = ("objects", "noc", "noc_interval", "failures", "iou_at_click", "seconds_per_click")
SAYS = (
    "Equal: photos, number and size of samples, batch, precision, robot (UCP-Net: its own), size of what a network "
    "sees, and among those that begin from ImageNet the backbone and its weights. Not equal: what a sample costs, for "
    "some methods look more than once at it. One seed each: the intervals are those of the objects alone, and a "
    "difference within them may be luck of the training. The systems as published have other backbones, larger crops, "
    "a thousand times the data and days of training; this says nothing of them, nor of what begins from nothing "
    "against what begins from ImageNet. Seconds are of the run that counted the clicks, on one thread, beside whatever "
    "else the machine did: they compare methods only where it was at rest."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What each method has, and the rules by which it is measured."""

    samples: int
    """That it is trained on."""
    batch: int
    crop_px: int
    """Side of a sample, and the longest side of what the trained network is shown."""
    precision: str
    max_clicks: int
    stop_iou: float
    limit: int
    """Objects of each dataset at most, evenly spread."""


def fewclicks(*arguments: str) -> None:
    """Run a command of fewclicks; CalledProcessError where it fails."""
    subprocess.run([sys.executable, "-m", "fewclicks", *arguments], check=True, env={**os.environ})


def train(name: str, out: Path, budget: Budget) -> Path:
    """The checkpoint of a method, trained unless it is finished."""
    recipe, *changes = RECIPES[name]
    folder, last = out / name, out / name / "last"
    if (folder / "finished").is_file():
        return last
    steps = max(1, budget.samples // budget.batch)
    changes += [f"batch={budget.batch}", f"steps={steps}", f"warmup={steps // 10}", f"precision={budget.precision}"]
    changes += [f"crop_hw={budget.crop_px},{budget.crop_px}", "zoom=0"]
    if not last.is_dir():  # one that was stopped before it kept anything
        shutil.rmtree(folder, ignore_errors=True)
    resume = ["--resume"] if last.is_dir() else []
    fewclicks("train", recipe, *changes, *resume, "--workers", "0", "--log", "none", "--out", str(folder))
    (folder / "finished").write_text("")
    return last


def report_of(name: str, cfr: int, dataset: str, out: Path) -> Path:
    """Tell where a report lies."""
    return out / f"{name}-cfr{cfr}-{dataset}.json"


def measure(name: str, weights: Path, cfr: int, dataset: str, out: Path, budget: Budget) -> None:
    """Measure a method on a dataset, unless it was."""
    report = report_of(name, cfr, dataset, out)
    if report.is_file():
        return
    rules = ["--limit", str(budget.limit), "--max-clicks", str(budget.max_clicks), "--stop-iou", str(budget.stop_iou)]
    rules += ["--cfr", str(cfr), "--threads", "1", "--full", "--resume", "--json", str(report)]
    fewclicks("bench", dataset, "--method", str(weights), *rules)


def training(folder: Path) -> dict[str, Any]:
    """Tell what a training took and came to: its loss in the first and in the last tenth of the steps.

    Of steps whose loss is a sum of several predictions it is that of the first, for how many there are is drawn.
    """
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()]
    terms = [sorted(key for key in line if key.startswith("loss_y")) for line in lines]
    losses = [line[each[0]] for line, each in zip(lines, terms, strict=True) if each]
    tenth = max(1, len(losses) // 10)
    return {
        "steps": len(losses),
        "seconds": round(sum(line.get("seconds", 0) + line.get("waited", 0) for line in lines)),
        "loss_first": round(fmean(losses[:tenth]), 4),
        "loss_last": round(fmean(losses[-tenth:]), 4),
    }


def summary(out: Path, methods: Sequence[str], budget: Budget, failed: dict[str, str]) -> dict[str, Any]:
    """All figures of what is measured, and the names of what is not."""
    rows: dict[str, Any] = {}
    missing = []
    for name in methods:
        found: dict[str, Any] = {}
        for cfr in CFR:
            for dataset in DATASETS:
                report = report_of(name, cfr, dataset, out)
                if report.is_file():
                    ((title, figures),) = read_json(report)["datasets"].items()
                    found.setdefault(f"CFR-{cfr}", {})[title] = {key: figures[key] for key in KEYS}
                else:
                    missing.append(f"{name}, CFR-{cfr}, {dataset}")
        begins = "EfficientNet-Lite0 with ImageNet weights" if name in ON_IMAGENET else "nothing"
        trained = (out / name / "finished").is_file()
        rows[name] = {
            "begins_from": begins,
            "state": f"failed: {failed[name]}" if name in failed else "measured" if found else "not run yet",
            **({"training": training(out / name)} if trained else {}),
            **found,
        }
    return {"format": 2, "budget": asdict(budget), "says": SAYS, "rows": rows, "not_run_yet": missing}


def pairs(out: Path, methods: Sequence[str]) -> list[dict[str, Any]]:
    """The paired bootstrap of any two methods without CFR, and of each method with CFR-1 against itself without."""
    found = []
    for dataset in DATASETS:
        there = [name for name in methods if all(report_of(name, cfr, dataset, out).is_file() for cfr in CFR)]
        reports = {f"{name}, CFR-{cfr}": read_json(report_of(name, cfr, dataset, out)) for name in there for cfr in CFR}
        asked = [(f"{a}, CFR-0", f"{b}, CFR-0") for a, b in itertools.combinations(there, 2)]
        asked += [(f"{name}, CFR-0", f"{name}, CFR-1") for name in there]
        for first, second in asked:
            runs = Runs({first: reports[first], second: reports[second]})
            found += [
                {
                    "first": first, "second": second, "dataset": d.dataset, "measure": d.measure,
                    "change": round(d.change, 4), "low": round(d.low, 4), "high": round(d.high, 4),
                }
                for d in runs.differences(second)
                if d.measure in PAIRED
            ]  # fmt: skip
    return found


def parsed() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1200, help="samples that each method is trained on")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--crop", type=int, default=128, help="side of a sample in pixels")
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--max-clicks", type=int, default=10)
    parser.add_argument("--stop-iou", type=float, default=0.9)
    parser.add_argument("--limit", type=int, default=50, help="objects of each dataset at most")
    parser.add_argument("--methods", default=",".join(RECIPES))
    parser.add_argument("--show", action="store_true", help="run nothing: write the results of what is finished")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "equal_budget")
    parser.add_argument("--results", type=Path, default=ROOT / "results" / "equal_budget.json")
    chosen = parser.parse_args()
    if unknown := [name for name in chosen.methods.split(",") if name not in RECIPES]:
        parser.error(f"no method '{unknown[0]}' here; there are: {', '.join(RECIPES)}")
    return chosen


def main() -> None:
    """Train, measure, write."""
    chosen = parsed()
    out: Path = chosen.out
    out.mkdir(parents=True, exist_ok=True)
    budget = Budget(
        samples=chosen.samples, batch=chosen.batch, crop_px=chosen.crop, precision=chosen.precision,
        max_clicks=chosen.max_clicks, stop_iou=chosen.stop_iou, limit=chosen.limit,
    )  # fmt: skip
    kept = out / "budget.json"
    if kept.is_file() and (before := json.loads(kept.read_text("utf-8"))) != asdict(budget):
        sys.exit(f"error: {out} holds runs of another budget, {before}; name another --out, or remove it")
    write_text(kept, json.dumps(asdict(budget)) + "\n")
    failed: dict[str, str] = {}

    def write(**more: Any) -> None:
        """The results, whole; of methods that this call does not name too."""
        found = summary(out, list(RECIPES), budget, failed) | more
        write_text(chosen.results, json.dumps(found, indent=1, allow_nan=False) + "\n")

    for dataset in () if chosen.show else DATASETS:
        for name in chosen.methods.split(","):
            if name in failed:
                continue
            try:
                weights = train(name, out, budget)
                for cfr in CFR:
                    measure(name, weights, cfr, dataset, out, budget)
            except subprocess.CalledProcessError as error:
                failed[name] = f"{error.cmd[3]} ended with code {error.returncode}"
            write()
    write(pairs=pairs(out, list(RECIPES)))
    print(chosen.results)


if __name__ == "__main__":
    main()
