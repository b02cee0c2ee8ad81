"""Drawings of benchmark figures. Needs matplotlib, which is imported only when something is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from fewclicks.errors import InputError, MissingExtra
from fewclicks.files.replace import replace_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LETTERS = 52
"""Of a legend, beneath one panel."""


def plot(reports: Mapping[str, Mapping[str, Any]], path: str | Path) -> Path:
    """Draw mean IoU against clicks, one panel per dataset and one line per report, to a PNG, PDF or SVG file.

    `reports` maps the name in the legend to a report's figures (`Report.to_json()`, `report.read_json(file)`).
    MissingExtra without matplotlib; the file appears whole or not at all.
    """
    figure, path = blank_figure(), Path(path)
    datasets = list(dict.fromkeys(name for figures in reports.values() for name in figures["datasets"]))
    if not datasets:
        raise InputError("there is nothing to plot: the reports hold no dataset; run `bench` on one first")
    if path.suffix not in (".png", ".pdf", ".svg"):
        raise InputError(f"cannot draw to '{path.name}'; name a .png, .pdf or .svg file")
    shown = {label: "\n".join(wrap(label, LETTERS * len(datasets))) for label in reports}  # nothing of it is cut off
    figure.set_size_inches(4.2 * len(datasets), 3.4 + 0.2 * sum(1 + text.count("\n") for text in shown.values()))
    panels = figure.subplots(1, len(datasets), squeeze=False, sharey=True)[0]
    for panel, dataset in zip(panels, datasets, strict=True):
        for label, figures in reports.items():
            if dataset in figures["datasets"]:
                curve = figures["datasets"][dataset]["iou_at_click"]
                panel.plot(range(1, len(curve) + 1), curve, marker=".", label=shown[label])
        panel.set(title=dataset, xlabel="clicks")
        panel.xaxis.get_major_locator().set_params(integer=True)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("mean IoU")
    lines = {line.get_label(): line for panel in panels for line in panel.get_lines()}
    figure.legend(lines.values(), lines.keys(), loc="outside lower center", fontsize="small")
    replace_file(path, lambda file: figure.savefig(file, format=path.suffix[1:], dpi=150))
    return path


def blank_figure() -> Figure:
    """A figure that needs no screen, to be given a size. MissingExtra without matplotlib."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("plots need matplotlib; install it with: pip install 'fewclicks[plot]'") from None
    figure = Figure(layout="constrained")
    FigureCanvasAgg(figure)
    return figure
