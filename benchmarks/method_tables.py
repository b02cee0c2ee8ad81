"""The tables of docs/methods.md, from results/."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tables import markdown, signed, stored

IMAGENET = "EfficientNet-Lite0 with ImageNet weights"


def numbers() -> str:
    """List the rows of Table 4 that were measured, and say how many were not."""
    from fewclicks.evaluation.table4_page import cells, heads, measured

    found = stored("table4.json")
    rows = measured(found) if found else []
    if not rows:
        return "Not measured yet; `fewclicks table4` does it."
    states = [row["state"] for row in found["rows"] if row not in rows]
    told = "".join(f" {states.count(state)} rows more: {state}." for state in sorted(set(states)))
    table = markdown(heads(found), [[row["name"], *cells(found, row)] for row in rows])
    return f"{table}\n\nNoC with 95 % intervals; published: by the authors' weights.{told}"


def equal_budget() -> str:
    """List what the methods came to that were trained here with one equal budget, and say what has not run."""
    found = stored("equal_budget.json")
    if not found:
        return "Not measured yet; `python benchmarks/equal_budget.py` does it."
    budget, rows = found["budget"], found["rows"]
    parts = [
        f"{budget['samples']} samples of {budget['crop_px']}x{budget['crop_px']} pixels for each method, in batches of "
        f"{budget['batch']}, {budget['precision']}. Measured with {budget['max_clicks']} clicks at most, to IoU "
        f"{budget['stop_iou']:.2f}, on {budget['limit']} objects of each dataset at most. {found['says']}"
    ]
    measured = {name: row for name, row in rows.items() if row["state"] == "measured"}
    datasets = list(dict.fromkeys(title for row in measured.values() for title in row["CFR-0"]))
    for dataset in datasets:
        lines = [
            [f"`{name}`", "ImageNet" if row["begins_from"] == IMAGENET else "nothing", *_figures(row, dataset)]
            for name, row in measured.items()
            if dataset in row["CFR-0"]
        ]
        objects = next(row["CFR-0"][dataset]["objects"] for row in measured.values() if dataset in row["CFR-0"])
        heads = [
            "method",
            "begins from",
            "NoC@80",
            "NoC@90",
            "CFR-1: NoC@80",
            "NoC@90",
            "IoU after 1, 5 clicks",
            "s/click",
        ]
        parts.append(f"{dataset}, {objects} objects:\n\n{markdown(heads, lines, 2)}")
    if missing := found["not_run_yet"]:
        parts.append(f"Not run yet: {'; '.join(_grouped(missing))}.")
    parts += [f"`{name}` {row['state']}." for name, row in rows.items() if row["state"].startswith("failed")]
    if clear := _effects_of_cfr(found):
        parts.append(clear)
    return "\n\n".join(parts)


def _figures(row: Mapping[str, Any], dataset: str) -> list[str]:
    """What stands in a row of a dataset after the name."""
    without, refined = row["CFR-0"][dataset], row.get("CFR-1", {}).get(dataset)

    def noc(one: Mapping[str, Any] | None, level: str) -> str:
        if one is None:
            return "not run yet"
        low, high = one["noc_interval"][level]
        return f"{one['noc'][level]:.2f} [{low:.2f}, {high:.2f}]"

    ious = without["iou_at_click"]
    return [
        noc(without, "0.80"), noc(without, "0.90"), noc(refined, "0.80"), noc(refined, "0.90"),
        f"{ious[0]:.3f}, {ious[4]:.3f}", f"{without['seconds_per_click']:.3f}",
    ]  # fmt: skip


def _grouped(missing: list[str]) -> list[str]:
    """The methods that have not run on the same datasets: "A, B on C and D"."""
    waiting: dict[str, list[str]] = {}
    for one in missing:
        name, _, dataset = one.split(", ")
        if dataset not in waiting.setdefault(name, []):
            waiting[name].append(dataset)
    alike: dict[str, list[str]] = {}
    for name, datasets in waiting.items():
        alike.setdefault(" and ".join(datasets), []).append(f"`{name}`")
    return [f"{', '.join(names)} on {datasets}" for datasets, names in alike.items()]


def _effects_of_cfr(found: Mapping[str, Any]) -> str:
    """Where CFR-1 changes clicks to 0.90, or the IoU after five, beyond the interval of the objects."""
    told = []
    for pair in found.get("pairs", ()):
        name = pair["first"].partition(",")[0]
        if pair["second"] == f"{name}, CFR-1" and (pair["low"] > 0 or pair["high"] < 0):
            change = signed(pair["change"], pair["low"], pair["high"], 3 if "IoU" in pair["measure"] else 2)
            told.append(f"{name} {change} ({pair['measure']}, {pair['dataset']})")
    heads = "What CFR-1 changes beyond the 95 % interval of the objects, of the same trained network: "
    return heads + ("; ".join(told) if told else "nothing") + "." if found.get("pairs") else ""


def speed() -> str:
    """List what f-BRS, SAM, EMC-Click and SegNext save."""
    found = stored("method_speed.json")
    if not found:
        return "Not measured yet; `python benchmarks/method_speed.py PHOTO --json results/method_speed.json` does it."
    fbrs, sam = found["fbrs"], found["sam"]
    rows = [
        ["a click of f-BRS-B, of one that computes the backbone anew at each evaluation, float64 in NumPy",
         f"{fbrs['ours']['s_per_click']:.3f}", f"{fbrs['plain']['s_per_click']:.3f}", f"{fbrs['ratio']:.2f}"],
        ["SAM ViT-B's embedding, of one whose products and biases are whole matrices",
         f"{sam['ours']:.2f}", f"{sam['plain']:.2f}", f"{sam['ratio']:.2f}"],
        *([f"a later click of {name}, of the first with the start", f"{one['later_s']:.3f}", f"{one['first_s']:.3f}",
           f"{one['ratio']:.2f}"] for name, one in found["later"].items()),
    ]  # fmt: skip
    load = max(found["load_average"].values())
    return f"{markdown(['what, of what', 'seconds of CPU', 'of', 'ratio'], rows)}\n\n{_rest(load)}"


def _rest(load: float) -> str:
    """Tell whether the machine was at rest."""
    if load < 1.5:
        return "The machine was at rest."
    return (
        f"The machine was not at rest (load average up to {load:.0f} on two cores), which makes seconds longer and "
        "ratios uncertain by a fifth."
    )
