"""Fill the numbers of docs/methods.md from results/table4.json, which `fewclicks table4` writes.

python benchmarks/methods_page.py [--check]       --check: change nothing, fail if the page says something else
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from fewclicks.evaluation.table4_page import cells, heads, measured
from fewclicks.files.replace import write_text

ROOT = Path(__file__).resolve().parents[1]
PAGE, RESULTS = ROOT / "docs" / "methods.md", ROOT / "results" / "table4.json"
BEGIN, END = "<!-- numbers -->\n", "<!-- end of numbers -->"
NOTHING = "Not measured yet; `fewclicks table4` does it.\n"


def numbers(results: Path = RESULTS) -> str:
    """The rows that were measured, as a Markdown table, and how many others there are."""
    if not results.is_file():
        return NOTHING
    found = json.loads(results.read_text("utf-8"))
    rows = measured(found)
    if not rows:
        return NOTHING
    columns = heads(found)
    lines = ["| " + " | ".join(columns) + " |", "|---|" + "---:|" * (len(columns) - 1)]
    lines += ["| " + " | ".join([row["name"], *cells(found, row)]) + " |" for row in rows]
    without = len(found["rows"]) - len(rows)
    told = f"{without} rows more have no weights here." if without else ""
    return "\n".join([*lines, "", f"NoC with 95 % intervals; published: by the authors' weights. {told}".strip(), ""])


def filled(page: str, text: str) -> str:
    """The page with other numbers."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + text + END + after


def main() -> int:
    """Write the page, or say whether it is as it should be."""
    page = PAGE.read_text("utf-8")
    wanted = filled(page, numbers())
    if "--check" in sys.argv[1:]:
        if page != wanted:
            print("docs/methods.md is not what results/table4.json says; run: python benchmarks/methods_page.py")
        return int(page != wanted)
    write_text(PAGE, wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
