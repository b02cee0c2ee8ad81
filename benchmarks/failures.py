"""Draw typical failures of the default model: the worst validation object of each kind that is hard for it.

    fewclicks bench validation --full --json results/validation.json
    python benchmarks/failures.py                    docs/images/failures.jpg and results/failures.json

Of the objects that did not come to IoU 0.90 in five clicks, each kind shows the one whose IoU is then lowest. The model
is given the clicks of the report again, to have the mask. Needs matplotlib.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fewclicks.clicks import Click, Clicks
from fewclicks.config import resolve
from fewclicks.datasets import open_benchmark
from fewclicks.datasets.validation import Validation
from fewclicks.errors import FewClicksError, InputError
from fewclicks.evaluation.metrics import iou
from fewclicks.evaluation.plots import blank_figure
from fewclicks.evaluation.report import read_json
from fewclicks.files.replace import replace_file
from fewclicks.geometry import Box, Frame
from fewclicks.methods.default import weights_hash
from fewclicks.predictor import Predictor
from fewclicks.types import Image, Mask, Sample, Scene
from fewclicks.visualization import dots, outlined

ROOT = Path(__file__).resolve().parents[1]
REPORT, RESULT = ROOT / "results" / "validation.json", ROOT / "results" / "failures.json"
PICTURE = ROOT / "docs" / "images" / "failures.jpg"

CLICKS = 5
"""After how many clicks the mask is shown."""
ENOUGH = 0.90
SIDE_PX = 420
"""The longer side of a panel."""
FOUND, TRUTH = "#ffd60a", "#ff2fd0"
"""The colours of the outlines of mask and truth."""
TOUCHING = ("coco_instances", "coco_person", "voc_components")
"""Sets in which what touches an object is another thing, not the rest of the photo."""


@dataclass(frozen=True)
class Case:
    """An object with its scene, and its course: the clicks and IoUs of the report."""

    sample: Sample
    scene: Scene
    ids: list[int]
    clicks: Clicks
    ious: list[float]
    mask: Mask | None = None

    @property
    def object(self) -> Mask:
        """HxW: the true pixels."""
        return np.asarray(self.sample.truth == 1)


def thin(case: Case) -> bool:
    """Mean distance of its pixels to its border, over the root of its area: a disc has 0.19."""
    padded = np.pad(case.object.astype(np.uint8), 1)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
    return bool(distance[case.object].mean() < 0.085 * np.sqrt(case.object.sum()))


def camouflaged(case: Case) -> bool:
    """More than half of its colours are those of what is around it, within a tenth of the diagonal."""
    lab = cv2.cvtColor(case.sample.image, cv2.COLOR_RGB2LAB)
    around = grown(case.object, round(0.1 * float(np.hypot(*case.object.shape)))) & (case.sample.truth == 0)
    inside, outside = colours(lab, case.object), colours(lab, np.asarray(around))
    return float(np.minimum(inside, outside).sum()) > 0.5


def colours(lab: Image, region: Mask) -> np.ndarray:
    """The shares of the colours of a region."""
    counts = np.histogramdd(lab[region], bins=(8, 16, 16), range=((0, 256),) * 3)[0]
    return counts / max(1, region.sum())


def grown(region: Mask, width_px: int) -> Mask:
    """The region and what lies within so many pixels of it."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width_px + 1,) * 2)
    return np.asarray(cv2.dilate(region.astype(np.uint8), disc) > 0)


def part(case: Case) -> bool:
    """A garment, when the person who wears it would be an object too."""
    return case.sample.name.startswith("ccp_garments/") and len(case.ids) == 1


def crowded(case: Case) -> bool:
    """Other objects lie along a third of its outline."""
    if not case.sample.name.startswith(TOUCHING):
        return False
    band = grown(case.object, 5) & ~case.object
    others = (case.scene.ids != 0) & (case.scene.ids != 255)
    return bool(others[band].mean() > 1 / 3)


def pieces(case: Case) -> bool:
    """It is in two or more pieces, each a twentieth of it or more."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(case.object.astype(np.uint8))
    return bool((stats[1:, cv2.CC_STAT_AREA] >= 0.05 * case.object.sum()).sum() > 1)


def small(case: Case) -> bool:
    """It covers less than 1.5 percent of the photo."""
    return bool(case.object.mean() < 0.015)


KINDS: dict[str, Callable[[Case], bool]] = {
    "thin parts": thin,
    "colours of the surroundings": camouflaged,
    "a part of a whole": part,
    "among its like": crowded,
    "in several pieces": pieces,
    "small": small,
}


def cases(report: Mapping[str, Any], dataset: Validation) -> list[Case]:
    """The objects that failed, the worst first."""
    each = report["datasets"][dataset.name]["per_object"]
    index = {name: i for i, name in enumerate(dataset.lines)}
    failed = [i for i, ious in enumerate(each["ious"]) if len(ious) >= CLICKS and max(ious[:CLICKS]) < ENOUGH]
    found = []
    for i in sorted(failed, key=lambda i: (each["ious"][i][CLICKS - 1], each["name"][i])):
        scene, ids = dataset.scene(index[each["name"][i]])
        sample = Sample(scene.image, scene.truth(*ids), each["name"][i])
        found.append(
            Case(sample, scene, ids, Clicks(tuple(Click(*click) for click in each["clicks"][i])), each["ious"][i])
        )
    return found


def chosen(found: list[Case]) -> dict[str, Case]:
    """Of each kind the worst object that no earlier kind shows; kinds that no failure is of are left out."""
    shown: dict[str, Case] = {}
    for kind, belongs in KINDS.items():
        taken = {id(case) for case in shown.values()}
        worst = next((case for case in found if id(case) not in taken and belongs(case)), None)
        if worst is not None:
            shown[kind] = worst
    return shown


def replayed(predictor: Predictor, case: Case) -> Case:
    """The case with its mask after `CLICKS` clicks; InputError if it is not the mask that the report measured."""
    clicks, state = Clicks(), predictor.start(case.sample.image)
    for click in list(case.clicks)[:CLICKS]:
        clicks = clicks + click
        state = predictor.step(state, clicks)
    value = iou(state.mask, case.sample.truth)
    if abs(value - case.ious[CLICKS - 1]) > 0.01:
        raise InputError(
            f"'{case.sample.name}' now has IoU {value:.3f} after {CLICKS} clicks, in the report "
            f"{case.ious[CLICKS - 1]:.3f}; measure the report again"
        )
    return replace(case, mask=state.mask)


def panel(case: Case) -> tuple[Image, Mask, Mask]:
    """The surroundings of object and mask, resized, with mask and clicks; mask and true pixels in the same frame."""
    assert case.mask is not None
    clicks = Clicks(tuple(case.clicks)[:CLICKS])
    box = Box.around(case.object | case.mask)
    assert box is not None
    for click in clicks:
        box = box.including(round(click.y), round(click.x))
    margin = round(0.15 * max(box.hw)) + 4
    height, width = case.mask.shape
    box = Box(
        max(0, box.x0 - margin), max(0, box.y0 - margin), min(width, box.x1 + margin), min(height, box.y1 + margin)
    )
    scale = SIDE_PX / max(box.hw)
    frame = Frame(box, (round(box.hw[0] * scale), round(box.hw[1] * scale)))
    found, wanted = (frame.prob(mask.astype(np.float32)) > 0.5 for mask in (case.mask, case.object))
    picture = outlined(frame.image(case.sample.image), np.asarray(found), opacity=0.25)
    return dots(picture, frame.clicks(clicks)), np.asarray(found), np.asarray(wanted)


def sheet(shown: Mapping[str, Case], path: Path) -> None:
    """A picture with a panel of each kind."""
    figure = blank_figure()
    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    figure.set_size_inches(3.2 * columns, 2.75 * rows)
    cells = figure.subplots(rows, columns, squeeze=False)
    for cell in cells.flat:
        cell.set_axis_off()
    for cell, (kind, case) in zip(cells.flat, shown.items(), strict=False):
        picture, found, wanted = panel(case)
        cell.imshow(picture)
        for mask, colour, line in ((found, FOUND, "solid"), (wanted, TRUTH, "dashed")):
            if mask.any() and not mask.all():  # else there is no outline, of which matplotlib warns
                cell.contour(mask, levels=[0.5], colors=colour, linewidths=1.2, linestyles=line)
        cell.set_title(f"{kind}: IoU {case.ious[CLICKS - 1]:.2f}", fontsize=9)
    options = {"quality": 82, "optimize": True}
    replace_file(path, lambda file: figure.savefig(file, format="jpeg", dpi=110, pil_kwargs=options))


def described(shown: Mapping[str, Case], settings: Mapping[str, Any]) -> dict[str, Any]:
    """What the sheet shows, as plain data."""
    panels = [
        {
            "kind": kind,
            "name": case.sample.name,
            "iou": round(case.ious[CLICKS - 1], 4),
            "clicks_to_90": next((i for i, value in enumerate(case.ious, start=1) if value >= ENOUGH), None),
        }
        for kind, case in shown.items()
    ]
    return {
        "command": "python benchmarks/failures.py",
        "weights_sha256": settings["weights_sha256"],
        "after_clicks": CLICKS,
        "panels": panels,
    }


def draw(report: Path, picture: Path, result: Path) -> None:
    """Choose, replay and draw."""
    figures = read_json(report)
    settings = figures["settings"]
    if "per_object" not in figures["datasets"].get(Validation.__name__, {}):
        raise InputError(f"'{report}' has no object of the validation split; run: fewclicks bench validation --full")
    if settings.get("weights_sha256") != weights_hash():
        raise InputError(f"'{report}' was measured with other weights than the default's; measure it again")
    dataset = open_benchmark("validation")
    predictor = resolve(cfr=settings["cfr"], until_click=settings.get("until_click") or 0, threads=1).build()
    shown = {kind: replayed(predictor, case) for kind, case in chosen(cases(figures, dataset)).items()}
    if not shown:
        raise InputError(f"no object of '{report}' failed in a way that has a name here; there is nothing to draw")
    sheet(shown, picture)
    text = json.dumps(described(shown, settings), indent=1) + "\n"
    replace_file(result, lambda file: file.write(text.encode()))
    for one in described(shown, settings)["panels"]:
        print(f"{one['kind']}: {one['name']}, IoU {one['iou']:.3f} after {CLICKS} clicks")


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", type=Path, default=REPORT, help="a full report of the validation split")
    parser.add_argument("--picture", type=Path, default=PICTURE)
    parser.add_argument("--json", type=Path, default=RESULT)
    asked = parser.parse_args()
    try:
        draw(asked.report, asked.picture, asked.json)
    except FewClicksError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
