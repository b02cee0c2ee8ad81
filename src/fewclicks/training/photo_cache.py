"""Photos of a set decoded once: kept as arrays on the disk, and read by a memory map.

ROOT/
  SET-HASH/0000123.image.npy     HxWx3 uint8
  SET-HASH/0000123.ids.npy       HxW, or HxWxL where objects overlap

HASH is that of the names, sizes and times of the files, where the set has files; so a set that has changed is decoded
anew. Processes may share a cache: each file appears whole or not at all. It takes about four bytes a pixel.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fewclicks.files.replace import replace_file
from fewclicks.types import Scene, Scenes


@dataclass(frozen=True, slots=True)
class Decoded:
    """A set of photos, each of which is decoded the first time that it is asked for."""

    scenes: Scenes
    folder: Path

    @classmethod
    def of(cls, scenes: Scenes, root: Path) -> Decoded:
        """The set with a cache in a folder of `root`, which is made."""
        folder = root / f"{scenes.name}-{fingerprint(scenes)}"
        folder.mkdir(parents=True, exist_ok=True)
        return cls(scenes, folder)

    @property
    def name(self) -> str:
        """That of the set."""
        return self.scenes.name

    def __len__(self) -> int:
        return len(self.scenes)

    def photo(self, index: int) -> str:
        """The photo's name."""
        return self.scenes.photo(index)

    def __getitem__(self, index: int) -> Scene:
        image, ids, about = (self.folder / f"{index:07d}.{end}" for end in ("image.npy", "ids.npy", "json"))
        try:
            told = json.loads(about.read_text("utf-8"))
            parents = {int(child): parent for child, parent in told["parents"].items()}
            return Scene(_mapped(image), _mapped(ids), told["name"], parents, frozenset(told["stuff"]))
        except (OSError, EOFError, ValueError, KeyError):  # not there yet, or damaged
            scene = self.scenes[index]
            told = {"name": scene.name, "parents": dict(scene.parents), "stuff": sorted(scene.stuff)}
            _write(image, scene.image)
            _write(ids, scene.ids)
            replace_file(about, lambda out: out.write(json.dumps(told).encode()), durable=False)  # last: all is there
            return scene


def fingerprint(scenes: Scenes) -> str:
    """A short hash of what the set is made of: of its files where it names them, else of its photos' names."""
    digest = hashlib.sha256(f"{type(scenes).__name__} {len(scenes)}".encode())
    files = getattr(scenes, "files", None)
    for index in range(len(scenes)):
        digest.update(scenes.photo(index).encode())
        for file in files[index] if files else ():
            stat = Path(file).stat()
            digest.update(f"{file} {stat.st_size} {stat.st_mtime_ns}".encode())
    return digest.hexdigest()[:16]


def _mapped(file: Path) -> Any:
    """An array that is read as it is needed."""
    return np.load(file, mmap_mode="r", allow_pickle=False)


def _write(file: Path, array: Any) -> None:
    replace_file(file, lambda out: np.save(out, np.ascontiguousarray(array), allow_pickle=False), durable=False)
