"""The tables of the ablation and of the samples, from results/."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tables import BENCHMARKS, LEVELS, markdown, signed, stored


def ablation() -> str:
    """List what ICL, SUEM and CFR are worth: the means, the first clicks, the differences, and what training cost."""
    from ablation import CELLS, FIRST_CLICKS

    found = stored("ablation.json")
    columns = [(name, level) for level in LEVELS for name in BENCHMARKS]
    heads = [f"{name} {level[2:]}" for name, level in columns]
    clicks = [(name, f"IoU@{click}") for name in BENCHMARKS for click in range(1, FIRST_CLICKS + 1)]

    def cells(values: Mapping[str, Any]) -> list[str]:
        return [f"{m:.2f} ({low:.2f} to {high:.2f})" for m, low, high, *_ in (values[n][f] for n, f in columns)]

    def changes(values: Mapping[str, Any]) -> list[str]:
        return [signed(*values[name][level]) for name, level in columns]

    def first(values: Mapping[str, Any]) -> list[str]:
        each = (values[name][figure] for name, figure in clicks)
        return [f"{value if isinstance(value, float) else value[0]:.3f}" for value in each]

    rows = [[CELLS[cell], cascade, *cells(values)] for cell, one in found["cells"].items()
            for cascade, values in one["cascades"].items()]  # fmt: skip
    before = [["none: where all begin", cascade, *(f"{values[n][f]:.2f}" for n, f in columns)]
              for cascade, values in found["start"].items()]  # fmt: skip
    begun = [["none: where all begin", *first(found["start"]["no CFR"])]] if "no CFR" in found["start"] else []
    after = [[CELLS[cell], *first(one["cascades"]["no CFR"])] for cell, one in found["cells"].items()]
    costs = ("steps", "samples", "forwards", "backwards", "minutes")
    spent = [[CELLS[c], *(f"{one['training'][key]:,.0f}" for key in costs)] for c, one in found["cells"].items()]
    return "\n\n".join([
        markdown(["training", "inference", *heads], before + rows, 2),
        markdown(["change of NoC by", *heads], [[name, *changes(v)] for name, v in found["differences"].items()]),
        markdown(["training", *(f"{name} {figure}" for name, figure in clicks)], begun + after),
        markdown(["training", *costs], spent),
        seeds_told(found["settings"]["seeds"]),
    ])  # fmt: skip


def seeds_told(seeds: Mapping[str, Sequence[int]]) -> str:
    """Tell how many trainings of each kind each cascade was measured on."""
    told = ", ".join(f"{len(each)} with {cascade}" for cascade, each in seeds.items())
    return f"Trainings of each kind that were measured, each with a seed of its own: {told}."


def sampling() -> str:
    """List what the choices that SUEM leaves open do to the samples."""
    found = stored("sampling.json")
    heads = ["choice", "other objects attract clicks", "negatives on them", "each of two merged clicked", "contrast"]
    rows = [
        [
            name if name[0] == "a" else f"`{name}`", f"{row['share_with_others']:.0%}",
            f"{row['negatives_on_others']:.2f}", f"{row['share_with_a_click_on_each_part']:.1%}",
            f"{row['contrast']:.0f}",
        ]
        for name, row in found["rows"].items()
    ]  # fmt: skip
    return markdown(heads, rows)
