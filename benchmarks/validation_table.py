"""Compare runs on the validation split: a Markdown row per report of `fewclicks bench validation --full --json FILE`.

    python benchmarks/validation_table.py [LABEL=]FILE [[LABEL=]FILE ...]

NoC with its bootstrap interval, mean IoU after one click, NoC@90 of each set, and what more clicks did: the share of
the clicks after the first that lower the IoU by more than 5 points, and the least mean change from a click to the next.
In every row but the first: the change of NoC to the first, object by object, bold where its interval leaves 0 out.
Fewer clicks are better.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from fewclicks.errors import FewClicksError, InputError
from fewclicks.evaluation.metrics import click_effect, interval
from fewclicks.evaluation.report import read_json

LEVELS = ("0.90", "0.95")


def read(file: str, dataset: str) -> Mapping[str, Any]:
    """What the report says of every object of the dataset; InputError if it does not."""
    datasets = read_json(file)["datasets"]
    if dataset not in datasets:
        raise InputError(
            f"'{file}' measured {', '.join(datasets)}, not {dataset}; run: fewclicks bench validation --full"
        )
    if "per_object" not in datasets[dataset]:
        raise InputError(f"'{file}' has means only; measure again with --full, which adds every object")
    per_object: Mapping[str, Any] = datasets[dataset]["per_object"]
    return per_object


def table(reports: Mapping[str, Mapping[str, Any]]) -> str:
    """The rows in Markdown. `reports`: label -> per object; all of the same objects, with names SET/..."""
    first = next(iter(reports.values()))
    names: list[str] = first["name"]
    for label, one in reports.items():
        if one["name"] != names:
            raise InputError(
                f"'{label}' measured other objects ({len(one['name'])}) than the first report ({len(names)}); "
                "measure both with the same --limit"
            )
    sets = list(dict.fromkeys(name.partition("/")[0] for name in names)) if all("/" in name for name in names) else []
    heads = [
        f"{len(names)} objects",
        *(f"NoC@{level[2:]}" for level in LEVELS),
        *(f"change of {level[2:]}" for level in LEVELS if len(reports) > 1),
        "IoU@1",
        *(f"{one} @90 ({sum(name.startswith(one + '/') for name in names)})" for one in sets),
        "lowered by a click",
        "least mean change",
    ]
    lines = [f"| {' | '.join(heads)} |", "|---|" + "---:|" * (len(heads) - 1)]
    for label, one in reports.items():
        cells = [label, *(with_interval(one["noc"][level]) for level in LEVELS)]
        if len(reports) > 1:
            cells += [change(one["noc"][level], first["noc"][level]) if one is not first else "" for level in LEVELS]
        cells.append(f"{fmean(curve[0] for curve in one['ious']):.3f}")
        cells += [f"{fmean(of_set(one['noc']['0.90'], names, name)):.2f}" for name in sets]
        lines.append(f"| {' | '.join([*cells, *effect(one['ious'])])} |")
    return "\n".join(lines)


def of_set(clicks: list[int], names: list[str], name: str) -> list[int]:
    """The clicks on the objects of one set."""
    return [count for count, line in zip(clicks, names, strict=True) if line.startswith(name + "/")]


def with_interval(clicks: list[int]) -> str:
    """NoC and its 95 % interval."""
    low, high = interval(clicks)
    return f"{fmean(clicks):.2f} [{low:.2f}, {high:.2f}]"


def change(clicks: list[int], base: list[int]) -> str:
    """Mean change over the same objects with its interval; bold where that leaves 0 out."""
    changes = [after - before for after, before in zip(clicks, base, strict=True)]
    low, high = interval(changes)
    text = f"{fmean(changes):+.2f} [{low:+.2f}, {high:+.2f}]".replace("-", "\u2212")
    return f"**{text}**" if low > 0 or high < 0 else text


def effect(curves: list[list[float]]) -> list[str]:
    """The share of the later clicks that cost more than 5 points of IoU, and the least mean change in points."""
    found = click_effect(curves)
    points = f"{100 * found.worst_mean_change:+.1f}".replace("-", "\u2212")
    least = found.mean_change.index(found.worst_mean_change) + 2 if found.clicks else 0
    return [f"{found.share_lowered:.1%}", f"{points} points (click {least})" if found.clicks else ""]


def labelled(argument: str) -> tuple[str, str]:
    """`LABEL=FILE`, or a FILE, whose stem is then its label."""
    label, equals, file = argument.partition("=")
    return (label, file) if equals else (Path(argument).stem, argument)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", metavar="[LABEL=]FILE")
    parser.add_argument("--dataset", default="Validation", help="its name in the reports (default: %(default)s)")
    asked = parser.parse_args()
    try:
        named = [labelled(argument) for argument in asked.files]
        if len(dict(named)) < len(named):
            raise InputError("two files have the same label; name them: LABEL=FILE")
        print(table({label: read(file, asked.dataset) for label, file in named}))
    except FewClicksError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
