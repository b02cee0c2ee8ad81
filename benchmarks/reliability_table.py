"""Write the figures of docs/reliability.md from results/reliability.json.

python benchmarks/reliability_table.py [--check]     --check: change nothing, fail if the page is not what they say
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attack.record import misses
from results_table import filled

from fewclicks.files.replace import write_text

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results" / "reliability.json"
PAGE = ROOT / "docs" / "reliability.md"
TITLES = {
    "kills": "`kill -9` while three clients act",
    "replacing": "`kill -9` while something is replaced",
    "disturbances": "full disk, read-only folder, two servers, clock",
    "inputs": "files that no one wrote by hand",
    "requests": "requests that no one wrote by hand",
    "load": "64 annotators",
    "connections": "500 idle and 240 slow connections",
}


def overview(parts: Mapping[str, Any]) -> str:
    """A row of everything that is wanted of a part: what was wanted, what came out."""
    rows = ["| | wanted | found |", "|---|---|---|"]
    for name in (name for name in TITLES if name in parts):
        part = parts[name]
        missed = {miss.partition(" is ")[0] for miss in misses(part)}
        rows.append(f"| **{TITLES[name]}** | | {part['date']} |")
        for count, (kind, limit) in part["wanted"].items():
            value = number(part["counts"].get(count, 0))
            sign = "≥" if kind == "at least" else "≤"
            rows.append(f"| {count} | {sign} {number(limit)} | {f'**{value}**' if count in missed else value} |")
    return "\n".join(rows)


def details(parts: Mapping[str, Any]) -> str:
    """All counts of each part that are not in the overview, in a line."""
    found = []
    for name in (name for name in TITLES if name in parts):
        part = parts[name]
        told = [key for key in part["counts"] if key not in part["wanted"] and not key.startswith("batches")]
        said = "; ".join(f"{key} {number(part['counts'][key])}" for key in told)
        settings = ", ".join(f"{key} {listed(value)}" for key, value in part["settings"].items())
        found.append(f"- **{TITLES[name]}** (version {part['version']}; {settings}): {said}.")
    return "\n".join(found)


def faults(parts: Mapping[str, Any]) -> str:
    """The faults that are open, each with how to see it again."""
    rows = []
    for name in (name for name in TITLES if name in parts):
        for fault in parts[name]["faults"]:
            said = f"{fault['count']} ({fault['times']}): {escaped(fault['what'])}"
            rows.append(f"- {TITLES[name]}: {said}. To see it: {escaped(fault['how'])}")
    return "\n".join(rows) or "None."


def number(value: Any) -> str:
    """As people read it."""
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def listed(value: Any) -> str:
    """A setting."""
    return ", ".join(map(str, value)) if isinstance(value, list) else number(value)


def escaped(text: str) -> str:
    """A text that Markdown leaves as it is."""
    return "`" + text[:200].replace("`", "'") + "`"


def main() -> None:
    """Renew the page, or compare it."""
    parts = json.loads(RESULTS.read_text("utf-8"))
    page = PAGE.read_text("utf-8")
    new = page
    for mark, text in (("overview", overview), ("details", details), ("faults", faults)):
        new = filled(new, mark, text(parts))
    if "--check" not in sys.argv[1:]:
        write_text(PAGE, new)
    elif new != page:
        sys.exit("docs/reliability.md is not what results/reliability.json says; run: benchmarks/reliability_table.py")


if __name__ == "__main__":
    main()
