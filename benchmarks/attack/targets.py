"""What reads inputs: each target has valid inputs to begin with, and a function that reads one.

A reader may refuse an input by a FewClicksError. Anything else that it raises is a fault.
"""

from __future__ import annotations

import io
import json
import pickle
import shutil
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from fewclicks import formats as formats_module
from fewclicks.formats.annotations import AnnotatedFolder, AnnotatedPhoto, Annotation, Label

WIDTH, HEIGHT = 32, 24
MAX_PIXELS = 2**27
"""As the annotator allows."""
COMMON = {
    "PNG": "RGB L 1 P RGBA I;16",
    "JPEG": "RGB L CMYK",
    "WEBP": "RGB RGBA",
    "TIFF": "RGB L 1 P RGBA I;16 F CMYK LAB",
    "BMP": "RGB L 1 P RGBA",
    "GIF": "L P RGBA",
}
RARE = {
    "AVIF": "RGB",
    "BLP": "P",
    "DDS": "RGB L RGBA",
    "DIB": "RGB 1",
    "ICNS": "P",
    "ICO": "RGB P",
    "IM": "RGB L F",
    "JPEG2000": "RGB L",
    "MPO": "RGB",
    "MSP": "1",
    "PCX": "RGB 1 P",
    "PPM": "RGB L 1 F",
    "QOI": "RGB RGBA",
    "SGI": "RGB L",
    "SPIDER": "F",
    "TGA": "RGB P RGBA",
    "XBM": "1",
}
Read = Callable[[bytes, Path], object]


@dataclass(frozen=True, slots=True)
class Target:
    """One reader. `guided`: written in Python, so that coverage can lead the way; `text`: its inputs are JSON."""

    read: Read
    seeds: Callable[[], Sequence[bytes]]
    share: int
    guided: bool = False
    text: bool = False


def pictures(formats: dict[str, str]) -> list[bytes]:
    """A small picture in each format and mode."""
    rng = np.random.default_rng(0)
    soft = np.repeat(np.repeat(rng.integers(0, 255, (HEIGHT // 4, WIDTH // 4, 3), np.uint8), 4, 0), 4, 1)
    found = []
    for name, modes in formats.items():
        for mode in modes.split():
            picture = PIL.Image.fromarray(soft)
            picture = (
                PIL.ImageCms.profileToProfile(picture, *_profiles(), outputMode="LAB") if mode == "LAB" else picture
            )
            file = io.BytesIO()
            small = picture.convert(mode) if mode != "LAB" else picture
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # some formats are on their way out of Pillow
                (small.resize((16, 16)) if name == "ICNS" else small).save(file, name)
            found.append(file.getvalue())
    return found


def _profiles() -> tuple[Any, Any]:
    from PIL import ImageCms

    return ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")


def by_hand() -> list[bytes]:
    """Formats that Pillow reads and does not write."""
    fits = "".join(
        card.ljust(80)
        for card in (
            "SIMPLE  =                    T",
            "BITPIX  =                    8",
            "NAXIS   =                    2",
            "NAXIS1  =                    8",
            "NAXIS2  =                    4",
            "END",
        )
    )
    sun = b"\x59\xa6\x6a\x95" + b"".join(n.to_bytes(4, "big") for n in (8, 4, 8, 32, 1, 0, 0)) + bytes(range(32))
    psd = b"8BPS\0\1" + bytes(6) + b"\0\3" + b"".join(n.to_bytes(4, "big") for n in (4, 8)) + b"\0\x08\0\3" + bytes(12)
    xpm = b'/* XPM */\nstatic char *x[] = {\n"4 2 2 1",\n"a c #ff0000",\n"b c #00ff00",\n"abab",\n"baba"\n};\n'
    fli = (128 + 22).to_bytes(4, "little") + b"\x11\xaf\1\0\x08\0\4\0\x08\0\3\0" + bytes(112) + bytes(22)
    cur = pictures({"ICO": "RGB"})[0].replace(b"\0\0\1\0", b"\0\0\2\0", 1)
    return [fits.ljust(2880).encode() + bytes(2880), sun, psd + b"\0\0" + bytes(96), xpm, fli, cur]


def read_photo(data: bytes, place: Path) -> None:
    """As a photo, and as a mask."""
    from fewclicks.images.reading import read_image, read_mask

    failed = None
    for read in (lambda file: read_image(file, MAX_PIXELS), lambda file: read_mask(file, (HEIGHT, WIDTH), MAX_PIXELS)):
        try:
            read(io.BytesIO(data))
        except ValueError as error:  # of the photo first; the mask is read all the same
            failed = failed or error
    if failed:
        raise failed


def annotated() -> tuple[list[AnnotatedPhoto], list[Label]]:
    """A photo with three objects of two classes."""
    labels = [Label("cat", (230, 60, 60)), Label("dog", (60, 60, 230))]
    objects = []
    for number in range(3):
        mask = np.zeros((HEIGHT, WIDTH), bool)
        mask[2 + 6 * number : 8 + 6 * number, 3 : 12 + 5 * number] = True
        objects.append(Annotation(mask=mask, label=labels[number % 2].name, name=f"object {number}"))
    return [AnnotatedPhoto("photo.png", (HEIGHT, WIDTH), objects=objects, state="done")], labels


def export_files(name: str) -> dict[str, bytes]:
    """The files of an export in a format, by their paths."""
    place = Path("export").resolve()
    shutil.rmtree(place, ignore_errors=True)
    photos, labels = annotated()
    formats_module.export(name, photos, labels, place)
    return {str(path.relative_to(place)): path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file()}


def importer(name: str) -> Target:
    """Reads an export in which one file was changed: the input is the number of the file, and its new content."""
    files: dict[str, bytes] = {}

    def seeds() -> list[bytes]:
        files.update(export_files(name))
        return [bytes([number]) + data for number, data in enumerate(files.values())]

    def read(data: bytes, place: Path) -> None:
        root = place / name
        if not root.exists():
            for path, content in files.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_bytes(content)
        changed = list(files)[data[0] % len(files)] if data else next(iter(files))
        (root / changed).write_bytes(data[1:])
        try:
            taken(formats_module.read(name, root, [AnnotatedPhoto("photo.png", (HEIGHT, WIDTH))]))
        finally:
            (root / changed).write_bytes(files[changed])

    return Target(read, seeds, share=6, guided=True)


def taken(found: AnnotatedFolder) -> None:
    """Take over all objects of all photos."""
    for photo in found:
        for annotation in photo.objects:
            assert annotation.mask.shape == (HEIGHT, WIDTH)


def coco_seeds() -> list[bytes]:
    """COCO files with polygons, run lengths and packed run lengths."""
    texts = [data for path, data in export_files("coco").items() if path.endswith(".json")]
    base = next(found for found in map(json.loads, texts) if isinstance(found, dict) and "annotations" in found)
    found = [base]
    for segmentation in (
        [[1, 1, 9, 1, 9, 9]],
        {"size": [HEIGHT, WIDTH], "counts": [5, 20, HEIGHT * WIDTH - 25]},
        {"size": [HEIGHT, WIDTH], "counts": "55d0"},
    ):
        other = json.loads(json.dumps(base))
        for entry in other["annotations"]:
            entry["segmentation"] = segmentation
        found.append(other)
    return [json.dumps(item).encode() for item in found]


def read_json_with(name: str, file: str) -> Read:
    """Reads an input as the only file of a format."""

    def read(data: bytes, place: Path) -> None:
        root = place / f"only-{name}"
        root.mkdir(exist_ok=True)
        (root / file).write_bytes(data)
        taken(formats_module.read(name, root, [AnnotatedPhoto("photo.png", (HEIGHT, WIDTH))]))

    return read


def zip_seeds() -> list[bytes]:
    """Exports as .zip files, stored and packed."""
    found = []
    for name in ("coco", "labelme", "index_png", "yolo"):
        for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            file = io.BytesIO()
            with zipfile.ZipFile(file, "w", method) as archive:
                for path, content in export_files(name).items():
                    archive.writestr(path, content)
            found.append(file.getvalue())
    return found


_readers: list[Any] = []


def read_zip(data: bytes, place: Path) -> None:
    """As an import takes a .zip in: by the process that may die, which must not."""
    from fewclicks.annotator.services.import_reader import ImportReader

    if not _readers:
        _readers.append(ImportReader())
    (reader,) = _readers
    (place / "upload.zip").write_bytes(data)
    shutil.rmtree(place / "unpacked", ignore_errors=True)
    (place / "unpacked").mkdir()
    try:
        reader.unzip(place / "upload.zip", place / "unpacked", 2**28, 1000)
        photo = AnnotatedPhoto("photo.png", (HEIGHT, WIDTH))
        taken(reader.read(place / "unpacked", [photo], None))
    finally:
        died, reader.deaths = reader.deaths, 0
        if died:
            raise RuntimeError("the process that reads imports died")


def pth_seeds() -> list[bytes]:
    """Checkpoints as torch writes them, in its two forms."""
    import torch

    net = {"a.weight": torch.arange(12.0).reshape(3, 4), "a.bias": torch.zeros(3), "n": torch.tensor(3)}
    config = {"model": {"class": "a.B", "size": (32, 24)}, "l": [1, 2.5, None, True, "text"]}
    found = []
    for value in (net, {"state_dict": net, "config": config}, {"state_dict": {k: v.half() for k, v in net.items()}}):
        for form in (True, False):
            file = io.BytesIO()
            torch.save(value, file, _use_new_zipfile_serialization=form)
            found.append(file.getvalue())
    return found


def read_pth(data: bytes, place: Path) -> None:
    """All tensors, and the config as plain values."""
    from fewclicks.checkpoints import pth

    (place / "file.pth").write_bytes(data)
    found = pth.read(place / "file.pth")
    for key in found.tensors:
        found.tensors[key].float().sum()
    pth.plain(found.config)


def read_pickle_in_pth(data: bytes, place: Path) -> None:
    """An input as the pickle within a .pth of torch's present form."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("net/data.pkl", data)
        archive.writestr("net/data/0", bytes(64))
    read_pth(file.getvalue(), place)


def pickles_of_pth() -> list[bytes]:
    """The pickles within the seeds."""
    found = []
    for data in pth_seeds():
        if data[:2] == b"PK":
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                found += [archive.read(name) for name in archive.namelist() if name.endswith("data.pkl")]
    return found


def small_photo() -> Path:
    """A photo for session documents."""
    path = Path("small.png").resolve()
    if not path.exists():
        PIL.Image.new("RGB", (WIDTH, HEIGHT), (90, 120, 30)).save(path)
    return path


def session_seeds() -> list[bytes]:
    """Documents with clicks, with a mask, and with a soft one."""
    import fewclicks

    found = []
    for correct in (None, np.eye(HEIGHT, WIDTH, dtype=bool), np.full((HEIGHT, WIDTH), 0.25, np.float32)):
        session = fewclicks.open(str(small_photo()), "grow")
        if correct is not None:
            session.load_mask(correct)
        session.click(5, 5)
        session.click(20, 20, positive=False)
        document = json.loads(session.to_json())
        document["image"]["path"] = "small.png"
        found.append(json.dumps(document).encode())
    return found


def read_session(data: bytes, place: Path) -> None:
    """Replay it on the photo that it names."""
    from fewclicks.session import Session

    small_photo()
    (place / "session.json").write_bytes(data)
    Session.replay(place / "session.json")


def recipe_seeds() -> list[bytes]:
    """Recipes that ship."""
    from fewclicks.recipes import cfr_icl, compact, toy

    found = []
    for module in (cfr_icl, compact, toy):
        for name, make in vars(module).items():
            if callable(make) and getattr(make, "__module__", "") == module.__name__ and not name.startswith("_"):
                try:
                    found.append(make().to_json().encode())
                except TypeError:  # it wants arguments
                    continue
    return found


def read_recipe(data: bytes, place: Path) -> None:
    """As a resumed training reads the one it began with."""
    from fewclicks.training.recipe import Recipe

    Recipe.from_json(data.decode("utf-8", "replace"))


def checkpoint_seeds() -> list[bytes]:
    """config.json of a checkpoint."""
    config = {"network": {"backbone": "compact", "size": "small"}, "method": "default", "sha256": {}, "step": 3}
    return [json.dumps(config).encode(), json.dumps({**config, "network": {"backbone": "segformer"}}).encode()]


def read_checkpoint(data: bytes, place: Path) -> None:
    """A checkpoint's folder whose weights fit nothing: its config decides how far it gets."""
    import safetensors.numpy

    from fewclicks.checkpoints import checkpoint

    root = place / "checkpoint"
    root.mkdir(exist_ok=True)
    if not (root / "model.safetensors").exists():
        safetensors.numpy.save_file({"w": np.zeros(2, np.float32)}, root / "model.safetensors")
    (root / "config.json").write_bytes(data)
    checkpoint.load(root)


def read_weights(data: bytes, place: Path) -> None:
    """The tensors of a checkpoint."""
    from fewclicks.checkpoints import checkpoint

    root = place / "weights"
    root.mkdir(exist_ok=True)
    (root / "config.json").write_text("{}")
    (root / "model.safetensors").write_bytes(data)
    checkpoint.read_tensors(root)


def weights_seeds() -> list[bytes]:
    """Files of tensors."""
    import safetensors.numpy

    return [safetensors.numpy.save({"a": np.ones((2, 3), np.float32), "b": np.zeros(4, np.int64)}, {"k": "v"})]


def mat_seeds() -> list[bytes]:
    """Ground truth as SBD has it."""
    import scipy.io

    found = []
    for compressed in (True, False):
        file = io.BytesIO()
        scipy.io.savemat(
            file,
            {"GTinst": {"Segmentation": np.eye(6, dtype=np.uint8), "Categories": np.array([[3]])}},
            do_compression=compressed,
        )
        found.append(file.getvalue())
    return found


def read_mat(data: bytes, place: Path) -> None:
    """The field that the data set reads."""
    from fewclicks.datasets.mat import read_field

    (place / "file.mat").write_bytes(data)
    read_field(place / "file.mat", "GTinst", "Segmentation")


def pickle_seeds() -> list[bytes]:
    """Plain data with arrays, as data sets pickle it."""
    value = {"a": np.arange(6, dtype=np.int32).reshape(2, 3), "b": [1, 2.5, "text", None, (True, b"x")], "c": {"d": []}}
    return [pickle.dumps(value, protocol) for protocol in (0, 2, 4)]


def read_pickle(data: bytes, place: Path) -> None:
    """Plain data of a data set."""
    from fewclicks.datasets.plain_pickle import read

    (place / "file.pkl").write_bytes(data)
    read(place / "file.pkl")


def tar_seeds() -> list[bytes]:
    """Archives as data sets are published."""
    found = []
    for mode in ("w", "w:gz"):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode=mode) as archive:
            for name in ("set/images/a.jpg", "set/list.txt"):
                about = tarfile.TarInfo(name)
                about.size = 300
                archive.addfile(about, io.BytesIO(b"abc" * 100))
        found.append(file.getvalue())
    return [*found, zip_seeds()[0]]


def read_archive(data: bytes, place: Path) -> None:
    """Unpack it as a fetched data set."""
    from fewclicks.files.archives import unpack

    (place / "archive.tar.gz").write_bytes(data)
    shutil.rmtree(place / "unpacked", ignore_errors=True)
    unpack(place / "archive.tar.gz", place / "unpacked", "set/")


TARGETS: dict[str, Target] = {
    "images, common": Target(read_photo, lambda: pictures(COMMON), share=25),
    "images, rarer": Target(read_photo, lambda: [*pictures(RARE), *by_hand()], share=25),
    **{f"import {name}": importer(name) for name in ("binary_png", "index_png", "voc", "yolo")},
    "import coco": Target(read_json_with("coco", "a.json"), coco_seeds, share=10, guided=True, text=True),
    "import labelme": Target(
        read_json_with("labelme", "photo.json"),
        lambda: [*export_files("labelme").values()],
        share=8,
        guided=True,
        text=True,
    ),
    "import .zip": Target(read_zip, zip_seeds, share=3),
    ".pth": Target(read_pth, pth_seeds, share=8, guided=True),
    "pickle in a .pth": Target(read_pickle_in_pth, pickles_of_pth, share=8, guided=True),
    "session": Target(read_session, session_seeds, share=6, guided=True, text=True),
    "recipe": Target(read_recipe, recipe_seeds, share=6, guided=True, text=True),
    "checkpoint": Target(read_checkpoint, checkpoint_seeds, share=4, text=True),
    "weights": Target(read_weights, weights_seeds, share=3),
    "data set .mat": Target(read_mat, mat_seeds, share=3, guided=True),
    "data set pickle": Target(read_pickle, pickle_seeds, share=3, guided=True),
    "data set archive": Target(read_archive, tar_seeds, share=3),
}
