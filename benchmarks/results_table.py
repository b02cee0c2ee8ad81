"""Write the results tables of the README and of the model card from the reports in results/; what `make table` runs.

python benchmarks/results_table.py [--check]       --check: change nothing, fail if a table is not what they say
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CARD = ROOT / "src" / "fewclicks" / "weights" / "README.md"
LEVELS = ("0.90", "0.95")


def label(settings: dict) -> str:
    """The method, and the refinement if there is any."""
    if not settings["cfr"]:
        return f"`{settings['method']}`"
    return f"`{settings['method']}`, {'A-' if settings['adaptive'] else ''}CFR-{settings['cfr']}"


def row(figures: dict, datasets: list[str]) -> str:
    """One method: NoC at both levels per dataset, and its milliseconds per click."""
    if figures["settings"].get("limit"):
        sys.exit(f"a result was measured with --limit {figures['settings']['limit']}; measure it on all objects")
    cells = [label(figures["settings"])]
    for name in datasets:
        noc = figures["datasets"].get(name, {}).get("noc")
        cells.append(" / ".join(f"{noc[level]:.2f}" for level in LEVELS) if noc else "")
    cells.append(speed().get(label(figures["settings"]).replace("`", ""), ""))
    return f"| {' | '.join(cells)} |"


def speed() -> dict[str, str]:
    """What benchmarks/speed.py measured on a machine at rest: case -> median milliseconds of a later click."""
    file = ROOT / "results" / "speed.json"
    cases = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    return {case: f"{figures['later_click_ms']:.0f}" for case, figures in cases.items()}


def table() -> str:
    """The table in Markdown."""
    found = [json.loads(file.read_text("utf-8")) for file in sorted((ROOT / "results").glob("*.json"))]
    reports = [one for one in found if "datasets" in one]
    if not reports:
        return "Not measured yet; `make bench` does it."
    reports.sort(key=lambda one: (one["settings"]["method"] != "default", one["settings"]["cfr"]))
    datasets = list(dict.fromkeys(name for one in reports for name in one["datasets"]))
    heads = ["method", *(f"{name}, {len_of(reports, name)} objects" for name in datasets), "ms per click"]
    lines = [f"| {' | '.join(heads)} |", "|---|" + "---:|" * (len(heads) - 1)]
    return "\n".join([*lines, *(row(one, datasets) for one in reports)])


def len_of(reports: list[dict], dataset: str) -> int:
    """How many objects the dataset has."""
    return next(one["datasets"][dataset]["objects"] for one in reports if dataset in one["datasets"])


def training() -> str:
    """What the training of the default model cost, in a sentence."""
    cost = json.loads((ROOT / "results" / "training.json").read_text("utf-8"))
    return (
        f"{cost['steps']:,} steps, {cost['samples']:,} samples, {cost['forwards']:,} forward and backward passes, "
        f"{cost['hours']:.1f} hours."
    )


def filled(page: str, mark: str, text: str) -> str:
    """A page with the text between the marks `mark`:begin and `mark`:end."""
    begin, end = f"<!-- {mark}:begin -->", f"<!-- {mark}:end -->"
    before, _, rest = page.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        sys.exit(f"a page has no {begin} ... {end} to write into")
    return f"{before}{begin}\n{text}\n{end}{after}"


def main() -> None:
    """Write or check the tables."""
    for page in (ROOT / "README.md", CARD):
        present = page.read_text("utf-8")
        wanted = filled(present, "results", table())
        if page == CARD:
            wanted = filled(wanted, "training", training())
        if sys.argv[1:] != ["--check"]:
            page.write_text(wanted, "utf-8")
        elif wanted != present:
            sys.exit(f"the table of {page.relative_to(ROOT)} is not that of results/; run: make table")


if __name__ == "__main__":
    main()
