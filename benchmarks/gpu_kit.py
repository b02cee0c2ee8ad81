"""Pack all that training needs on a machine with a GPU and no network: code, data and weights, in parts.

    python benchmarks/gpu_kit.py [--out dist/gpu-kit] [--recipe compact:worse_photos]

OUT/ then holds run.py, manifest.json and part-00.tar, part-01.tar ...: docs/gpu-kit.md says what to do with them.
Photos are re-encoded at the size that training sees; those of the validation split stay as they are, so that its
figures compare. Each part is whole by itself and holds photos of all sets, so that training can begin before all have
arrived. What is packed already is kept: the command can be stopped and called again.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from fewclicks.datasets import folder, held_out, validation, validation_broad
from fewclicks.datasets.id_masks import read_index_mask
from fewclicks.errors import FewClicksError, InputError
from fewclicks.files.replace import replace_file, write_json
from fewclicks.images.reading import read_image
from fewclicks.recipes import recipe_named
from fewclicks.training import sets
from fewclicks.training.trainer import SHIPPED

ROOT = Path(__file__).resolve().parents[1]
RUN = Path(__file__).with_name("kit") / "run.py"
PART_BYTES = 40 * 2**20
LONG_SIDE = 384
"""Pixels: crops of 352 of which a few are enlarged, and none of which sees more than that of a whole photo."""
QUALITY = 82
SUPPORT = ("lightning-fabric", "lightning-utilities")
"""Wheels without compiled code that a machine with torch may lack."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A file of the kit: where it lies in it, and what is in it."""

    place: str
    content: bytes


def code(wheel: Path | None, scratch: Path) -> Iterator[Packed]:
    """The wheel of fewclicks, built here unless one is given, and those of SUPPORT that can be had."""
    if wheel is None:
        shutil.rmtree(scratch, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(scratch), str(ROOT)], check=True)
        wheel = next(scratch.glob("fewclicks-*.whl"))
        pinned = ["-c", str(ROOT / "constraints.txt"), "--only-binary=:all:"]
        for name in SUPPORT:
            command = [*pip, "download", "--no-deps", *pinned, "--dest", str(scratch), name]
            if subprocess.run(command, check=False).returncode:
                print(f"note: {name} could not be fetched; the machine must have it", file=sys.stderr)
    others = sorted(scratch.glob("*.whl")) if wheel.parent == scratch else []
    for file in (wheel, *(one for one in others if one != wheel)):
        yield Packed(f"wheels/{file.name}", file.read_bytes())


def weights(init: str) -> Iterator[Packed]:
    """The file or the checkpoint folder, without Adam's state, that training starts from; the wheel has the default."""
    path = Path(init)
    if init in ("", "default"):
        return
    if not path.exists():
        raise InputError(f"no weights at '{init}'; give --init an .onnx file, a checkpoint folder, or default")
    for file in [path] if path.is_file() else sorted(path.iterdir()):
        if file.name != "training.safetensors":
            yield Packed(f"weights/{file.name}", file.read_bytes())


def photos(names: Iterable[str], cache: Path, long_side: int) -> Iterator[list[Packed]]:
    """Per photo of the sets, the photo and its masks: first those of the validation split, then the rest, mixed."""
    lists = (validation.LIST, validation_broad.LIST)
    listed = {line.partition("#")[0] for file in lists for line in file.read_text("utf-8").split()}
    found: list[tuple[bool, int, str, Path, list[Path]]] = []
    for name in names:
        scenes = folder.scenes(next(place for place in sets.places(name) if place.is_dir()))
        masks: dict[Path, list[Path]] = {}
        kept: dict[Path, bool] = {}
        for i, (photo, mask) in enumerate(scenes.files):
            masks.setdefault(photo, []).append(mask)
            listed_here = f"{name}/{mask.stem}" in listed
            kept[photo] = kept.get(photo, False) or listed_here or not held_out(scenes, i, 20)
        shown = {photo for photo in masks if any(f"{name}/{mask.stem}" in listed for mask in masks[photo])}
        found += [
            (photo not in shown, zlib.crc32(f"{name}/{photo.stem}".encode()), name, photo, masks[photo])
            for photo in masks
            if kept[photo]
        ]
    for training, _, name, photo, own in sorted(found, key=lambda one: one[:3]):
        images, ids = f"data/train/{name}/images", f"data/train/{name}/masks"
        if not training:
            yield [Packed(f"{images}/{photo.name}", photo.read_bytes())] + [
                Packed(f"{ids}/{mask.name}", mask.read_bytes()) for mask in own
            ]
            continue
        small = Packed(f"{images}/{photo.stem}.webp", smaller_photo(photo, cache / name, long_side))
        yield [small] + [Packed(f"{ids}/{mask.name}", smaller_mask(mask, long_side)) for mask in own]


def smaller_photo(photo: Path, cache: Path, long_side: int) -> bytes:
    """The photo as WebP, at most so long; encoded once, then read from the cache folder."""
    kept = cache / f"{photo.stem}-{long_side}-{QUALITY}.webp"
    if not kept.is_file():
        image = read_image(photo)
        hw = scaled(image.shape[:2], long_side)
        if hw != image.shape[:2]:
            image = np.asarray(cv2.resize(image, hw[::-1], interpolation=cv2.INTER_AREA))
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "WEBP", quality=QUALITY)
        cache.mkdir(parents=True, exist_ok=True)
        replace_file(kept, lambda out: out.write(stream.getvalue()), durable=False)
    return kept.read_bytes()


def smaller_mask(mask: Path, long_side: int) -> bytes:
    """The index mask as PNG, of the size of its photo: no id is mixed with another."""
    ids = read_index_mask(mask)
    hw = scaled(ids.shape, long_side)
    if hw != ids.shape:
        ids = np.asarray(cv2.resize(ids, hw[::-1], interpolation=cv2.INTER_NEAREST_EXACT))
    stream = io.BytesIO()
    Image.fromarray(ids).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def scaled(hw: tuple[int, ...], long_side: int) -> tuple[int, int]:
    """Height and width of a picture that is at most `long_side` long."""
    factor = min(1.0, long_side / max(hw))
    return max(1, round(hw[0] * factor)), max(1, round(hw[1] * factor))


class Parts:
    """Tar files of at most `limit` bytes each, written one after another, whole or not at all."""

    def __init__(self, out: Path, limit: int) -> None:
        self.out, self.limit = out, limit
        self.about: list[dict[str, object]] = []
        self.waiting: list[Packed] = []
        self.bytes = 0

    def add(self, files: list[Packed]) -> None:
        """Put files that belong together into one part; InputError if they are too large for any."""
        size = sum(1536 + len(file.content) for file in files)  # a header, and what fills the last block
        if size + 10240 > self.limit:
            names = ", ".join(file.place for file in files)
            raise InputError(f"{names}: {size:,} bytes, but a part has at most {self.limit:,}; raise --part-mib")
        if self.bytes + size + 10240 > self.limit:
            self.close()
        self.waiting += files
        self.bytes += size

    def close(self) -> None:
        """Write the files that wait."""
        if not self.waiting:
            return
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as tar:
            for file in self.waiting:
                entry = tarfile.TarInfo(file.place)
                entry.size = len(file.content)
                tar.addfile(entry, io.BytesIO(file.content))
        content, name = stream.getvalue(), f"part-{len(self.about):02d}.tar"
        replace_file(self.out / name, lambda out: out.write(content))
        about = {"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        self.about.append({**about, "files": len(self.waiting)})
        self.waiting, self.bytes = [], 0


def pack(
    out: Path, recipe: str, init: str, limit: int = PART_BYTES, long_side: int = LONG_SIDE, wheel: Path | None = None,
    changes: tuple[str, ...] = (),
) -> list[dict[str, object]]:  # fmt: skip
    """Write the kit into the folder `out`; returns what its manifest says of the parts."""
    chosen = recipe_named(recipe)
    init = init if init in ("", "default") else str(SHIPPED.get(init, init))  # the wheel has the default alone
    chosen_sets = next((c.partition("=")[2].split(",") for c in changes if c.startswith("sets=")), list(chosen.sets))
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("part-*.tar"):
        old.unlink()
    parts, cache = Parts(out, limit), out.with_name(out.name + ".cache")
    parts.add([*code(wheel, cache / "wheels"), *weights(init)])
    for files in photos([name for name in chosen_sets if name != "toy"], cache, long_side):
        parts.add(files)
    parts.close()
    start = init if init in ("", "default") else "weights" if Path(init).is_dir() else f"weights/{Path(init).name}"
    manifest = {"recipe": recipe, "changes": list(changes), "init": start, "parts": parts.about}
    write_json(out / "manifest.json", manifest)
    shutil.copyfile(RUN, out / "run.py")
    return parts.about


def main() -> None:
    """Pack, and say what there is to carry."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "dist" / "gpu-kit")
    parser.add_argument("--recipe", default="compact:worse_photos")
    parser.add_argument(
        "--init", default="default", help="weights to begin with: default, default-0.1, a file or a folder"
    )
    parser.add_argument("--part-mib", type=float, default=PART_BYTES / 2**20)
    parser.add_argument("--long-side", type=int, default=LONG_SIDE, help="pixels of the photos to train on")
    parser.add_argument("--wheel", type=Path, help="of fewclicks, instead of one that is built here")
    parser.add_argument("changes", nargs="*", metavar="KEY=VALUE", help="fields of the recipe to change")
    given = parser.parse_args()
    try:
        limit = int(given.part_mib * 2**20)
        about = pack(given.out, given.recipe, given.init, limit, given.long_side, given.wheel, tuple(given.changes))
    except FewClicksError as error:
        parser.exit(2, f"{error}\n")
    total = sum(int(str(part["bytes"])) for part in about)
    print(f"{given.out}: {len(about)} parts, {total / 2**20:.1f} MiB in all; carry them as docs/gpu-kit.md says")


if __name__ == "__main__":
    main()
