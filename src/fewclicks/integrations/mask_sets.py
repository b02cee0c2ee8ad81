"""Sets of masks that are changed in place: what is not a mask stays as it is, whatever it means.

A set gives its photos one at a time, each with its masks (`Entry`); `Entry.put` exchanges a mask, in the form that it
has in the file. Each file of a set is one document; `text` is what it is after the exchanges.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from fewclicks.errors import InputError
from fewclicks.formats import polygons
from fewclicks.formats.annotations import AnnotatedPhoto
from fewclicks.formats.coco import mask_of_segmentation, segmentation_like
from fewclicks.formats.labelme import draw_shape, mask_fields
from fewclicks.formats.matching import Photos
from fewclicks.formats.notes import Notes
from fewclicks.formats.reading import blame, files_in, key_of, number_of, read_json
from fewclicks.geometry import Box
from fewclicks.images.raster_formats import SUFFIXES
from fewclicks.integrations.shards import Shard
from fewclicks.types import Mask

FORMATS = ("coco", "labelme")
"""What `Entry.put` exists for."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One mask of a photo. `key` is its name in the set; `read` raises ValueError for a mask that cannot be read."""

    key: str
    label: str
    read: Callable[[tuple[int, int]], Mask]
    put: Callable[[Mask], None]


@dataclass(frozen=True, slots=True)
class MaskedPhoto:
    """A photo of a document and its masks. `file` is its name among the photos, None where it is not there."""

    name: str
    file: str | None
    hw: tuple[Any, Any]
    """Height and width as the document says them, None where it does not."""
    entries: tuple[Entry, ...]
    part: Any
    """What the document has of it, as JSON knows it: another process makes the entries of it (`entries_of`)."""

    def exchange(self, part: Any) -> None:
        """Put into the document what another process made of `part`."""
        pairs = [(self.part, part)] if isinstance(self.part, dict) else zip(self.part, part, strict=True)
        for was, new in pairs:
            was.clear()
            was.update(new)


def entries_of(part: Any, name: str) -> tuple[Entry, ...]:
    """The masks of the part of a document (see `MaskedPhoto.part`); exchanging one changes the part."""
    return labelme_entries(part, name) if isinstance(part, dict) else tuple(coco_entry(row) for row in part)


class Known(Protocol):
    """The photos that there are, to be found by the names in documents."""

    def find(self, name: object) -> AnnotatedPhoto | None:
        """The photo that a document means by a file name."""

    def by_stem(self, stem: str) -> AnnotatedPhoto | None:
        """The photo of this name but for its ending."""


class CocoDocument:
    """A file of COCO instances, or a shard of it: every n-th of its photos with their annotations, and all the rest."""

    def __init__(self, path: Path, known: Known, shard: Shard, content: object = None) -> None:
        """`content`: that of the file, where it has been read already; its lists are not changed, its rows are."""
        self.path = path
        with blame(path, "pass a file of COCO instances"):
            self._content: Any = content if content is not None else read_json(path)
            if not isinstance(self._content, dict) or not all(
                isinstance(self._content.get(key), list) for key in ("images", "annotations")
            ):
                raise ValueError("it has no lists `images` and `annotations`")
        self._known = known
        self._content = dict(self._content)
        if shard.count > 1:
            shard_of = shards_of_images(self._content["images"], shard.count)
            for table, key in (("images", "id"), ("annotations", "image_id")):
                rows = (row for row in self._content[table] if isinstance(row, dict))
                self._content[table] = [row for row in rows if shard_of.get(key_of(row.get(key))) == shard.index]
        self._images = [row for row in self._content["images"] if isinstance(row, dict)]
        categories = self._content.get("categories")
        self._names = {
            key_of(row.get("id")): str(row.get("name"))
            for row in (categories if isinstance(categories, list) else ())
            if isinstance(row, dict)
        }

    def __iter__(self) -> Iterator[MaskedPhoto]:
        rows: dict[str, list[dict[str, Any]]] = {}
        for row in self._content["annotations"]:
            if isinstance(row, dict) and not number_of(row.get("iscrowd")) and row.get("segmentation"):
                rows.setdefault(_image_of(row), []).append(row)
        for image in self._images:
            ours = rows.pop(key_of(image.get("id")), [])  # of two photos with one id the first has the masks
            if ours:
                name = str(image.get("file_name", ""))
                photo = self._known.find(name)
                entries = tuple(coco_entry(row, self._names.get(key_of(row.get("category_id")), "")) for row in ours)
                hw = image.get("height"), image.get("width")
                yield MaskedPhoto(name, photo.file if photo else None, hw, entries, ours)

    def __len__(self) -> int:
        return len(self._images)

    def text(self) -> str:
        """The document as JSON, on one line as COCO's own files are."""
        return json_text(self._content)


def coco_entry(row: dict[str, Any], label: str = "") -> Entry:
    """The mask of an annotation of COCO."""

    def read(hw: tuple[int, int]) -> Mask:
        try:
            return mask_of_segmentation(row["segmentation"], hw)
        except (TypeError, AttributeError, IndexError, KeyError, OverflowError):
            raise ValueError("its segmentation is neither polygons nor an RLE") from None

    def put(mask: Mask) -> None:
        row["segmentation"] = segmentation_like(mask, row["segmentation"])
        box = Box.around(np.ascontiguousarray(mask))
        assert box is not None, "an empty mask takes the place of none"
        row["bbox"] = [box.x0, box.y0, box.hw[1], box.hw[0]]
        row["area"] = int(np.count_nonzero(mask))

    return Entry(key_of(row.get("id")), label, read, put)


class LabelmeDocument:
    """A file of LabelMe. Shapes of one group and label are one object; only polygons and masks are exchanged.

    An object that is no longer one part without holes becomes a shape of the type `mask`.
    """

    def __init__(self, path: Path, name: str, known: Known) -> None:
        self.path = path
        self.name = name
        with blame(path, "it should be a file of LabelMe"):
            self._content = read_json(path)
            if not isinstance(self._content, dict) or not isinstance(self._content.get("shapes"), list):
                raise ValueError("it has no list `shapes`")
        written = str(self._content.get("imagePath") or "").replace("\\", "/")
        photo = known.find(written) or known.by_stem(str(Path(name).with_suffix("")))
        self._file = photo.file if photo else None

    def __iter__(self) -> Iterator[MaskedPhoto]:
        entries = labelme_entries(self._content, self.name)
        if entries:
            hw = (self._content.get("imageHeight"), self._content.get("imageWidth"))
            yield MaskedPhoto(self.name, self._file, hw, entries, self._content)

    def text(self) -> str:
        """The document as JSON, two spaces deep as LabelMe writes it."""
        return json_text(self._content, indent=2)


def labelme_entries(content: dict[str, Any], name: str) -> tuple[Entry, ...]:
    """The masks of a file of LabelMe, whose name is a part of their keys."""
    groups: dict[Any, list[tuple[int, dict[str, Any]]]] = {}
    for number, shape in enumerate(content["shapes"]):
        if isinstance(shape, dict) and (shape.get("shape_type") or "polygon") in ("polygon", "mask"):
            group = shape.get("group_id")
            key = (str(group), str(shape.get("label"))) if group is not None else number
            groups.setdefault(key, []).append((number, shape))
    return tuple(
        _labelme_entry(content, f"{name}#{shapes[0][0] + 1}", [shape for _, shape in shapes])
        for shapes in groups.values()
    )


def _labelme_entry(content: dict[str, Any], key: str, shapes: list[dict[str, Any]]) -> Entry:
    def read(hw: tuple[int, int]) -> Mask:
        mask = np.zeros(hw, np.bool_)
        for shape in shapes:
            draw_shape(shape, mask, Notes())
        return mask

    def put(mask: Mask) -> None:
        _write_shape(shapes[0], mask)
        others = {id(shape) for shape in shapes[1:]}
        content["shapes"] = [shape for shape in content["shapes"] if id(shape) not in others]

    return Entry(key, str(shapes[0].get("label", "")), read, put)


def shards_of_images(rows: Sequence[Any], count: int) -> dict[str, int]:
    """The shard, counted from 1, of each image of a COCO file, by its id."""
    ids = dict.fromkeys(key_of(row.get("id")) for row in rows if isinstance(row, dict))
    return {key: number % count + 1 for number, key in enumerate(ids)}


def json_text(content: Any, indent: int | None = None) -> str:
    """The content of a document as JSON; its letters are escaped only where UTF-8 has none for one of them."""
    text = json.dumps(content, ensure_ascii=False, indent=indent)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # half a pair of surrogates, which some program has cut
        return json.dumps(content, indent=indent)
    return text


def photos_in(folder: Path) -> Photos:
    """The photos of a folder and its folders, to be found by name; InputError where there are none."""
    if not folder.is_dir():
        raise InputError(f"there is no folder '{folder}'; name the folder of the photos by --images")
    found = files_in(folder, sorted(SUFFIXES))
    if not found:
        raise InputError(f"there are no photos in '{folder}'; name the folder of the photos by --images")
    return Photos([AnnotatedPhoto(file, (0, 0)) for file in found])


def labelme_files(source: Path) -> list[str]:
    """The JSON files of a folder, as names in it; InputError where there are none."""
    found = files_in(source, [".json"])
    if not found:
        raise InputError(f"'{source}' holds no JSON file; pass the folder of the LabelMe files")
    return found


def checked_hw(said: Sequence[Any], hw: tuple[int, int]) -> None:
    """ValueError where a document was made for a photo of another size."""
    sides = [number_of(side) for side in said]
    if any(side is not None and side > 0 and side != real for side, real in zip(sides, hw, strict=True)):
        raise ValueError(f"it says {said[1]}x{said[0]} pixels, but the photo has {hw[1]}x{hw[0]} as displayed")


def _image_of(row: Mapping[str, Any]) -> str:
    return key_of(row.get("image_id"))


def _write_shape(shape: dict[str, Any], mask: Mask) -> None:
    """Exchange the mask of a shape: a polygon where it is one part without holes and was one, else a picture."""
    parts = polygons.parts(mask, edges=False)
    ring = polygons.straightened(parts[0].outer)
    if (shape.get("shape_type") or "polygon") == "polygon" and len(parts) == 1 and not parts[0].holes and len(ring) > 2:
        shape["points"] = ring.astype(float).tolist()
        return
    box = Box.around(np.ascontiguousarray(mask))
    assert box is not None, "an empty mask takes the place of none"
    shape |= mask_fields(mask, box)
