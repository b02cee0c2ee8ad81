"""Table 4 as Markdown and as an HTML page with plots, from what `table4.summary` found and nothing else."""

from __future__ import annotations

import html
import io
from collections.abc import Mapping
from typing import Any

from fewclicks.evaluation.plots import blank_figure
from fewclicks.evaluation.table4 import MEASURED

LEVELS = ("0.90", "0.95")
COMPARED = "0.90"
"""The level at which most papers compare, and seconds are drawn against clicks."""
MINUS = "\u2212"

NOTE = (
    "NoC: mean number of clicks to an IoU, 20 at most. In brackets: the 95 % interval of the mean, in which the "
    "objects of a photo and the frames of a video are drawn together. Published: what the named source says, by the "
    "authors' weights; a dash where no figure was at hand. Seconds: of the run that counted the clicks, on one thread, "
    "beside whatever else the machine did."
)
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: #fff; }
td.state, .small { color: #777; font-size: 85%; }
tr:hover td { background: #f5f7fa; }
.clear { font-weight: 600; }
.wide { overflow-x: auto; }
svg { max-width: 100%; height: auto; }
"""


def measured(found: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The rows that have figures."""
    return [row for row in found["rows"] if row["state"] == MEASURED]


def names(found: Mapping[str, Any]) -> list[str]:
    """The datasets by the names that reports have, those of measured rows first."""
    seen = [name for row in measured(found) for name in row["datasets"]]
    seen += [name for row in found["rows"] for name in row["published"] if name.lower() in found["datasets"]]
    return list(dict.fromkeys(seen))


def heads(found: Mapping[str, Any]) -> list[str]:
    """The columns of the table."""
    columns = [
        f"{dataset} {what}"
        for dataset in names(found)
        for what in ("published @90", *(f"@{level[2:]}" for level in LEVELS))
    ]
    return ["method", *columns, "s/click"]


def cells(found: Mapping[str, Any], row: Mapping[str, Any]) -> list[str]:
    """A row of the table, without its name; a row that was not measured says why in its first free cell."""
    out: list[str] = []
    own = row.get("datasets", {})
    for dataset in names(found):
        published = row["published"].get(dataset, {}).get(COMPARED)
        out.append("-" if published is None else f"{published:.2f}")
        figures = own.get(dataset)
        for level in LEVELS:
            if figures is None or level not in figures["noc"]:
                out.append("")
                continue
            low, high = figures["noc_interval"][level]
            out.append(f"{figures['noc'][level]:.2f} [{low:.2f}, {high:.2f}]")
    seconds = [figures["seconds_per_click"] for figures in own.values()]
    out.append(f"{sum(seconds) / len(seconds):.3f}" if seconds else "")
    if not own:
        out[1] = str(row["state"])
    return out


def markdown(found: Mapping[str, Any]) -> str:
    """The table, the comparison of any two rows, and what to know."""
    columns = heads(found)
    lines = ["| " + " | ".join(columns) + " |", "|---|" + "---:|" * (len(columns) - 1)]
    each = ([row["name"], *cells(found, row)] for row in found["rows"])
    lines += ["| " + " | ".join(map(_escaped, texts)) + " |" for texts in each]
    lines += ["", NOTE, ""]
    if found["pairs"]:
        lines += ["| first | second | dataset | clicks more of the second, to 0.90 [95 %] | better | worse |"]
        lines += ["|---|---|---|---:|---:|---:|"]
        for pair in found["pairs"]:
            ends = (pair["first"], pair["second"], pair["dataset"], _change(pair), pair["better"], pair["worse"])
            lines.append("| " + " | ".join(_escaped(str(end)) for end in ends) + " |")
        lines += ["", "Paired bootstrap, object by object; a difference whose interval leaves out 0 is in bold.", ""]
    lines += [f"- {text}" for text in sources(found)]
    return "\n".join(lines) + "\n"


def sources(found: Mapping[str, Any]) -> list[str]:
    """Tell where the published figures were read, a text for each source that names its rows."""
    rows: dict[str, list[str]] = {}
    for row in found["rows"]:
        if row["published"]:
            rows.setdefault(row["source"], []).append(row["name"])
    return [f"{source}: {'; '.join(names)}" for source, names in rows.items()]


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def _is_clear(pair: Mapping[str, Any]) -> bool:
    return bool(pair["low"] > 0 or pair["high"] < 0)


def _change(pair: Mapping[str, Any]) -> str:
    text = f"{pair['change']:+.2f} [{pair['low']:+.2f}, {pair['high']:+.2f}]".replace("-", MINUS)
    return f"**{text}**" if _is_clear(pair) else text


def page(found: Mapping[str, Any]) -> str:
    """A page that needs nothing beside it: the table, the plots, the comparison of any two rows."""
    parts = [
        "<!doctype html>", '<html lang="en">', '<meta charset="utf-8">', "<title>Table 4, measured here</title>",
        f"<style>{STYLE}</style>", "<h1>Table 4, measured here</h1>", f"<p>{html.escape(NOTE)}</p>",
        '<div class="wide"><table>', _line("th", heads(found)),
    ]  # fmt: skip
    for row in found["rows"]:
        kind = "td" if row["state"] == MEASURED else 'td class="state"'
        title = html.escape(row.get("command", row["state"]), quote=True)
        parts.append(f'<tr title="{title}">' + _cells("td", [row["name"]]) + _cells(kind, cells(found, row)) + "</tr>")
    parts.append("</table></div>")
    if measured(found):
        parts += ["<h2>IoU against clicks</h2>", curves(found)]
        parts += ["<h2>Seconds per click against clicks</h2>", speed(found)]
    if found["pairs"]:
        parts += [
            "<h2>Any two rows</h2>",
            "<p>Clicks to IoU 0.90 that the second row takes more than the first: paired bootstrap, object by object.",
            "What is clear, its 95 % interval leaving out 0, is bold.</p>",
            '<div class="wide"><table>',
            _line("th", ["first", "second", "dataset", "clicks more", "better", "worse"]),
        ]
        for pair in found["pairs"]:
            ends = [pair["first"], pair["second"], pair["dataset"], _change(pair).strip("*")]
            kind = 'td class="clear"' if _is_clear(pair) else "td"
            parts.append(_line(kind, [*ends, str(pair["better"]), str(pair["worse"])]))
        parts.append("</table></div>")
    parts += ["<h2>Sources of the published figures</h2>", "<ul>"]
    parts += [f"<li>{html.escape(text)}</li>" for text in sources(found)]
    return "\n".join([*parts, "</ul>", "</html>", ""])


def _cells(kind: str, texts: list[str]) -> str:
    end = kind.partition(" ")[0]
    return "".join(f"<{kind}>{html.escape(text)}</{end}>" for text in texts)


def _line(kind: str, texts: list[str]) -> str:
    return f"<tr>{_cells(kind, texts)}</tr>"


def curves(found: Mapping[str, Any]) -> str:
    """Mean IoU against clicks as SVG: a panel a dataset, a line a row."""
    datasets = names(found)
    figure = blank_figure()
    figure.set_size_inches(4.4 * len(datasets), 4)
    for panel, dataset in zip(figure.subplots(1, len(datasets), squeeze=False, sharey=True)[0], datasets, strict=True):
        for row in measured(found):
            if dataset in row["datasets"]:
                curve = row["datasets"][dataset]["iou_at_click"]
                panel.plot(range(1, len(curve) + 1), curve, marker=".", label=row["name"])
        panel.set(title=dataset, xlabel="clicks", ylabel="mean IoU")
        panel.xaxis.get_major_locator().set_params(integer=True)
        panel.grid(alpha=0.3)
    figure.legend(*panel.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize="small")
    return _svg(figure)


def speed(found: Mapping[str, Any]) -> str:
    """Seconds per click against NoC as SVG: a panel a dataset, a dot a row. Down and to the left is better."""
    from matplotlib.ticker import LogLocator

    datasets = names(found)
    figure = blank_figure()
    figure.set_size_inches(4.4 * len(datasets), 4)
    for panel, dataset in zip(figure.subplots(1, len(datasets), squeeze=False)[0], datasets, strict=True):
        dots = [
            (row["name"], figures["noc"][COMPARED], figures["seconds_per_click"])
            for row in measured(found)
            if COMPARED in (figures := row["datasets"].get(dataset, {})).get("noc", {})
        ]
        places = [clicks for _, clicks, _ in dots]
        for name, clicks, seconds in dots:
            right = 2 * clicks > min(places) + max(places)  # there the name stands to the left, within the panel
            panel.plot(clicks, seconds, "o")
            panel.annotate(
                name, (clicks, seconds), textcoords="offset points", xytext=(-6 if right else 6, 4),
                ha="right" if right else "left", fontsize="x-small",
            )  # fmt: skip
        panel.set(title=dataset, xlabel="clicks to IoU 0.90", ylabel="seconds per click", yscale="log")
        panel.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
        panel.yaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_minor_formatter("{x:g}")
        panel.margins(x=0.25, y=0.15)
        panel.grid(alpha=0.3)
    return _svg(figure)


def _svg(figure: Any) -> str:
    """A figure as an element of a page; the same figure gives the same text."""
    from matplotlib import rc_context

    with rc_context({"svg.hashsalt": "fewclicks"}):
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    return text[text.index("<svg") :]
