"""Draw docs/images/integrations/refine_review.png anew: a review of spoiled masks on the photos of examples/.

    python benchmarks/refine_picture.py [--out FILE]

The masks are those that the default model gives for a box, spoiled as the training spoils them. Look at it afterwards.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import PIL.Image
from page import CHROMIUM, FLAGS
from screenshots import OBJECTS

import fewclicks
from fewclicks.cli import main as command
from fewclicks.files.replace import write_json
from fewclicks.formats import rle
from fewclicks.training.corruption import corrupt_mask

ROOT = Path(__file__).parents[1]
PHOTOS = ROOT / "examples" / "images"
OUT = ROOT / "docs" / "images" / "integrations" / "refine_review.png"
SIZE = {"width": 1200, "height": 750}
SEED = 1
CHOSEN = [OBJECTS[n] for n in (0, 1, 2, 3, 4, 6, 8)]
"""Objects whose mask by the box alone is good."""


def spoil(file: Path) -> None:
    """Write a COCO file of spoiled masks of the objects that the annotator's pictures have."""
    predictor, rng = fewclicks.load(), np.random.default_rng(SEED)
    images, rows = [], []
    names = list(dict.fromkeys(name for name, _, _ in CHOSEN))
    for number, name in enumerate(names, start=1):
        session = fewclicks.open(PHOTOS / name, predictor)
        height, width = session.image.shape[:2]
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        for label, box in ((label, box) for photo, label, box in CHOSEN if photo == name):
            truth = fewclicks.open(session.image, predictor).box(*box).astype(np.int8)
            mask = corrupt_mask(truth, np.zeros(truth.shape, np.bool_), rng) > 0.5
            runs = {"size": [height, width], "counts": rle.text(rle.runs(mask))}
            row = {"id": len(rows) + 1, "image_id": number, "iscrowd": 0, "segmentation": runs}
            rows.append({**row, "category_id": _classes().index(label) + 1})
    categories = [{"id": number, "name": label} for number, label in enumerate(_classes(), start=1)]
    write_json(file, {"images": images, "annotations": rows, "categories": categories})


def _classes() -> list[str]:
    return list(dict.fromkeys(label for _, label, _ in CHOSEN))


def main() -> None:
    """Spoil, refine with a review, and take its picture."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT)
    out: Path = parser.parse_args().out
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        folder = Path(place)
        spoil(folder / "spoiled.json")
        words = ["--images", str(PHOTOS), "-o", str(folder / "refined.json"), "--review", str(folder / "review.html")]
        try:
            command(["refine", str(folder / "spoiled.json"), *words])
        except SystemExit as end:
            if end.code:
                raise
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport=SIZE)  # type: ignore[arg-type]
        page.goto((folder / "review.html").as_uri())
        page.screenshot(path=folder / "review.png")
        with PIL.Image.open(folder / "review.png") as picture:
            picture.convert("RGB").quantize(256).save(out, optimize=True)
        browser.close()


if __name__ == "__main__":
    main()
