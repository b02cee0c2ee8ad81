"""Write the figures of docs/annotator.md from results/annotator_page.json and results/annotator_server.json.

python benchmarks/annotator_table.py [--check]     --check: change nothing, fail if the page is not what they say
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from page import WANTED
from results_table import filled

from fewclicks.files.replace import write_text

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results"
PAGE = ROOT / "docs" / "annotator.md"
UNITS = {"ms": "ms", "median_ms": "ms median", "p95_ms": "ms at the 95th percentile", "frames_per_s": "frames a second",
         "memory_mb": "MB", "peak_mb": "MB at its most"}  # fmt: skip


def of_the_page(found: dict[str, dict[str, float]]) -> list[tuple[str, str, str]]:
    """A row of everything that was wanted of the page."""
    rows = []
    for name, wanted in WANTED.items():
        has = ", ".join(f"{found[name][unit]:,.0f} {UNITS[unit]}" for unit in wanted)
        bounds = " / ".join(f"{value:,}" for value in dict.fromkeys(wanted.values()))
        rows.append((name, has, f"{'≥' if 'frames_per_s' in wanted else '≤'} {bounds}"))
    return rows


def of_the_server(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Rows of many annotators and many clicks."""
    rows = []
    for name in (key for key in found if "annotators" in key):
        run = found[name]
        lost = f"{len(run['errors'])} errors, {run['lost']} lost"
        rows.append(
            (name, f"{run['trip']['p95']:,.0f} ms at the 95th percentile, {lost}", f"≤ {run['bound_ms']:,.0f}, 0, 0")
        )
    run = found["endurance"]
    second = len(run["memory_mb"]) // 2
    rows.append((f"server over {run['clicks']:,} clicks", f"{max(run['memory_mb'][:second])} MB in the first half, "
                 f"{max(run['memory_mb'][second:])} MB in the second", "flat"))  # fmt: skip
    times = found["100 megapixels"]["trip"]
    median, p95 = times["median"], times["p95"]
    rows.append(
        (
            "clicks on 100 megapixels, without the page",
            f"{median:,.0f} ms median, {p95:,.0f} ms at the 95th percentile",
            "",
        )
    )
    return rows


def figures() -> str:
    """The table."""
    page, server = (json.loads((RESULTS / f"annotator_{name}.json").read_text("utf-8")) for name in ("page", "server"))
    rows = [*of_the_page(page), *of_the_server(server)]
    return "\n".join(["| | measured | wanted |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)])


def main() -> None:
    """Renew the page, or compare it."""
    page = PAGE.read_text("utf-8")
    new = filled(page, "figures", figures())
    if "--check" not in sys.argv[1:]:
        write_text(PAGE, new)
    elif new != page:
        sys.exit(
            "docs/annotator.md is not what results/annotator_*.json say; run: python benchmarks/annotator_table.py"
        )


if __name__ == "__main__":
    main()
