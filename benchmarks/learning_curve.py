"""What more samples would bring: the learning curve of the default model, from results/experiments/, and its slope.

    python benchmarks/learning_curve.py [--plot docs/images/learning_curve.svg]

Nothing is trained: each run of the chain that led to the default was measured on the same 64 objects of the validation
split, at one zoom size with CFR-1 (docs/experiments.md). Samples are those that its weights have seen in all. The line
is fitted to all points against the logarithm of the samples; its interval is that of a bootstrap over the objects.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tables import LEVELS, RESULTS, per_object, stored

from fewclicks.evaluation.plots import blank_figure
from fewclicks.files.replace import replace_file

PHASES = {
    "1-compact": "compact",
    "2-branch_256": "compact_branch_256",
    "3-branch_352": "compact_branch_352",
    "6-late": "compact_late",
    "7-late_foreign": "compact_late_foreign",
    "12-average": "compact_foreign_everywhere",
    "17-gpu": "compact_gpu",
}
"""Run -> the last phase of training.json that its weights have seen."""
GROWN = "17-gpu"
"""It has more layers and sees more kinds of photos: the last step of the curve is not of samples alone."""
RESAMPLES = 10_000


@dataclass(frozen=True, slots=True)
class Curve:
    """Clicks against samples at one level."""

    samples: NDArray[np.int64]
    """Of each run."""
    clicks: NDArray[np.float64]
    """Runs x objects."""

    @property
    def noc(self) -> NDArray[np.float64]:
        """The mean of each run."""
        return np.asarray(self.clicks.mean(1))

    def slope(self) -> tuple[float, float, float]:
        """Clicks for ten times the samples, and its 95 % interval."""
        x = np.log10(self.samples)
        x = x - x.mean()
        each = x @ self.clicks / (x @ x)  # of each object; that of the mean is their mean
        drawn = np.random.default_rng(0).integers(0, len(each), (RESAMPLES, len(each)))
        low, high = np.quantile(each[drawn].mean(1), (0.025, 0.975))
        return float(each.mean()), float(low), float(high)

    def line(self, samples: NDArray[np.float64]) -> NDArray[np.float64]:
        """The fitted clicks at so many samples."""
        x = np.log10(self.samples)
        return np.asarray(self.noc.mean() + self.slope()[0] * (np.log10(samples) - x.mean()))


@cache
def curves() -> dict[str, Curve]:
    """Level -> its curve."""
    seen, total = {}, 0
    for phase in stored("training.json")["phases"]:
        total += phase["samples"]
        seen[phase["recipe"]] = total
    runs = [per_object(RESULTS / "experiments" / f"{run}.json") for run in PHASES]
    samples = np.array([seen[phase] for phase in PHASES.values()])
    return {level: Curve(samples, np.array([run["noc"][level] for run in runs], float)) for level in LEVELS}


def rows() -> list[tuple[str, int, float, float]]:
    """Each run: its name, the samples it has seen, NoC at both levels."""
    at_90, at_95 = curves().values()
    return [
        (run.partition("-")[0] + ". " + run.partition("-")[2].replace("_", " "), int(n), float(a), float(b))
        for run, n, a, b in zip(PHASES, at_90.samples, at_90.noc, at_95.noc, strict=True)
    ]


def needed(level: str, now: float, goal: float) -> tuple[float, float]:
    """How many times the samples a benchmark needs to come from `now` to `goal` clicks: by the slope, and by its least.

    If its clicks fall by the same share as those of the validation split.
    """
    curve = curves()[level]
    slope, _, least = (one / float(curve.noc[-1]) for one in curve.slope())
    wanted = goal / now - 1
    return 10 ** (wanted / slope), 10 ** (wanted / least) if least < 0 else float("inf")


def draw(path: Path) -> None:
    """Draw both curves against samples, on a logarithmic scale."""
    figure = blank_figure()
    figure.set_size_inches(8, 3.4)
    for panel, (level, curve) in zip(figure.subplots(1, 2), curves().items(), strict=True):
        errors = 1.96 * curve.clicks.std(1, ddof=1) / np.sqrt(curve.clicks.shape[1])
        panel.errorbar(curve.samples / 1000, curve.noc, errors, fmt="o", capsize=2, label="runs, 95 % of the objects")
        beyond = np.geomspace(curve.samples[0], 10 * curve.samples[-1])
        panel.plot(beyond / 1000, curve.line(beyond), "--", label="fit, and ten times the samples")
        panel.set(xscale="log", title=f"NoC@{level[2:]}", xlabel="thousand samples")
        panel.grid(alpha=0.3, which="both")
    panel.legend(loc="upper right", fontsize=8)
    replace_file(path, lambda file: figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None}))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print, and draw if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plot", type=Path)
    asked = parser.parse_args(arguments)
    for name, samples, at_90, at_95 in rows():
        print(f"{name:20} {samples:8,} samples  {at_90:6.2f} {at_95:6.2f}")
    for level, curve in curves().items():
        print(
            f"NoC@{level[2:]}: {curve.slope()[0]:+.2f} {[round(one, 2) for one in curve.slope()[1:]]} clicks a decade"
        )
        rest = Curve(curve.samples[:-1], curve.clicks[:-1])
        print(f"  without {GROWN}: {rest.slope()[0]:+.2f} {[round(one, 2) for one in rest.slope()[1:]]}")
    if asked.plot:
        draw(asked.plot)


if __name__ == "__main__":
    main()
