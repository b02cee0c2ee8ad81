"""What each difference between the presets does to the default model's NoC: the table of docs/reproduction.md.

    python benchmarks/presets.py [--processes 2]   measure what is not measured yet, then write the table
    python benchmarks/presets.py --check           measure nothing, fail if the table is not that of the results
    python benchmarks/presets.py --limit 50        on 50 objects of each set, evenly spread

Every row is the preset `paper` with CFR-1, changed in one thing. A row that is in the results is not measured again
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

from fewclicks.cli.bench import Job, measure
from fewclicks.config import preset_options, resolve
from fewclicks.evaluation.metrics import interval
from fewclicks.files.replace import replace_file, write_text
from fewclicks.methods.default import weights_hash

ROOT = Path(__file__).resolve().parents[1]
RESULTS, PAGE = ROOT / "results" / "presets.json", ROOT / "docs" / "reproduction.md"
DATASETS = ("grabcut", "berkeley")
LEVELS = ("0.90", "0.95")
ADAPTIVE = {"adaptive": True, "cfr": 4}


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
    "fit": Row("Shape of the crop", "squashed to a square", "as it is (s)", "as it is", {"fit": "square"}),
    "zoom": Row("Longest side of the crop", "448, DAVIS 672", "448", "448; 384 in 0.1", {"zoom": 384}),
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


def measured(row: Row, limit: int | None, processes: int) -> dict[str, Any]:
    """Options and, per dataset, the clicks to each level of every object."""
    options = {"cfr": 1, **row.change}
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
        if found and (found["preset"], found["options"]) == (row.preset, {"cfr": 1, **row.change}):
            continue
        print(name, file=sys.stderr)
        results["rows"][name] = measured(row, limit, processes)
        store(results)


def table(results: Mapping[str, Any]) -> str:
    """The table in Markdown, with what it was measured on."""
    rows = results["rows"]
    if missing := {**ENDS, **ROWS}.keys() - rows:
        return f"Not measured yet: {', '.join(sorted(missing))}. `python benchmarks/presets.py` does it."
    datasets = list(rows["paper"]["clicks"])
    counts = {name: len(rows["paper"]["clicks"][name]["0.90"]) for name in datasets}
    heads = [f"{name} NoC@{level[2:]}" for name in datasets for level in LEVELS]
    lines = [
        f"| what | released | paper | fewclicks | {' | '.join(heads)} |",
        "|---|---|---|---|" + "---:|" * len(heads),
    ]
    start = [f"{mean(rows['paper']['clicks'][name][level]):.2f}" for name in datasets for level in LEVELS]
    lines.append(f"| All of `paper`, which the others are compared with | | | | {' | '.join(start)} |")
    for name, row in ROWS.items():
        cells = [
            effect(rows[name]["clicks"][dataset][level], rows[row.base]["clicks"][dataset][level])
            for dataset in datasets
            for level in LEVELS
        ]
        lines.append(f"| {row.what} | {row.released} | {row.paper} | {row.ours} | {' | '.join(cells)} |")
    objects = " and ".join(f"{count} objects of {name}" for name, count in counts.items())
    limit = results["about"]["limit"]
    note = f"Measured with `--limit {limit}` on " if limit else "Measured on "
    return "\n".join(lines) + f"\n\n{note}{objects}, CFR-1."


def mean(clicks: list[int]) -> float:
    """NoC."""
    return sum(clicks) / len(clicks)


def effect(clicks: list[int], base: list[int]) -> str:
    """Change of NoC; bold where the 95 % interval of the change, over the same objects, leaves 0 out."""
    changes = [after - before for after, before in zip(clicks, base, strict=True)]
    low, high = interval(changes)
    text = f"{mean(changes):+.2f}".replace("-", "\u2212")
    return f"**{text}**" if low > 0 or high < 0 else text


def filled(page: str, text: str) -> str:
    """The page with the text between its marks."""
    before, begin, rest = page.partition("<!-- presets:begin -->")
    _, end, after = rest.partition("<!-- presets:end -->")
    if not end:
        sys.exit(f"{PAGE.name} has no <!-- presets:begin --> ... <!-- presets:end --> to write into")
    return f"{before}{begin}\n{text}\n{end}{after}"


def main() -> None:
    """Measure, write or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--processes", type=int, default=1)
    asked = parser.parse_args()
    if not asked.check:
        run(asked.limit, asked.processes)
    present = PAGE.read_text("utf-8")
    wanted = filled(present, table(stored()))
    if not asked.check:
        write_text(PAGE, wanted)
    elif wanted != present:
        sys.exit(f"the table of {PAGE.relative_to(ROOT)} is not that of results/; run: python benchmarks/presets.py")


if __name__ == "__main__":
    main()
