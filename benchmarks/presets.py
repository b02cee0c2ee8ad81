"""What each difference between the presets does to the default model's NoC: the table of docs/reproduction.md.

    python benchmarks/presets.py [--processes 2]   measure what is not measured yet, then write the table
    python benchmarks/presets.py --limit 50        on 50 objects of each set, evenly spread

Every row is the preset `paper` with CFR-1, but with crops that keep their shape, changed in one thing.
A row that is in the results is not measured again
unless the weights, the presets or the limit have changed since.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tables

from fewclicks.config import preset_options, resolve
from fewclicks.evaluation.benchmark import Job, measure
from fewclicks.files.replace import replace_file
from fewclicks.methods.default import weights_hash

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results" / "presets.json"
DATASETS = ("grabcut", "berkeley")
LEVELS = ("0.90", "0.95")
ADAPTIVE = {"adaptive": True, "cfr": 4}
BASE = {"fit": "longest"}
"""What the rows of `paper` have otherwise: the default model was trained for crops that keep their shape."""


@dataclass(frozen=True)
class Row:
    """A line of the table: what differs, how each has it, and the options that are measured."""

    what: str
    released: str
    paper: str
    ours: str
    change: Mapping[str, Any] = field(default_factory=dict)
    """Options laid over those of `preset`."""
    base: str = "paper"
    """The row that this one is compared with."""
    preset: str | None = "paper"


ROWS = {
    "threshold": Row(
        "Prob above which a pixel is mask; and is what the zoom-in looks at", "0.49; 0.5", "0.5 (s)", "0.5",
        {"threshold": 0.49, "region_threshold": 0.5},
    ),
    "flip": Row("Average with the mirrored crop, in logits", "yes", "no (s)", "no", {"flip": True}),
    "fit": Row("Shape of the crop", "squashed to a square", "448x448: a square", "as it is", {"fit": "square"}),
    "zoom": Row(
        "Longest side of the crop", "448, DAVIS 672", "448", "448, of the model that ships 512; 384 in 0.1",
        {"zoom": 384},
    ),
    "outside": Row("Prob outside the crop", "becomes 0", "stays (s)", "stays", {"outside": "zero"}),
    "corners": Row(
        "Pixels in resizing", "corner on corner, clicks by another rule", "area on area (s)", "area on area",
        {"corners": True},
    ),
    "until_click": Row("CFR after", "the first click only", "every click", "every click", {"until_click": 1}),
    "tol": Row(
        "A-CFR stops when so many pixels change (with A-CFR-4)", "20 or fewer", "fewer than 20", "fewer than 20",
        {**ADAPTIVE, "tol": 21}, "adaptive",
    ),
    "anchor": Row("The clicked pixel gets the click's label", "no", "no", "yes", {"anchor": True}),
    "released": Row("All of `released`", "", "", "", preset="released"),
    "released-ritm": Row(
        "All of `released-ritm`: crops of longest side 400 (DAVIS 600), no crop at the first click", "", "", "",
        preset="released-ritm",
    ),
    "default": Row("All of the default", "", "", "", preset=None),
}  # fmt: skip
ENDS = {"paper": Row("", "", "", ""), "adaptive": Row("", "", "", "", ADAPTIVE)}
"""What the rows are compared with; these come first."""


def options_of(row: Row) -> dict[str, Any]:
    """The options with which a row is measured, beside its preset."""
    return {"cfr": 1, **(BASE if row.preset == "paper" else {}), **row.change}


def measured(row: Row, limit: int | None, processes: int) -> dict[str, Any]:
    """Options and, per dataset, the clicks to each level of every object."""
    options = options_of(row)
    resolved = resolve(options=options, preset=row.preset, threads=1)
    jobs = [Job(resolved, name, None, limit) for name in DATASETS]
    results = measure(jobs, [job.open() for job in jobs], processes)
    clicks = {result.dataset: {level: result.clicks_to(float(level)) for level in LEVELS} for result in results}
    return {"preset": row.preset, "options": options, "clicks": clicks}


def about(limit: int | None) -> dict[str, Any]:
    """What the rows were made with: they stay valid while this stays the same."""
    return {
        "weights_sha256": weights_hash(),
        "limit": limit,
        "presets": {name: preset_options(name) for name in ("released", "released-ritm", "paper")},
    }


def stored() -> dict[str, Any]:
    """The results so far."""
    return json.loads(RESULTS.read_text("utf-8")) if RESULTS.is_file() else {"about": {}, "rows": {}}


def store(results: Mapping[str, Any]) -> None:
    """Write the results, a line per row."""
    rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in results["rows"].items())
    text = f'{{\n "about": {json.dumps(results["about"])},\n "rows": {{\n{rows}\n }}\n}}\n'
    replace_file(RESULTS, lambda file: file.write(text.encode()))


def run(limit: int | None, processes: int) -> None:
    """Measure the rows that are not stored; each is stored as soon as it is measured."""
    made_with = about(limit)
    results = stored()
    if results["about"] != made_with:
        results = {"about": made_with, "rows": {}}
    for name, row in {**ENDS, **ROWS}.items():
        found = results["rows"].get(name)
        if found and (found["preset"], found["options"]) == (row.preset, options_of(row)):
            continue
        print(name, file=sys.stderr)
        results["rows"][name] = measured(row, limit, processes)
        store(results)


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--processes", type=int, default=1)
    asked = parser.parse_args()
    run(asked.limit, asked.processes)
    tables.renew("docs/reproduction.md")


if __name__ == "__main__":
    main()
