"""The table of docs/integrations/sam.md: what SAM's pair of ONNX files needs beside the package (results/sam_pair/)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tables import BENCHMARKS, LEVELS, RESULTS, markdown, stored

RUNS = {"script": "the pair, mask handed back", "x-anylabeling": "the pair, as X-AnyLabeling runs it"}


def noc() -> str:
    """List the clicks of the package and of the pair, and of the runs on a part of a dataset those on that part."""
    package = stored("default.json")["datasets"]
    found = [stored(f"sam_pair/{file.name}") for file in sorted((RESULTS / "sam_pair").glob("*.json"))]
    whole = {(one["settings"]["run_as"], name): row for one in found if "datasets" in one
             for name, row in one["datasets"].items()}  # fmt: skip
    rows = [["the package", *(_clicks(package[name]["noc"]) for name in BENCHMARKS)]]
    for run, words in RUNS.items():
        cells = (_clicks(whole[run, name]["noc"]) if (run, name) in whole else "" for name in BENCHMARKS)
        rows.append([words, *cells])
    table = markdown(["", *(f"{name}, {package[name]['objects']} objects" for name in BENCHMARKS)], rows)
    parts = {
        (one["dataset"], one["run_as"]): one
        for one in sorted((one for one in found if "dataset" in one), key=lambda one: len(one["objects"]))
        if (one["run_as"], one["dataset"]) not in whole
    }
    said = [
        f"{RUNS[run][0].upper()}{RUNS[run][1:]}, on {len(one['objects'])} objects of {dataset}: "
        f"{_clicks(one['noc']['pair'])}, where the package needs {_clicks(one['noc']['package'])} on them."
        for (dataset, run), one in parts.items()
    ]
    return "\n".join([table, "", *said]).rstrip()


def _clicks(noc: Mapping[str, Any]) -> str:
    return " / ".join(f"{noc[level]:.2f}" for level in LEVELS)
