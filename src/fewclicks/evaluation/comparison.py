"""Compare runs of the benchmark object by object: differences with their intervals, plots, tables for a paper.

Each run is a report that `fewclicks bench --full --json FILE` wrote. Only what was measured on the same objects under
the same rules is compared.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from fewclicks.errors import InputError
from fewclicks.evaluation.metrics import resampled_means
from fewclicks.evaluation.plots import blank_figure, plot
from fewclicks.evaluation.report import read_json
from fewclicks.files.replace import replace_file

CURVE = ("IoU@1", "IoU@3", "IoU@5")
FEWEST = 6
"""Videos or photos without which nothing is clear: of five, all change one way by chance in 1 of 16 comparisons, and a
bootstrap of so few makes intervals too narrow."""
RULES = ("robot", "max_clicks", "stop_iou")


@dataclass(frozen=True, slots=True)
class Difference:
    """Holds what a run changes against the first one on the objects of a dataset: mean, and its 95 % interval."""

    dataset: str
    measure: str
    first: float
    other: float
    low: float
    high: float
    objects: int
    groups: int
    """Clusters that the interval draws: videos, photos."""
    better: int
    worse: int
    """Objects on which the other run is better or worse."""

    @property
    def change(self) -> float:
        """Mean of the other run less that of the first."""
        return self.other - self.first

    @property
    def is_clear(self) -> bool:
        """Tell whether the interval leaves 0 out, and is of enough videos or photos to be believed (`FEWEST`)."""
        return self.groups >= FEWEST and (self.low > 0 or self.high < 0)


@dataclass(frozen=True, slots=True)
class Runs:
    """Reports by label, of the same objects under the same rules."""

    reports: Mapping[str, Mapping[str, Any]]

    @classmethod
    def read(cls, files: Mapping[str, str | Path]) -> Runs:
        """Read reports by label. InputError where they hold no objects, or were made under other rules."""
        if len(files) < 2:
            raise InputError(f"a comparison needs two reports or more, got {len(files)}; name them: A.json B.json")
        reports = {label: read_json(file) for label, file in files.items()}
        first = next(iter(reports))
        for label, report in reports.items():
            if not any("per_object" in row for row in report["datasets"].values()):
                raise InputError(f"'{files[label]}' has means only; measure again with --full, which adds every object")
            settings, wanted = report["settings"], reports[first]["settings"]
            if other := [rule for rule in RULES if settings.get(rule) != wanted.get(rule)]:
                told = f"{other[0]} is {settings.get(other[0])} in '{label}' and {wanted.get(other[0])} in '{first}'"
                raise InputError(f"the runs have other rules: {told}; measure both under the same")
        runs = cls(reports)
        if not runs.datasets:
            raise InputError(f"no dataset is in all of the reports; measure {', '.join(reports)} on the same datasets")
        return runs

    @property
    def labels(self) -> list[str]:
        """The names of the runs; differences are to the first."""
        return list(self.reports)

    @property
    def datasets(self) -> list[str]:
        """The datasets that every run has with every object."""
        first = next(iter(self.reports.values()))["datasets"]
        return [
            name
            for name in first
            if all("per_object" in report["datasets"].get(name, {}) for report in self.reports.values())
        ]

    def objects(self, dataset: str) -> dict[str, Mapping[str, Any]]:
        """Tell what each run says of every object. InputError unless they are the same objects in the same order."""
        found = {label: report["datasets"][dataset]["per_object"] for label, report in self.reports.items()}
        names = found[self.labels[0]]["name"]
        for label, one in found.items():
            if one["name"] != names:
                raise InputError(
                    f"'{label}' measured other objects of {dataset} ({len(one['name'])}) than '{self.labels[0]}' "
                    f"({len(names)}); measure both with the same --limit"
                )
        return found

    def values(self, dataset: str, label: str, measure: str) -> list[float]:
        """A measure of each object: the clicks of "NoC@90", the IoU of "IoU@3" (the last one where it was done).

        So with "boundary IoU@3" and "my_lab:dice@3", where the runs have them; NaN where a metric means nothing.
        """
        one = self.objects(dataset)[label]
        kind, _, number = measure.rpartition("@")
        if kind == "NoC":
            return [float(clicks) for clicks in one["noc"][f"0.{number}"]]
        curves = _curves(one)[kind]
        last = (curve[min(int(number), len(curve)) - 1] for curve in curves)
        return [math.nan if value is None else float(value) for value in last]

    def measures(self, dataset: str) -> list[str]:
        """The measures that were reached for."""
        each = list(self.objects(dataset).values())
        own = [kind for kind in _curves(each[0]) if kind != "IoU" and all(kind in _curves(one) for one in each)]
        clicks = [f"NoC@{level.removeprefix('0.')}" for level in each[0]["noc"]]
        return [*clicks, *CURVE, *(f"{kind}@{click}" for kind in own for click in (1, 3, 5))]

    def main_measure(self, dataset: str) -> str:
        """Name what tells most of an object: NoC@90, else the highest level that was reached for, else IoU@5."""
        clicks = [measure for measure in self.measures(dataset) if measure.startswith("NoC")]
        return "NoC@90" if "NoC@90" in clicks else (clicks or ["IoU@5"])[-1]

    def differences(self, label: str) -> list[Difference]:
        """Tell what a run changes against the first one: a paired bootstrap; videos and photos stay together."""
        found = []
        for dataset in self.datasets:
            objects = self.objects(dataset)
            groups = objects[label].get("group") or [""] * len(objects[label]["name"])
            for measure in self.measures(dataset):
                both = np.array([self.values(dataset, one, measure) for one in (self.labels[0], label)])
                counted = ~np.isnan(both).any(axis=0)
                if not counted.any():
                    continue
                before, after = both[:, counted]
                of_these = [group for group, counts in zip(groups, counted, strict=True) if counts]
                changes = after - before
                low, high = np.quantile(resampled_means(changes.tolist(), of_these), (0.025, 0.975))
                gains = -changes if measure.startswith("NoC") else changes
                found.append(
                    Difference(
                        dataset, measure, fmean(before), fmean(after), float(low), float(high), len(before),
                        len({group or i for i, group in enumerate(of_these)}),
                        int((gains > 1e-9).sum()), int((gains < -1e-9).sum()),
                    )
                )  # fmt: skip
        return found

    def most_different(self, dataset: str, label: str, count: int = 10) -> list[tuple[int, str, float]]:
        """(position, name, change of `main_measure`) of the objects that differ most, largest first.

        Of those that took as many clicks, the one whose IoU after the fifth differs more comes first.
        """
        measure = self.main_measure(dataset)
        names = self.objects(dataset)[label]["name"]
        changes, ious = (
            np.subtract(self.values(dataset, label, one), self.values(dataset, self.labels[0], one))
            for one in (measure, "IoU@5")
        )
        order = np.lexsort((-np.abs(ious), -np.abs(changes)))
        return [(int(i), names[i], float(changes[i])) for i in order[:count] if changes[i] or ious[i]]


def _curves(one: Mapping[str, Any]) -> dict[str, list[list[float | None]]]:
    """What a run measured after each click of each object, by the name of the measure."""
    edges = {"boundary IoU": one["boundary_ious"]} if "boundary_ious" in one else {}
    return {"IoU": one["ious"], **edges, **one.get("metrics", {})}


def markdown(runs: Runs) -> str:
    """A Markdown table a run and dataset: means, change, interval, on how many objects it is better and worse."""
    lines = []
    for label in runs.labels[1:]:
        lines += [f"### {label} against {runs.labels[0]}", ""]
        lines += [
            "| dataset | measure | " + " | ".join((runs.labels[0], label)) + " | change [95 %] | better | worse |"
        ]
        lines += ["|---|---|---:|---:|---:|---:|---:|"]
        differences = runs.differences(label)
        for d in differences:
            change = f"{d.change:+.3f} [{d.low:+.3f}, {d.high:+.3f}]".replace("-", "\u2212")
            change = f"**{change}**" if d.is_clear else change
            name = f"{d.dataset} ({d.objects}" + (f" in {d.groups})" if d.groups < d.objects else ")")
            lines.append(
                f"| {name} | {d.measure} | {d.first:.3f} | {d.other:.3f} | {change} | {d.better} | {d.worse} |"
            )
        if few := list(dict.fromkeys(d.dataset for d in differences if d.groups < FEWEST)):
            told = f"{', '.join(few)}: fewer than {FEWEST} videos or photos, whose intervals are too narrow to believe."
            lines += ["", told]
        lines.append("")
    return "\n".join(lines)


def latex(runs: Runs) -> str:
    """A LaTeX table (booktabs) as papers have it: a row a run, NoC@90 and NoC@95 on each dataset, the best in bold.

    Where clicking stopped before both, it has what `Runs.main_measure` names.
    """
    levels: tuple[str, ...] = ("NoC@90", "NoC@95")
    there = {dataset: [level for level in levels if level in runs.measures(dataset)] for dataset in runs.datasets}
    columns = [(name, level) for name, own in there.items() for level in own or [runs.main_measure(name)]]
    cells = {label: [_shown(fmean(runs.values(name, label, level)), level) for name, level in columns]
             for label in runs.labels}  # fmt: skip
    best = [
        (min if level.startswith("NoC") else max)((each[i] for each in cells.values()), key=float)
        for i, (_, level) in enumerate(columns)
    ]
    heads = " & ".join(
        f"\\multicolumn{{{sum(d == dataset for d, _ in columns)}}}{{c}}{{{_escaped(dataset)}}}"
        for dataset in runs.datasets
    )
    rows = []
    for label in runs.labels:
        marked = [f"\\textbf{{{cell}}}" if cell == b else cell for cell, b in zip(cells[label], best, strict=True)]
        rows.append(" & ".join([_escaped(label), *marked]) + " \\\\")
    return "\n".join([
        f"\\begin{{tabular}}{{l{'r' * len(columns)}}}", "\\toprule", f"Method & {heads} \\\\",
        " & ".join(["", *(level for _, level in columns)]) + " \\\\", "\\midrule", *rows, "\\bottomrule",
        "\\end{tabular}", "",
    ])  # fmt: skip


def _shown(mean: float, measure: str) -> str:
    return f"{mean:.2f}" if measure.startswith("NoC") else f"{mean:.3f}"


def _escaped(text: str) -> str:
    """Text in which LaTeX's special characters stand for themselves."""
    table = {char: f"\\{char}" for char in "&%$#_{}"} | {
        "\\": "\\textbackslash{}",
        "~": "\\textasciitilde{}",
        "^": "\\^{}",
    }
    return "".join(table.get(char, char) for char in text)


def draw_curves(runs: Runs, path: Path) -> Path:
    """Draw IoU against clicks of all runs in one plot, a panel a dataset."""
    shared = {
        label: {"datasets": {name: report["datasets"][name] for name in runs.datasets}}
        for label, report in runs.reports.items()
    }
    return plot(shared, path)


def draw_scatter(runs: Runs, label: str, path: Path) -> Path:
    """Draw each object as a dot: its clicks in the first run across, in another run up; larger where several lie."""
    figure = blank_figure()
    figure.set_size_inches(4 * len(runs.datasets), 4.2)
    panels = figure.subplots(1, len(runs.datasets), squeeze=False)[0]
    for panel, dataset in zip(panels, runs.datasets, strict=True):
        shown = runs.main_measure(dataset)
        pairs = [runs.values(dataset, one, shown) for one in (runs.labels[0], label)]
        dots, counts = np.unique(np.transpose(pairs), axis=0, return_counts=True)
        what, end = ("clicks", dots.max() + 1) if shown.startswith("NoC") else (shown.partition("@")[0], 1)
        panel.plot((0, end), (0, end), color="0.7", linewidth=1, zorder=0)
        panel.scatter(dots[:, 0], dots[:, 1], s=14 * counts, alpha=0.6)
        panel.set(title=f"{dataset}: {shown}", xlabel=f"{what}, {runs.labels[0]}", ylabel=f"{what}, {label}")
        panel.set(xlim=(0, end), ylim=(0, end), aspect="equal")
    replace_file(path, lambda file: figure.savefig(file, format=path.suffix[1:], dpi=150))
    return path
