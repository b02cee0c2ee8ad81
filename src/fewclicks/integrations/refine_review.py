"""The masks of a set, those first that the cascade changed most: one HTML page with pictures, which asks for nothing.

Each picture is the surroundings of an object with the outline of the mask as it was (red) and as the cascade has it
(green).
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np
import PIL.Image

from fewclicks.errors import counted
from fewclicks.geometry import Box
from fewclicks.integrations.refine import Job, Masks, Refined, documents, refine_photo
from fewclicks.predictor import Predictor
from fewclicks.types import Image, Mask

WAS, IS = (230, 40, 50), (22, 190, 70)
PICTURE_PX = 300
AROUND = 0.35
"""Of the sides of the box of both masks, what is shown around it."""

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width">
<style>
 body {{ font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; color: #1c2126 }}
 ol {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 1.2rem; padding: 0;
      list-style: none }}
 img {{ width: 100%; height: 14rem; object-fit: contain; background: #eceff1; border-radius: 4px }}
 li b {{ float: right }} li, td {{ overflow-wrap: anywhere }} .was {{ color: #e62832 }} .is {{ color: #16914a }}
 table {{ border-collapse: collapse; width: 100% }} td, th {{ text-align: left; padding: .2rem .6rem .2rem 0 }}
 td:last-child, th:last-child {{ text-align: right }}
</style>
<h1>{title}</h1>
<p>{count}, those first that the cascade changed most: they are the most likely to be wrong.
 <span class="was">Red</span>: the mask as it was. <span class="is">Green</span>: as the cascade has it.
 {taken} were exchanged, {kept} kept.</p>
<ol>
{cards}
</ol>
{rest}
</html>
"""


def review(predictor: Predictor, job: Job, rows: Sequence[Refined], show: int = 100) -> str:
    """The page of what became of the masks of a shard (or of all), with pictures of the first `show`."""
    ordered = sorted(rows, key=lambda row: (bool(row.problem), -row.changed))
    readable = [row for row in ordered if not row.problem]
    shown = {row.key: "" for row in readable[:show]}
    for key, (image, was, new) in _masks(predictor, job, shown.keys()):
        shown[key] = picture(image, was, new)
    cards = [_card(number, row, shown[row.key]) for number, row in enumerate(readable[:show], start=1)]
    return PAGE.format(
        title=html.escape(f"Masks of {job.source.name}, most changed first"),
        count=counted(len(rows), "mask"),
        taken=f"{sum(row.taken for row in rows):,}",
        kept=f"{sum(not row.taken for row in rows):,}",
        cards="\n".join(cards),
        rest=_table(ordered[len(cards) :], len(cards) + 1),
    )


def picture(image: Image, was: Mask, new: Mask) -> str:
    """The surroundings of an object with both outlines, as a data URI."""
    box = Box.around(np.ascontiguousarray(was | new)) or Box.whole((image.shape[0], image.shape[1]))
    height, width = box.hw
    margin = round(AROUND * max(height, width)) + 4
    y, x = slice(max(0, box.y0 - margin), box.y1 + margin), slice(max(0, box.x0 - margin), box.x1 + margin)
    crop = image[y, x]
    scale = PICTURE_PX / max(crop.shape[:2])
    size = (max(1, round(crop.shape[1] * scale)), max(1, round(crop.shape[0] * scale)))
    canvas = cv2.resize(crop, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    for mask, color in ((was, WAS), (new, IS)):
        part = cv2.resize(mask[y, x].astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        contours, _ = cv2.findContours(part, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(canvas, contours, -1, color, 2)
    file = io.BytesIO()
    PIL.Image.fromarray(canvas).save(file, "WEBP", quality=80)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def _masks(predictor: Predictor, job: Job, keys: Iterable[str]) -> Iterator[tuple[str, Masks]]:
    """The photo, old and new mask of these keys: computed again, so that a shard that is done can be looked at too."""
    wanted = set(keys)
    for document in documents(job):
        for photo in document:
            chosen = tuple(entry for entry in photo.entries if entry.key in wanted)
            if chosen:
                some = replace(photo, entries=chosen)
                for row, masks in refine_photo(predictor, some, job):
                    if masks is not None:
                        yield row.key, masks


def _card(number: int, row: Refined, source: str) -> str:
    about = f"{html.escape(row.photo)}<br>{html.escape(row.label)} {html.escape(row.key)}"
    state = "exchanged" if row.taken else "kept"
    return f'<li><img src="{source}" alt=""><b>{row.changed:.0%} {state}</b>{number}. {about}</li>'


def _table(rows: Sequence[Refined], first: int) -> str:
    """The masks without a picture."""
    if not rows:
        return ""
    cells = "\n".join(
        f"<tr><td>{number}</td><td>{html.escape(row.photo)}</td><td>{html.escape(row.label)}</td>"
        f"<td>{html.escape(row.key)}</td><td>{html.escape(row.problem) or f'{row.changed:.0%}'}</td></tr>"
        for number, row in enumerate(rows, start=first)
    )
    head = "<tr><th></th><th>photo</th><th>class</th><th>mask</th><th>changed</th></tr>"
    return f"<h2>The others</h2>\n<table>{head}\n{cells}\n</table>"
