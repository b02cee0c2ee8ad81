"""Write the tables of the README, the model card and docs/robustness.md from results/; what `make table` runs.

python benchmarks/results_table.py [--check]       --check: change nothing, fail if a table is not what they say

What was measured with other weights than those that ship is not shown as theirs: the page says how to measure it anew.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import robustness
from validation_table import of_set, with_interval

from fewclicks.files.replace import write_text
from fewclicks.methods import default, default_0_1, default_int8
from fewclicks.methods.default import OWN, weights_hash

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results"
README, PAGE = ROOT / "README.md", ROOT / "docs" / "robustness.md"
CARD = ROOT / "src" / "fewclicks" / "weights" / "README.md"
LEVELS = ("0.90", "0.95")
BENCHMARKS = ("GrabCut", "Berkeley", "DAVIS")
SHIPPED = ("default", "default-int8")
"""The methods whose own options are OWN."""
ALLOWED = 0.02
"""So much IoU a click may cost on average."""
LATER = "Not measured with these weights yet; `make robust` does it."


def stored(name: str) -> Any:
    """A file of results/; None if there is none."""
    file = RESULTS / name
    return json.loads(file.read_text("utf-8")) if file.is_file() else None


def of_these_weights(name: str) -> Any:
    """A file of results/ that the weights which ship made; None if there is none."""
    found = stored(name)
    made_by = found and (found.get("weights_sha256") or found["settings"]["weights_sha256"])
    if made_by != weights_hash():
        return None
    if found.get("settings", {}).get("limit"):
        sys.exit(f"{name} was measured with --limit {found['settings']['limit']}; measure it on all objects")
    return found


def label(settings: dict[str, Any]) -> str:
    """The method, and the refinement if there is any."""
    name, n, until = settings["method"], settings["cfr"], settings.get("until_click")
    if name in SHIPPED and all(settings.get(key) == value for key, value in OWN.items()):
        return f"`{name}`"
    if not n:
        return f"`{name}`, no CFR" if name in SHIPPED else f"`{name}`"
    return f"`{name}`, {'A-' if settings['adaptive'] else ''}CFR-{n}{f' up to click {until}' if until else ''}"


def row(figures: dict[str, Any], datasets: list[str], intervals: bool) -> str:
    """One method: NoC at both levels per dataset, and its milliseconds per click."""
    if figures["settings"].get("limit"):
        sys.exit(f"a result was measured with --limit {figures['settings']['limit']}; measure it on all objects")
    cells = [label(figures["settings"])]
    for name in datasets:
        measured = figures["datasets"].get(name, {})
        means = " / ".join(f"{measured['noc'][level]:.2f}" for level in LEVELS) if measured else ""
        ends = measured.get("noc_interval") if intervals else None
        between = " / ".join("[{:.2f}, {:.2f}]".format(*ends[level]) for level in LEVELS) if ends else ""
        cells.append(f"{means}<br>{between}" if between else means)
    cells.append(speed().get(label(figures["settings"]).replace("`", ""), ""))
    return f"| {' | '.join(cells)} |"


def speed() -> dict[str, str]:
    """What benchmarks/speed.py measured at rest: case -> median milliseconds of the first and of a later click."""
    cases = stored("speed.json") or {}
    return {case: f"{one['first_click_ms']:.0f} / {one['later_click_ms']:.0f}" for case, one in cases.items()}


def table(intervals: bool = False) -> str:
    """NoC of every method on the benchmarks, in Markdown."""
    found = [json.loads(file.read_text("utf-8")) for file in sorted(RESULTS.glob("*.json"))]
    reports = [one for one in found if set(BENCHMARKS) & set(one.get("datasets", ()))]
    if not reports:
        return "Not measured yet; `make bench` does it."
    order = {"default": 0, "default-int8": 1, "default-0.1": 2}
    reports.sort(key=lambda one: (order.get(one["settings"]["method"], 3), -one["settings"]["cfr"]))
    datasets = [name for name in BENCHMARKS if any(name in one["datasets"] for one in reports)]
    heads = ["method", *(f"{name}, {len_of(reports, name)} objects" for name in datasets), "ms, first / later click"]
    lines = [f"| {' | '.join(heads)} |", "|---|" + "---:|" * (len(heads) - 1)]
    lines += [row(one, datasets, intervals) for one in reports]
    ours = [weights_hash(one.WEIGHTS) for one in (default, default_int8, default_0_1)]
    if any(one["settings"].get("weights_sha256", ours[0]) not in ours for one in reports):
        lines += ["", "The rows of `default` are those of earlier weights; `make bench` measures these."]
    return "\n".join(lines)


def len_of(reports: list[dict[str, Any]], dataset: str) -> int:
    """How many objects the dataset has."""
    return next(one["datasets"][dataset]["objects"] for one in reports if dataset in one["datasets"])


def training() -> str:
    """The phases of the training of the default model, and what it cost."""
    cost = stored("training.json")
    heads = ("phase", "crop", "samples a step", "steps", "learning rate", "loss", "SUEM", "wrong masks", "hours")
    lines = [f"| {' | '.join(heads)} |", "|---|" + "---:|" * (len(heads) - 1)]
    for number, one in enumerate(cost["phases"], start=1):
        height, width = one["crop_hw"]
        weights = ", ".join(f"{weight:g}" for weight in one["click_weights"])
        loss = f"ICL ({weights})" if one["objective"] == "icl" else one["objective"].replace("_", " ")
        cells = [number, f"{height}x{width}", one["batch"], f"{one['steps']:,}", f"{one['lr']:g}", loss]
        cells += [f"{one['suem_prob']:.0%}", f"{one['foreign_prob']:.0%}", f"{one['hours']:.1f}"]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + (
        f"\n\nIn all {cost['steps']:,} steps, {cost['samples']:,} samples, {cost['forwards']:,} forward and backward "
        f"passes, {cost['hours']:.1f} hours."
    )


def validation() -> str:
    """NoC of each set of the validation split."""
    report = of_these_weights("validation.json")
    if report is None:
        return LATER
    each = report["datasets"]["Validation"]["per_object"]
    names, first = each["name"], [curve[0] for curve in each["ious"]]
    lines = [
        "| set | objects | NoC@90 | NoC@95 | IoU after one click | never 0.90 |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    never = [max(curve) < 0.9 for curve in each["ious"]]
    for name in ["", *dict.fromkeys(line.partition("/")[0] for line in names)]:
        chosen = [values if not name else of_set(values, names, name) for values in (*noc_of(each), first, never)]
        cells = [name or "all", len(chosen[0]), *map(with_interval, chosen[:2]), f"{fmean(chosen[2]):.3f}"]
        lines.append(f"| {' | '.join(map(str, cells))} | {sum(chosen[3])} |")
    return "\n".join(lines)


def noc_of(each: dict[str, Any]) -> list[list[int]]:
    """The clicks of every object to both levels."""
    return [each["noc"][level] for level in LEVELS]


def more_clicks() -> str:
    """In a sentence or two: whether more clicks helped."""
    report = of_these_weights("validation.json")
    if report is None:
        return LATER
    effect = report["datasets"]["Validation"]["click_effect"]
    worst, count = effect["worst_mean_change"], sum(effect["clicks"])
    least = effect["mean_change"].index(worst)
    verdict = (
        "no click lowers it by more than" if worst >= -ALLOWED else "**a click lowers it by more than the allowed**"
    )
    return (
        f"{effect['share_lowered']:.1%} of the {count:,} clicks after the first lower the IoU by more than 5 points. "
        f"On average {verdict} {100 * ALLOWED:.0f} points: the least mean change is {points(worst)} points, of click "
        f"{least + 2}, over the {effect['clicks'][least]} objects that took it."
    )


def each_click() -> str:
    """What each click did to the IoU."""
    report = of_these_weights("validation.json")
    if report is None:
        return LATER
    effect = report["datasets"]["Validation"]["click_effect"]
    lines = [
        "| click | objects that took it | mean change of IoU, points | lowered it by more than 5 points |",
        "|---|---:|---:|---:|",
    ]
    for i, (count, change, lowered) in enumerate(
        zip(effect["clicks"], effect["mean_change"], effect["lowered"], strict=True)
    ):
        lines.append(f"| {i + 2} | {count} | {points(change)} | {lowered / count:.1%} |")
    return "\n".join(lines)


def points(value: float) -> str:
    """A change of IoU in points, with its sign."""
    return f"{100 * value:+.2f}".replace("-", "\u2212")


def changed_photos() -> str:
    """NoC on changed photos."""
    found = of_these_weights("robustness.json")
    return f"{robustness.table(found)}\n\n{found['dataset']}, {found['objects']} objects." if found else LATER


def failures(page: Path) -> str:
    """The sheet of failures, and what became of each object in the end."""
    found = of_these_weights("failures.json")
    if found is None:
        return "Not drawn for these weights yet; `make robust` does it."
    clicks = found["after_clicks"]
    picture = "/".join([".."] * (len(page.relative_to(ROOT).parts) - 1) + ["docs/images/failures.jpg"])
    lines = [f"![Objects that the model fails on, after {clicks} clicks]({picture})", ""]
    for one in found["panels"]:
        later = f"reaches 0.90 at click {one['clicks_to_90']}" if one["clicks_to_90"] else "never reaches 0.90"
        lines.append(f"- **{one['kind'].capitalize()}** (`{one['name']}`): IoU {one['iou']:.2f}, {later}.")
    return "\n".join(lines)


def filled(page: str, mark: str, text: str) -> str:
    """A page with the text between the marks `mark`:begin and `mark`:end."""
    begin, end = f"<!-- {mark}:begin -->", f"<!-- {mark}:end -->"
    before, _, rest = page.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        sys.exit(f"a page has no {begin} ... {end} to write into")
    return f"{before}{begin}\n{text}\n{end}{after}"


PAGES: dict[Path, dict[str, Callable[[], str]]] = {
    README: {"results": table},
    CARD: {
        "results": lambda: table(intervals=True),
        "training": training,
        "validation": validation,
        "clicks": more_clicks,
        "photos": changed_photos,
        "failures": lambda: failures(CARD),
    },
    PAGE: {"photos": changed_photos, "clicks": more_clicks, "each": each_click},
}
"""Page -> mark -> what is written there."""


def main() -> None:
    """Write or check the tables."""
    for page, parts in PAGES.items():
        wanted = present = page.read_text("utf-8")
        for mark, text in parts.items():
            wanted = filled(wanted, mark, text())
        if sys.argv[1:] != ["--check"]:
            write_text(page, wanted)
        elif wanted != present:
            sys.exit(f"the table of {page.relative_to(ROOT)} is not that of results/; run: make table")


if __name__ == "__main__":
    main()
