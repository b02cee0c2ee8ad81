"""Write the figures of docs/experiments.md from the reports of the validation split in results/experiments/.

    python benchmarks/experiments_table.py [--check]     --check: change nothing, fail if the page is not what they say

A report NUMBER-NAME.json is what `fewclicks bench validation --method RUN --cfr 1 --limit 64 --full --set zoom=384
--json FILE` wrote of the experiment with that number.
"""

from __future__ import annotations

import sys
from pathlib import Path

from results_table import filled
from validation_table import read, table

from fewclicks.files.replace import write_text

ROOT = Path(__file__).resolve().parents[1]
REPORTS = ROOT / "results" / "experiments"
PAGE = ROOT / "docs" / "experiments.md"


def figures() -> str:
    """The rows, by number; the changes are those to the first."""
    files = sorted(REPORTS.glob("*.json"), key=lambda file: int(file.stem.partition("-")[0]))
    return table({file.stem.replace("-", ". ", 1).replace("_", " "): read(str(file), "Validation") for file in files})


def main() -> None:
    """Renew the page, or compare it."""
    page = PAGE.read_text("utf-8")
    new = filled(page, "figures", figures())
    if "--check" in sys.argv[1:]:
        if new != page:
            sys.exit(
                "docs/experiments.md is not what results/experiments say; run: python benchmarks/experiments_table.py"
            )
    else:
        write_text(PAGE, new)


if __name__ == "__main__":
    main()
