"""What the readers of COCO, LVIS and COCO+LVIS share: indices that are read once, photos, layers of ids."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL.PngImagePlugin import PngInfo

from fewclicks.datasets.object_index import cache_folder
from fewclicks.datasets.pairs import read_mask
from fewclicks.errors import DatasetError, InputError
from fewclicks.files import bounded
from fewclicks.files.replace import replace_file
from fewclicks.images.raster_formats import open_raster
from fewclicks.types import IGNORE_ID, Mask

Arrays: TypeAlias = dict[str, NDArray[Any]]
Ids: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]

INDEX_VERSION = 1
CHUNK = 2**24
"""Bytes of an annotation file that are held at a time."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rows:
    """Several rows of numbers for each photo, compact: those of photo i are `self[i]`."""

    values: NDArray[np.int64]
    start: NDArray[np.int64]

    def __getitem__(self, photo: int) -> NDArray[np.int64]:
        return self.values[self.start[photo] : self.start[photo + 1]]


def rows_of(lists: Sequence[Sequence[Sequence[int]]], columns: int) -> Rows:
    """Rows from a list of rows for each photo."""
    start = np.cumsum([0, *(len(rows) for rows in lists)], dtype=np.int64)
    flat = [row for rows in lists for row in rows]
    return Rows(np.array(flat, np.int64).reshape(len(flat), columns), start)


def indexed(file: Path, kind: str, make: Callable[[Path], Arrays]) -> Arrays:
    """`make(file)`, kept in the user's cache folder until the file has another place, size or time of change."""
    if not file.is_file():
        raise DatasetError(f"{file} does not exist; fetch the annotations")
    stat = file.stat()
    key = f"{INDEX_VERSION} {kind} {file.absolute()} {stat.st_size} {stat.st_mtime_ns}"
    saved = cache_folder() / "indices" / f"{kind}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz"
    try:
        with open(saved, "rb") as found, np.load(found, allow_pickle=False) as arrays:
            return dict(arrays)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        _log.info("reading %s; later runs use the index in %s", file, saved)
    made = make(file)
    try:
        saved.parent.mkdir(parents=True, exist_ok=True)
        replace_file(saved, lambda out: np.savez(out, allow_pickle=False, **made))
    except (OSError, InputError) as error:
        _log.warning("the index of %s is not kept (%s); set FEWCLICKS_CACHE to a folder to write in", file, error)
    return made


class _Window:
    """A stretch of a JSON file as text, one character for each byte so that places in it are places in the file."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.text, self.at, self.place = file, "", 0, 0
        self.decode = json.JSONDecoder().raw_decode

    def more(self) -> bool:
        """Forget what is behind `at` and read the next chunk; False, and nothing changes, at the end of the file."""
        chunk = self.file.read(CHUNK)
        if chunk:
            self.place += self.at
            self.text, self.at = self.text[self.at :] + chunk.decode("latin-1"), 0
        return bool(chunk)

    def peek(self) -> str:
        """The next character that is no space; nothing at the end."""
        while True:
            while self.at < len(self.text) and self.text[self.at] in " \t\r\n":
                self.at += 1
            if self.at < len(self.text) or not self.more():
                return self.text[self.at : self.at + 1]

    def skip(self, wanted: str) -> None:
        """Step over one of the characters `wanted`."""
        if (found := self.peek()) not in wanted or not found:
            raise ValueError(f"'{found}' where one of '{wanted}' should be")
        self.at += 1

    def value(self) -> Any:
        """The next value, which may reach beyond what was read so far."""
        self.peek()
        while True:
            try:
                value, end = self.decode(self.text, self.at)
            except json.JSONDecodeError:
                if not self.more():
                    raise
                continue
            if end < len(self.text) or not self.more():  # a number may go on in the next chunk
                self.at = end
                return value


def elements(path: Path) -> Iterator[tuple[str, Any, int, int]]:
    """Each element of the arrays of a JSON file that is one object: its key, itself, its first byte, its length.

    Holds one chunk of the file at a time: the annotations of LVIS are more than a gigabyte of text.
    """
    try:
        with open(path, "rb") as file:
            window = _Window(file)
            window.skip("{")
            while window.peek() != "}":
                key = window.value()
                window.skip(":")
                if window.peek() == "[":
                    window.skip("[")
                    while window.peek() != "]":
                        start = window.place + window.at
                        element = window.value()
                        yield key, element, start, window.place + window.at - start
                        if window.peek() == ",":
                            window.skip(",")
                    window.skip("]")
                else:
                    window.value()
                if window.peek() == ",":
                    window.skip(",")
    except OSError as error:
        raise DatasetError(f"cannot read {path} ({error.strerror}); fetch it again") from None
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path} is no whole annotation file ({error}); fetch it again") from None


def photo_folder(root: Path, folder: str, tree: str) -> Path:
    """Tell where the photos of "train2017" or "val2017" lie under `root`, in one of the layouts in use."""
    split = folder.removesuffix("2017")
    places = [root / "images" / folder, root / folder, root / split / "images"]
    for place in places:
        if place.is_dir():
            return place
    raise DatasetError(f"no photos of {folder} in {root}; expected this layout:\n{tree}")


def require_files(folder: Path, names: Sequence[str]) -> None:
    """DatasetError that names the first file that is missing. Lists the folder once."""
    with os.scandir(folder) as entries:
        there = {entry.name for entry in entries}
    missing = [name for name in names if name not in there]
    if missing:
        raise DatasetError(
            f"files that the annotations name are missing in {folder}, {len(missing)} of {len(names)}, "
            f"the first is {missing[0]}; unpack the archive again"
        )


def object_ids(count: int) -> Ids:
    """The ids of `count` objects of one photo: 1, 2 ... without 255, as uint8 where that holds them."""
    ids = np.arange(1, count + 1)
    ids[ids >= IGNORE_ID] += 1
    if count >= 2**16 - 2:
        raise DatasetError(f"a photo with {count} objects; at most {2**16 - 3} have ids of 16 bits")
    return ids.astype(np.uint8) if count < IGNORE_ID else ids.astype(np.uint16)


def layered(masks: Sequence[Mask], hw: tuple[int, int]) -> Ids:
    """HxW ids (`object_ids`), or HxWxL where masks overlap: the largest first, each in the first layer with room."""
    ids = object_ids(len(masks))
    layers = [np.zeros(hw, ids.dtype)]
    for k in sorted(range(len(masks)), key=lambda k: -int(masks[k].sum())):
        room = next((layer for layer in layers if not layer[masks[k]].any()), None)
        if room is None:
            room = np.zeros_like(layers[0])
            layers.append(room)
        room[masks[k]] = ids[k]
    return layers[0] if len(layers) == 1 else np.stack(layers, axis=2)


LAYER_KEY = "fewclicks"
"""The text of a PNG in which `write_layers` says what its ids are."""


def write_layers(path: Path, scene_ids: Ids, info: Mapping[str, Any]) -> None:
    """Write HxW or HxWxL ids as one grey PNG of 8 or 16 bits, layer below layer, with `info` as JSON in its text."""
    layers, width = scene_ids.shape[2:], scene_ids.shape[1]
    stacked = scene_ids.transpose(2, 0, 1).reshape(-1, width) if layers else scene_ids
    text = PngInfo()
    text.add_text(LAYER_KEY, json.dumps({"layers": layers[0] if layers else 1, **info}, sort_keys=True))
    picture = PIL.Image.fromarray(np.ascontiguousarray(stacked))
    replace_file(path, lambda out: picture.save(out, "png", pnginfo=text))


def read_layers_info(path: Path) -> dict[str, Any]:
    """Tell what `write_layers` wrote of the ids, without decoding them; DatasetError where the file is none of its."""
    try:
        with open_raster(path, ["PNG"]) as picture:
            found = bounded.parse_json(picture.info[LAYER_KEY])
            if isinstance(found, dict) and type(found.get("layers")) is int and found["layers"] > 0:
                return found
            raise ValueError("its text has no layers")
    except (OSError, KeyError, ValueError) as error:
        raise DatasetError(f"{path} is no mask of fewclicks ({error}); delete it and build it again") from None


def read_layers(path: Path) -> Ids:
    """The ids that `write_layers` wrote: HxW, or HxWxL."""
    layers, stacked = int(read_layers_info(path)["layers"]), read_mask(path)
    if stacked.ndim != 2 or stacked.dtype not in (np.uint8, np.uint16) or stacked.shape[0] % layers:
        raise DatasetError(f"{path} does not hold {layers} layers of ids; delete it and build it again")
    if layers == 1:
        return stacked
    return np.ascontiguousarray(stacked.reshape(layers, -1, stacked.shape[1]).transpose(1, 2, 0))
