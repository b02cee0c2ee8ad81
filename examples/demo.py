"""Cut objects out of the example photos with the stored clicks; what `make demo` runs.

python examples/demo.py [--out DIR] [--method NAME] [--sheet FILE]

Writes one picture per photo: the photo with its clicks, the mask, the cut-out. --sheet puts all of them into one.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import fewclicks
from fewclicks import visualization

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Example:
    """A photo, the object in it, and the session after its clicks."""

    photo: Path
    thing: str
    session: fewclicks.Session
    ms_per_click: float


def segment(entry: dict, predictor: fewclicks.Predictor) -> Example:
    """Open the photo and make its clicks."""
    photo = HERE / entry["photo"]
    session = fewclicks.open(photo, predictor)
    began = perf_counter()
    for click in entry["clicks"]:
        session.click(click["x"], click["y"], click["positive"])
    seconds = perf_counter() - began
    return Example(photo, entry["object"], session, 1000 * seconds / len(entry["clicks"]))


def panels(example: Example) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The photo with its clicks, the same with the mask, and the cut-out (RGBA)."""
    image, mask, clicks = example.session.image, example.session.mask, example.session.clicks
    return (
        visualization.dots(image, clicks),
        visualization.overlay(image, mask, clicks),
        visualization.cutout(image, mask),
    )


def sheet(examples: list[Example], height: int = 240, gap_px: int = 8) -> np.ndarray:
    """One picture: above the photos with clicks and masks, below the cut-outs."""
    rows = []
    for panel in (1, 2):
        small = [visualization.to_height(panels(example)[panel], height) for example in examples]
        rows.append(visualization.side_by_side(*small, gap_px=gap_px))
    line = np.full((gap_px, rows[0].shape[1], 3), 255, np.uint8)
    return np.concatenate([rows[0], line, rows[1]])


def table(examples: list[Example]) -> Table:
    """What the demo did, in figures."""
    figures = Table("photo", "object")
    for heading in ("clicks", "object area", "ms per click"):
        figures.add_column(heading, justify="right")
    for example in examples:
        mask = example.session.mask
        cells = [
            f"{len(example.session.clicks)}",
            f"{mask.sum():,} px, {mask.mean():.0%}",
            f"{example.ms_per_click:.0f}",
        ]
        figures.add_row(example.photo.name, example.thing, *cells)
    return figures


def main() -> None:
    """Run the demo."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder for the pictures")
    parser.add_argument("--method", default="default", help="a method's name")
    parser.add_argument("--sheet", type=Path, help="write one picture of all the photos too")
    options = parser.parse_args()

    entries = json.loads((HERE / "clicks.json").read_text("utf-8"))
    predictor = fewclicks.load(options.method)
    options.out.mkdir(parents=True, exist_ok=True)
    examples = []
    for entry in track(entries, "Clicking", console=Console(stderr=True)):
        examples.append(segment(entry, predictor))
        visualization.save(
            visualization.side_by_side(*panels(examples[-1])), options.out / f"{examples[-1].photo.stem}.png"
        )
    if options.sheet:
        visualization.save(sheet(examples), options.sheet)

    console = Console()
    console.print(table(examples))
    print(f"The pictures are in {options.out}/: photo with clicks (green: object, red: background), mask, cut-out.")
    print("Cut out of a photo of your own (X,Y is a pixel on the object, -X,Y one off it):")
    print("  .venv/bin/fewclicks segment PHOTO --click X,Y --cutout -o out.png")


if __name__ == "__main__":
    main()
