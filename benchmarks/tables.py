"""Write every table of the README, the model card and docs/ anew from results/ and the recipes.

    python benchmarks/tables.py [PAGE ...]             all pages, or those named: docs/annotator.md ...
    python benchmarks/tables.py --check [PAGE ...]     change nothing, fail if a page says something else
    python benchmarks/tables.py compare [LABEL=]FILE [[LABEL=]FILE ...]

A page has marks, <!-- NAME:begin --> and <!-- NAME:end -->; PAGES says what stands between them. What was measured with
other weights than those that ship is not shown as theirs: the page then says how to measure it anew.

`compare` prints a row per report of `fewclicks bench validation --full --json FILE`: NoC with its bootstrap interval,
mean IoU after one click, NoC@90 of each set, and what more clicks did: the share of the clicks after the first that
lower the IoU by more than 5 points, and the least mean change from a click to the next. In every row but the first
stands the change of NoC to the first, object by object, bold where its interval leaves 0 out. Fewer clicks are better.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatch
from functools import partial
from importlib import import_module
from pathlib import Path
from statistics import fmean, median
from typing import Any

from fewclicks.errors import FewClicksError, InputError
from fewclicks.evaluation.metrics import click_effect, interval
from fewclicks.evaluation.report import read_json
from fewclicks.files.replace import write_text
from fewclicks.methods import default, default_0_1, default_int8
from fewclicks.methods.default import OWN, weights_hash

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results"
CARD = ROOT / "src" / "fewclicks" / "weights" / "README.md"
GRABCUT_FLOOR = 1.75
"""NoC@90 that the default model was to have: see docs/experiments.md."""
LEVELS = ("0.90", "0.95")
BENCHMARKS = ("GrabCut", "Berkeley", "DAVIS")
SHIPPED = ("default", "default-int8")
"""The methods whose own options are OWN."""
ALLOWED = 0.02
"""So much IoU a click may cost on average."""
LATER = "Not measured with these weights yet; `make robust` does it."
RECIPES = ("simpleclick", "ritm", "cfr_icl", "cfr_icl_released", "compact", "finetune", "ablation", "toy")
REPRODUCES = {  # the first pattern that fits
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


def markdown(heads: Sequence[Any], rows: Iterable[Sequence[Any]], words: int = 1) -> str:
    """Lay out a table; the first `words` columns are read as words, the others as numbers, on the right."""
    ruler = "|" + "---|" * words + "---:|" * (len(heads) - words)
    return "\n".join([line(heads), ruler, *map(line, rows)])


def line(cells: Sequence[Any]) -> str:
    """Write the cells of a row."""
    return f"| {' | '.join(map(str, cells))} |".replace("|  |", "| |").replace("|  |", "| |")


def signed(mean: float, low: float, high: float, digits: int = 2, between: bool = True) -> str:
    """Write a change, with its interval unless told otherwise; bold where that leaves 0 out."""
    text = f"{mean:+.{digits}f}" + (f" [{low:+.{digits}f}, {high:+.{digits}f}]" if between else "")
    text = text.replace("-", "\u2212")
    return f"**{text}**" if low > 0 or high < 0 else text


def change(clicks: Sequence[int], base: Sequence[int], between: bool = True) -> str:
    """Compare the clicks on the same objects: the mean change, and the 95 % interval of it."""
    changes = [after - before for after, before in zip(clicks, base, strict=True)]
    return signed(fmean(changes), *interval(changes), between=between)


def with_interval(clicks: Sequence[int]) -> str:
    """Write NoC and its 95 % interval."""
    low, high = interval(clicks)
    return f"{fmean(clicks):.2f} [{low:.2f}, {high:.2f}]"


def points(value: float, digits: int = 2) -> str:
    """Write a change of IoU in points, with its sign."""
    return f"{100 * value:+.{digits}f}".replace("-", "\u2212")


def stored(name: str) -> Any:
    """Read a file of results/; None if there is none."""
    file = RESULTS / name
    return json.loads(file.read_text("utf-8")) if file.is_file() else None


def of_these_weights(name: str) -> Any:
    """Read a file of results/ that the weights which ship made; None if there is none."""
    found = stored(name)
    made_by = found and (found.get("weights_sha256") or found["settings"]["weights_sha256"])
    if made_by != weights_hash():
        return None
    if found.get("settings", {}).get("limit"):
        sys.exit(f"{name} was measured with --limit {found['settings']['limit']}; measure it on all objects")
    return found


def results(intervals: bool = False) -> str:
    """List NoC of every method on the benchmarks, and its milliseconds per click."""
    found = [json.loads(file.read_text("utf-8")) for file in sorted(RESULTS.glob("*.json"))]
    reports = [one for one in found if set(BENCHMARKS) & set(one.get("datasets", ()))]
    if not reports:
        return "Not measured yet; `make bench` does it."
    order = {"default": 0, "default-int8": 1, "default-0.1": 2}
    reports.sort(key=lambda one: (order.get(one["settings"]["method"], 3), -one["settings"]["cfr"]))
    objects = {name: one["datasets"][name]["objects"] for name in BENCHMARKS for one in reversed(reports)
               if name in one["datasets"]}  # fmt: skip
    heads = ["method", *(f"{name}, {count} objects" for name, count in objects.items()), "ms, first / later click"]
    table = markdown(heads, [result_row(one, list(objects), intervals) for one in reports])
    ours = [weights_hash(one.WEIGHTS) for one in (default, default_int8, default_0_1)]
    if any(one["settings"].get("weights_sha256", ours[0]) not in ours for one in reports):
        table += "\n\nThe rows of `default` are those of earlier weights; `make bench` measures these."
    return table


def label(settings: Mapping[str, Any]) -> str:
    """Name the method, and the refinement if it is not the one that it ships with."""
    name, n, until = settings["method"], settings["cfr"], settings.get("until_click")
    # An option that came later is not in older results: they were made anew, or it changes no figure of theirs.
    if name in SHIPPED and all(settings.get(key, value) == value for key, value in OWN.items()):
        return f"`{name}`"
    if not n:
        return f"`{name}`, no CFR" if name in SHIPPED else f"`{name}`"
    return f"`{name}`, {'A-' if settings['adaptive'] else ''}CFR-{n}{f' up to click {until}' if until else ''}"


def result_row(report: Mapping[str, Any], datasets: Sequence[str], intervals: bool) -> list[str]:
    """Tell of one method NoC at both levels per dataset, and what benchmarks/speed.py measured on a machine at rest."""
    settings = report["settings"]
    if settings.get("limit"):
        sys.exit(f"a result was measured with --limit {settings['limit']}; measure it on all objects")
    cells = [label(settings)]
    for name in datasets:
        measured = report["datasets"].get(name, {})
        means = " / ".join(f"{measured['noc'][level]:.2f}" for level in LEVELS) if measured else ""
        ends = measured.get("noc_interval") if intervals else None
        between = " / ".join("[{:.2f}, {:.2f}]".format(*ends[level]) for level in LEVELS) if ends else ""
        cells.append(f"{means}<br>{between}" if between else means)
    speed = (stored("speed.json") or {}).get(cells[0].replace("`", ""))
    return [*cells, f"{speed['first_click_ms']:.0f} / {speed['later_click_ms']:.0f}" if speed else ""]


def training() -> str:
    """List the phases of the training of the default model, and what it cost."""
    cost = stored("training.json")
    rows = []
    for number, one in enumerate(cost["phases"], start=1):
        height, width = one["crop_hw"]
        weights = ", ".join(f"{weight:g}" for weight in one["click_weights"])
        loss = f"ICL ({weights})" if one["objective"] == "icl" else one["objective"].replace("_", " ")
        rows.append([number, f"{height}x{width}", one["batch"], f"{one['steps']:,}", f"{one['lr']:g}", loss,
                     f"{one['suem_prob']:.0%}", f"{one['foreign_prob']:.0%}", f"{one['hours']:.1f}"])  # fmt: skip
    heads = ("phase", "crop", "samples a step", "steps", "learning rate", "loss", "SUEM", "wrong masks", "hours")
    return markdown(heads, rows) + (
        f"\n\nIn all {cost['steps']:,} steps, {cost['samples']:,} samples, {cost['forwards']:,} forward and backward "
        f"passes, {cost['hours']:.1f} hours."
    )


def validation() -> str:
    """List NoC of each set of the validation split."""
    report = of_these_weights("validation.json")
    if report is None:
        return LATER
    each = report["datasets"]["Validation"]["per_object"]
    names, first, never = (
        each["name"],
        [curve[0] for curve in each["ious"]],
        [max(curve) < 0.9 for curve in each["ious"]],
    )
    columns = (*(each["noc"][level] for level in LEVELS), first, never)
    rows = []
    for name in ["", *dict.fromkeys(one.partition("/")[0] for one in names)]:
        *nocs, ious, lost = [values if not name else of_set(values, names, name) for values in columns]
        rows.append([name or "all", len(ious), *map(with_interval, nocs), f"{fmean(ious):.3f}", sum(lost)])
    return markdown(("set", "objects", "NoC@90", "NoC@95", "IoU after one click", "never 0.90"), rows)


def more_clicks() -> str:
    """Say in a sentence or two whether more clicks helped."""
    report = of_these_weights("validation.json")
    if report is None:
        return LATER
    effect = report["datasets"]["Validation"]["click_effect"]
    worst, count = effect["worst_mean_change"], sum(effect["clicks"])
    least = effect["mean_change"].index(worst)
    more = "no click lowers it by more than", "**a click lowers it by more than the allowed**"
    verdict = more[worst < -ALLOWED]
    return (
        f"{effect['share_lowered']:.1%} of the {count:,} clicks after the first lower the IoU by more than 5 points. "
        f"On average {verdict} {100 * ALLOWED:.0f} points: the least mean change is {points(worst)} points, of click "
        f"{least + 2}, over the {effect['clicks'][least]} objects that took it."
    )


def each_click() -> str:
    """List what each click did to the IoU."""
    report = of_these_weights("validation.json")
    if report is None:
        return LATER
    effect = report["datasets"]["Validation"]["click_effect"]
    columns = zip(effect["clicks"], effect["mean_change"], effect["lowered"], strict=True)
    rows = [[i, count, points(mean), f"{lost / count:.1%}"] for i, (count, mean, lost) in enumerate(columns, start=2)]
    heads = ("click", "objects that took it", "mean change of IoU, points", "lowered it by more than 5 points")
    return markdown(heads, rows)


def changed_photos() -> str:
    """List NoC on changed photos."""
    found = of_these_weights("robustness.json")
    return f"{robustness(found)}\n\n{found['dataset']}, {found['objects']} objects." if found else LATER


def robustness(found: Mapping[str, Any]) -> str:
    """List what benchmarks/robustness.py measured of each change."""
    rows = []
    for one in found["changes"].values():
        cells = [one["what"]]
        for level in LEVELS:
            cells.append("{:.2f} [{:.2f}, {:.2f}]".format(*one[f"noc_{level}"]))
            cells.append(signed(*one["difference"][f"noc_{level}"]) if "difference" in one else "")
        rows.append([*cells, "{:.3f} [{:.3f}, {:.3f}]".format(*one["iou_at_1"])])
    return markdown(("photo", "NoC@90", "change", "NoC@95", "change", "IoU after one click"), rows)


def failures(page: Path) -> str:
    """Show the sheet of failures, and what became of each object in the end."""
    found = of_these_weights("failures.json")
    if found is None:
        return "Not drawn for these weights yet; `make robust` does it."
    clicks = found["after_clicks"]
    picture = "/".join([".."] * (len(page.relative_to(ROOT).parts) - 1) + ["docs/images/failures.jpg"])
    lines = [f"![Objects that the model fails on, after {clicks} clicks]({picture})", ""]
    for one in found["panels"]:
        later = f"reaches 0.90 at click {one['clicks_to_90']}" if one["clicks_to_90"] else "never reaches 0.90"
        lines.append(f"- **{one['kind'].capitalize()}** (`{one['name']}`): IoU {one['iou']:.2f}, {later}.")
    return "\n".join(lines)


def per_object(file: str | Path, dataset: str = "Validation") -> Mapping[str, Any]:
    """Read what a report says of every object of the dataset; InputError if it does not."""
    datasets = read_json(file)["datasets"]
    if dataset not in datasets:
        raise InputError(
            f"'{file}' measured {', '.join(datasets)}, not {dataset}; run: fewclicks bench validation --full"
        )
    if "per_object" not in datasets[dataset]:
        raise InputError(f"'{file}' has means only; measure again with --full, which adds every object")
    found: Mapping[str, Any] = datasets[dataset]["per_object"]
    return found


def comparison(reports: Mapping[str, Mapping[str, Any]]) -> str:
    """Lay runs beside each other. `reports`: label -> per object; all of the same objects, with names SET/..."""
    first, several = next(iter(reports.values())), len(reports) > 1
    names: list[str] = first["name"]
    rows = []
    sets = list(dict.fromkeys(name.partition("/")[0] for name in names)) if all("/" in name for name in names) else []
    for label, one in reports.items():
        if one["name"] != names:
            raise InputError(
                f"'{label}' measured other objects ({len(one['name'])}) than the first report ({len(names)}); "
                "measure both with the same --limit"
            )
        changes = [change(one["noc"][level], first["noc"][level]) if one is not first else "" for level in LEVELS]
        found = click_effect(one["ious"])
        least = found.mean_change.index(found.worst_mean_change) + 2 if found.clicks else 0
        rows.append([
            label, *(with_interval(one["noc"][level]) for level in LEVELS), *(changes if several else ()),
            f"{fmean(curve[0] for curve in one['ious']):.3f}",
            *(f"{fmean(of_set(one['noc']['0.90'], names, name)):.2f}" for name in sets), f"{found.share_lowered:.1%}",
            f"{points(found.worst_mean_change, 1)} points (click {least})" if found.clicks else "",
        ])  # fmt: skip
    heads = [
        f"{len(names)} objects", *(f"NoC@{level[2:]}" for level in LEVELS),
        *(f"change of {level[2:]}" for level in LEVELS if several), "IoU@1",
        *(f"{one} @90 ({sum(name.startswith(one + '/') for name in names)})" for one in sets), "lowered by a click",
        "least mean change",
    ]  # fmt: skip
    return markdown(heads, rows)


def of_set(values: Sequence[Any], names: Sequence[str], name: str) -> list[Any]:
    """Choose the values of the objects of one set."""
    return [value for value, one in zip(values, names, strict=True) if one.startswith(name + "/")]


def experiments() -> str:
    """List the experiments NUMBER-NAME.json by number, each with the changes to the first."""
    files = sorted((RESULTS / "experiments").glob("*.json"), key=lambda file: int(file.stem.partition("-")[0]))
    return comparison({file.stem.replace("-", ". ", 1).replace("_", " "): per_object(file) for file in files})


def recipes() -> str:
    """List the recipes, from the recipes themselves."""
    from fewclicks.plugins import find
    from fewclicks.recipes import functions

    rows = []
    for file in RECIPES:
        for name, make in functions(find("recipes", file)).items():
            recipe, row = make(), f"{file}:{name}"
            full = name if name == file else row
            what = (make.__doc__ or "").partition("\n")[0].rstrip(".")
            reproduces = next((text for pattern, text in REPRODUCES.items() if fnmatch(row, pattern)), "")
            rows.append((f"`{full}`", what, f"{recipe.steps:,} x {recipe.batch}", f"{recipe.lr:g}", reproduces))
    ruler = "| recipe | what | steps x batch | lr | reproduces |\n|---|---|---:|---:|---|\n"
    return ruler + "\n".join(f"| {' | '.join(row)} |" for row in rows)


def attacks(part: str) -> str:
    """Tell what the attacks counted: its `overview`, `details` or `faults`."""
    from attack import tables

    text: str = getattr(tables, part)(stored("reliability.json"))
    return text


def presets() -> str:
    """List what each difference between the presets does, and on what it was measured."""
    from presets import ENDS, ROWS

    found = stored("presets.json") or {"about": {}, "rows": {}}
    rows = found["rows"]
    if missing := {**ENDS, **ROWS}.keys() - rows:
        return f"Not measured yet: {', '.join(sorted(missing))}. `python benchmarks/presets.py` does it."
    base = rows["paper"]["clicks"]
    columns = [(name, level) for name in base for level in LEVELS]
    start = [f"{fmean(base[name][level]):.2f}" for name, level in columns]
    lines = [["`paper` in crops that keep their shape, which the others are compared with", "", "", "", *start]]
    for key, row in ROWS.items():
        own, other = rows[key]["clicks"], rows[row.base]["clicks"]
        changes = [change(own[name][level], other[name][level], between=False) for name, level in columns]
        lines.append([row.what, row.released, row.paper, row.ours, *changes])
    heads = ["what", "released", "paper", "fewclicks", *(f"{name} NoC@{level[2:]}" for name, level in columns)]
    limit = found["about"]["limit"]
    objects = " and ".join(f"{len(base[name]['0.90'])} objects of {name}" for name in base)
    return f"{markdown(heads, lines, 4)}\n\nMeasured {f'with `--limit {limit}` ' if limit else ''}on {objects}, CFR-1."


def learning() -> str:
    """List the runs of the learning curve, its slopes, and what they say of the floor that is not reached."""
    from learning_curve import curves, needed, rows

    lines = [(name, f"{samples:,}", f"{at_90:.2f}", f"{at_95:.2f}") for name, samples, at_90, at_95 in rows()]
    lines.append(("for ten times the samples", "", *(signed(*curve.slope()) for curve in curves().values())))
    found = stored("default.json")["datasets"]["GrabCut"]["noc"]["0.90"]
    times, most = (f"{one:,.1f}" if one < 100 else "more than 100" for one in needed("0.90", found, GRABCUT_FLOOR))
    return (
        markdown(("run", "samples in all", *(f"NoC@{level[2:]}" for level in LEVELS)), lines)
        + f"\n\nGrabCut is at {found:.2f} clicks, and its floor at {GRABCUT_FLOOR}. "
        f"If its clicks fall by the same share as here, {times} times the samples "
        f"bring it there; at the flat end of the interval, {most} times."
    )


def on_ray() -> str:
    """Tell what Ray costs beside the plain loop, and what ten million photos would take."""
    found = stored("refine_ray.json")
    if not found:
        return "Not measured yet; `python benchmarks/refine_ray.py` does it."
    runs, ratios = found["runs"], found["ray_over_loop"]
    rows = [
        (count, *(f"{median(run['rows_per_s'] for run in runs[f'{kind} {count}']):.1f}" for kind in ("loop", "ray")),
         f"{ratios[f'rows_per_s_{count}']:.2f}")
        for count in (1, 2)
    ]  # fmt: skip
    table = markdown(("processes or actors", "rows a second, plain loop", "on Ray", "Ray over loop"), rows)
    ten = [
        (one["machines"], f"{one['rows_per_s']:,.0f}", f"{one['hours']:,.1f}", f"{one['core_hours']:,}", one["drivers"])
        for one in found["simulated"]["machines"]
    ]
    heads = ("machines of 16 cores", "rows a second", "hours for ten million photos", "core hours", "drivers")
    height, width = found["hw"]
    return (
        f"A row is a photo of {width}x{height} with one mask, on {found['cores']} cores ({found['photos']} of them, "
        f"{len(runs['ray 2'])} rounds; the first fifth is not counted):\n\n{table}\n\n"
        f"Simulated from these parts, with machines that are taken away now and then:\n\n{markdown(heads, ten)}"
    )


def made_by(module: str, name: str) -> str:
    """Make a table by a function of another file of benchmarks/."""
    table: str = getattr(import_module(module), name)()
    return table


PAGES: dict[str, dict[str, Callable[[], str]]] = {
    "README.md": {"results": results},
    "src/fewclicks/weights/README.md": {
        "results": lambda: results(intervals=True), "training": training, "validation": validation,
        "clicks": more_clicks, "photos": changed_photos, "failures": lambda: failures(CARD),
    },
    "docs/ablation.md": {"tables": partial(made_by, "training_tables", "ablation")},
    "docs/annotator.md": {part: partial(made_by, "annotator_tables", part) for part in ("figures", "work")},
    "docs/experiments.md": {"figures": experiments, "learning": learning},
    "docs/integrations/refine.md": {"ray": on_ray},
    "docs/integrations/sam.md": {"noc": partial(made_by, "pair_tables", "noc")},
    "docs/methods.md": {part: partial(made_by, "method_tables", part) for part in ("numbers", "equal_budget", "speed")},
    "docs/reliability.md": {part: partial(attacks, part) for part in ("overview", "details", "faults")},
    "docs/reproduction.md": {"presets": presets},
    "docs/robustness.md": {"photos": changed_photos, "clicks": more_clicks, "each": each_click},
    "docs/training.md": {"recipes": recipes, "sampling": partial(made_by, "training_tables", "sampling")},
}  # fmt: skip
"""Page -> mark -> what is written there."""


def filled(page: str, mark: str, text: str) -> str:
    """Put the text between the marks `mark`:begin and `mark`:end of a page."""
    begin, end = f"<!-- {mark}:begin -->", f"<!-- {mark}:end -->"
    before, _, rest = page.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        sys.exit(f"a page has no {begin} ... {end} to write into")
    return f"{before}{begin}\n{text}\n{end}{after}"


def renew(*pages: str, check: bool = False) -> None:
    """Write the pages, or end with a message if one of them says something else."""
    for name in pages or PAGES:
        page = ROOT / name
        wanted = present = page.read_text("utf-8")
        for mark, text in PAGES[name].items():
            wanted = filled(wanted, mark, text())
        if not check:
            write_text(page, wanted)
        elif wanted != present:
            sys.exit(f"{name} is not what the results say; run: make table")


def labelled(argument: str) -> tuple[str, str]:
    """Split LABEL=FILE; the stem of a FILE alone is its label."""
    label, equals, file = argument.partition("=")
    return (label, file) if equals else (Path(argument).stem, argument)


def main() -> None:
    """Write, check or compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    if sys.argv[1:2] == ["compare"]:
        parser.add_argument("files", nargs="+", metavar="[LABEL=]FILE")
        parser.add_argument("--dataset", default="Validation", help="its name in the reports (default: %(default)s)")
        asked = parser.parse_args(sys.argv[2:])
        try:
            named = dict(labelled(argument) for argument in asked.files)
            if len(named) < len(asked.files):
                raise InputError("two files have the same label; name them: LABEL=FILE")
            print(comparison({label: per_object(file, asked.dataset) for label, file in named.items()}))
        except FewClicksError as error:
            sys.exit(f"error: {error}")
        return
    parser.add_argument("pages", nargs="*", metavar="PAGE", help=f"of {', '.join(PAGES)}")
    parser.add_argument("--check", action="store_true", help="change nothing, fail if a page says something else")
    asked = parser.parse_args()
    if unknown := [name for name in asked.pages if name not in PAGES]:
        parser.error(f"no tables are written into {', '.join(unknown)}; name pages of: {', '.join(PAGES)}")
    renew(*asked.pages, check=asked.check)


if __name__ == "__main__":
    main()
