"""Write the table of recipes into docs/training.md from the recipes themselves.

python benchmarks/recipes_table.py [--check]       --check: change nothing, fail if the table is not what they say
"""

import sys
from fnmatch import fnmatch
from pathlib import Path

from fewclicks.files.replace import write_text
from fewclicks.plugins import find
from fewclicks.recipes import functions

PAGE = Path(__file__).resolve().parents[1] / "docs" / "training.md"
BEGIN, END = "<!-- recipes -->", "<!-- /recipes -->"
FILES = ("simpleclick", "ritm", "cfr_icl", "cfr_icl_released", "compact", "ablation", "toy")

ROWS = {  # the first pattern that fits
    "ritm:hrnet18_*": "Table 4, RITM HRNet18",
    "ritm:hrnet32_cocolvis": "Table 4, RITM HRNet32; start of Table 2",
    "simpleclick:vit_huge_*": "Table 4, SimpleClick ViT-H; start of CFR-ICL ViT-H",
    "simpleclick:vit_base_cocolvis_layer_decay": "",
    "simpleclick:vit_base_sbd": "start of Table 1",
    "cfr_icl:vit_huge_*_icl_suem": "Table 4, CFR-ICL ViT-H",
    "cfr_icl:vit_base_sbd_*": "Table 1",
    "cfr_icl:hrnet32_cocolvis_icl_suem": "Table 2",
    "compact:compact": "ours: the model in the wheel",
    "ablation:*": "ours: Table 1 at our scale",
}


def table() -> str:
    """The table in Markdown."""
    lines = ["| recipe | what | steps x batch | lr | reproduces |", "|---|---|---:|---:|---|"]
    for file in FILES:
        module = find("recipes", file)
        for name, make in functions(module).items():
            recipe = make()
            full = name if name == file else f"{file}:{name}"
            what = (make.__doc__ or "").partition("\n")[0].rstrip(".")
            length = f"{recipe.steps:,} x {recipe.batch}"
            lines.append(f"| `{full}` | {what} | {length} | {recipe.lr:g} | {rows(f'{file}:{name}')} |")
    return "\n".join(lines)


def rows(name: str) -> str:
    """What of the paper a recipe reproduces."""
    return next((row for pattern, row in ROWS.items() if fnmatch(name, pattern)), "")


def main() -> None:
    """Write or check the table."""
    present = PAGE.read_text("utf-8")
    before, _, rest = present.partition(BEGIN)
    after = rest.partition(END)[2]
    wanted = f"{before}{BEGIN}\n{table()}\n{END}{after}"
    if sys.argv[1:] != ["--check"]:
        write_text(PAGE, wanted)
    elif wanted != present:
        sys.exit(f"the table of {PAGE.name} is not that of the recipes; run: python benchmarks/recipes_table.py")


if __name__ == "__main__":
    main()
