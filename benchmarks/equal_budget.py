"""Train the smallest variant of each method with one equal budget, measure them, write results/equal_budget.json.

    python benchmarks/equal_budget.py [--samples N | --for 30m] [--out runs/equal] [--methods dios,ld,...] [--limit N]

Each method has the same photos, the same number of samples (or of minutes), and the objective of its own paper. Those
that can take any backbone have one with the same ImageNet weights (EfficientNet-Lite0); `icl` is the default model's
network under the paper's objective, `last_click` the same without it. Those that are tied to a network of their own
have the smallest of its kind, which begins from nothing. Each is measured on the three benchmarks without CFR and with
CFR-1, which is the same for methods that look at no previous mask. What is finished is kept: the command can be stopped
and called again.

It compares what the ideas are worth on one small network and little training. It cannot say which published system is
better: theirs have other backbones, a hundred times the data and days of training. Nor can it compare what begins from
ImageNet with what begins from nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from fewclicks.evaluation.table4 import pairs
from fewclicks.files.replace import write_text

ROOT = Path(__file__).resolve().parents[1]
RECIPES = {
    "icl": ["compact:compact"],
    "last_click": ["compact:compact", "objective=last_click", "click_weights=1,1,1"],
    "dios": ["dios:compact"],
    "ld": ["ld:compact"],
    "brs": ["brs:compact"],
    "ucp_net": ["ucp_net:compact"],
    "pseudoclick": ["pseudoclick:compact"],
}
"""What is trained from one backbone with ImageNet weights, and with which changes."""
OWN_NETWORKS = (
    "ritm", "fbrs", "fcanet", "cdnet", "focalclick", "emcclick", "simpleclick", "cfr_icl", "sam", "hq_sam", "sam2",
    "segnext",
)  # fmt: skip
"""What begins from nothing."""
RECIPES |= {name: [f"rivals:{name}"] for name in OWN_NETWORKS}
DATASETS = ("grabcut", "berkeley", "davis")
SAYS = (
    "Equal: photos, samples or minutes, robot (UCP-Net: its own), and among those that begin from ImageNet the "
    "backbone and its weights. Not equal: what a sample costs, for some methods look more than once at it. One seed "
    "each: differences within the intervals of the objects may be luck of the training. The systems as published have "
    "other backbones, data and days of training; this says nothing of them."
)


def fewclicks(*arguments: str) -> None:
    """Run a command of fewclicks; it ends this script where it fails."""
    subprocess.run([sys.executable, "-m", "fewclicks", *arguments], check=True, env={**os.environ})


def train(name: str, out: Path, budget: argparse.Namespace) -> Path:
    """The checkpoint of a method, trained unless it is finished."""
    recipe, *changes = RECIPES[name]
    folder, last = out / name, out / name / "last"
    if (folder / "finished").is_file():
        return last
    sized = [f"batch={budget.batch}", f"steps={max(1, budget.samples // budget.batch)}", f"warmup={budget.warmup}"]
    sized += [f"crop_hw={budget.crop},{budget.crop}"]
    timed = ["--for", budget.minutes, "--evaluate", "0"] if budget.minutes else []
    resume = ["--resume"] if last.is_dir() else []
    fewclicks("train", recipe, *changes, *sized, *timed, *resume, "--workers", "0", "--out", str(folder))
    (folder / "finished").write_text("")
    return last


def measure(name: str, weights: Path, out: Path, cfr: int, limit: int | None) -> Path:
    """The report of a method, measured unless it was."""
    report = out / f"{name}-cfr{cfr}{f'-{limit}' if limit else ''}.json"
    if not report.is_file():
        some = ["--limit", str(limit)] if limit else []
        rules = ["--cfr", str(cfr), "--threads", "1", "--full", "--resume", "--json", str(report)]
        fewclicks("bench", *DATASETS, "--method", str(weights), *rules, *some)
    return report


def summary(reports: dict[str, Path], budget: dict[str, Any]) -> dict[str, Any]:
    """All figures, and the paired bootstrap of any two."""
    rows = {}
    for name, file in reports.items():
        figures = json.loads(file.read_text("utf-8"))["datasets"]
        own = name.partition(",")[0] in OWN_NETWORKS
        rows[name] = {"begins_from": "nothing" if own else "EfficientNet-Lite0 with ImageNet weights"} | {
            dataset: {key: one[key] for key in ("objects", "noc", "noc_interval", "failures", "seconds_per_click")}
            for dataset, one in figures.items()
        }
    return {"format": 1, "budget": budget, "says": SAYS, "rows": rows, "pairs": pairs(reports)}


def main() -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=48_000, help="samples that each method is trained on")
    parser.add_argument("--for", dest="minutes", help="train so long instead, as 30m")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--crop", type=int, default=256, help="side of a crop in pixels")
    parser.add_argument("--warmup", type=int, default=100)
    parser.add_argument("--methods", default=",".join(RECIPES))
    parser.add_argument("--limit", type=int, help="only so many objects of each benchmark")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "equal_budget")
    parser.add_argument("--results", type=Path, default=ROOT / "results" / "equal_budget.json")
    chosen = parser.parse_args()
    unknown = [name for name in chosen.methods.split(",") if name not in RECIPES]
    if unknown:
        parser.error(f"no method '{unknown[0]}' here; there are: {', '.join(RECIPES)}")
    chosen.out.mkdir(parents=True, exist_ok=True)
    budget = {"samples": chosen.samples, "for": chosen.minutes, "batch": chosen.batch, "crop_px": chosen.crop}
    kept = chosen.out / "budget.json"
    if kept.is_file() and (before := json.loads(kept.read_text("utf-8"))) != budget:
        parser.error(f"{chosen.out} holds runs of another budget, {before}; name another --out, or remove it")
    write_text(kept, json.dumps(budget) + "\n")
    reports = {}
    for name in chosen.methods.split(","):
        weights = train(name, chosen.out, chosen)
        for cfr in (0, 1):
            reports[f"{name}, CFR-{cfr}"] = measure(name, weights, chosen.out, cfr, chosen.limit)
    write_text(chosen.results, json.dumps(summary(reports, budget), indent=1, allow_nan=False) + "\n")
    print(f"{chosen.results}: {len(reports)} rows")


if __name__ == "__main__":
    main()
