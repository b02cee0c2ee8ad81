"""Which format files are of: their structure says so, whatever is wrong within. And what is nearest where none is."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from fewclicks.errors import InputError, counted, one_line
from fewclicks.files.safe_open import list_real, open_real, walk_real
from fewclicks.formats import object_list
from fewclicks.formats.annotations import AnnotatedPhoto
from fewclicks.formats.matching import Photos
from fewclicks.formats.reading import MAX_JSON_BYTES, as_utf8, files_in, read_bytes, read_json

READABLE = ("coco", "labelme", "voc", "index_png", "binary_png", "yolo")
VOC_FOLDERS = re.compile(r"segmentation(class|object)(png|raw)?", re.IGNORECASE)
LOOKED_AT = 200
"""JSON and text files of a folder that are looked into."""
HEAD_BYTES = 2**12
NO_LABELS = frozenset({"classes", "train", "val", "valid", "test", "trainval", "labels", "labelmap", "class_names",
                       "predefined_classes", "readme", "license", "notes", "requirements"})  # fmt: skip
"""Text files of such names list photos, classes or something else, and are no labels of a photo."""
SEPARATORS = re.compile(r"[\s,;]+")
"""Between the numbers of a line of YOLO; numpy.savetxt writes commas, also at the end."""
_BARE = re.compile(rb'"(?:[^"\\]|\\.)*"\s*:', re.DOTALL)


def recognized(source: Path, photos: Sequence[AnnotatedPhoto]) -> str:
    """The format of a file or folder, by its structure alone.

    InputError where no structure fits: it says what comes nearest, and why that is not it.
    """
    hints: list[str] = []
    source = Path(os.path.realpath(source))  # it may be a link itself, but no link below it is followed
    found = next(_fitting(source, photos, hints), None)
    if found is not None:
        return found
    nearest = "; ".join(dict.fromkeys(hints)) or _content_of(source)
    raise InputError(
        f"'{source.name}' holds no annotations of these photos in a known format ({', '.join(READABLE)}): {nearest}"
    )


def json_format(path: Path) -> str | None:
    """Tell what a JSON file is, by the keys in it: "coco", "labelme", "listing", another tool's words, or None."""
    try:
        content = as_utf8(read_bytes(path, MAX_JSON_BYTES))
    except (OSError, ValueError):
        return None
    return _json_of(content)


def _json_of(content: bytes) -> str | None:
    def has(*keys: str) -> bool:
        return all(re.search(rb'"%s"\s*:' % re.escape(key.encode()), content) for key in keys)

    start = content.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start == b"{" and has("segments_info"):
        return "COCO panoptic, whose masks are pictures; convert it to COCO instances"
    if start == b"{" and has("images") and (has("annotations") or has("categories")):
        return "coco"
    if start == b"{" and has("shapes") and (has("imagePath") or has("imageData") or has("version") or has("points")):
        return "labelme"
    if start == b"{" and has("photos", "labels") and (has("mask") or re.search(rb'"photos"\s*:\s*\[\s*\]', content)):
        return "listing"
    for keys, words in FOREIGN:
        if has(*keys):
            return words
    return None


RESULTS = "COCO without its list of images, as models give results; add images and categories"
FOREIGN = (
    (("_via_img_metadata",), "a project of VGG Image Annotator (VIA); export it as COCO there"),
    (("regions", "shape_attributes"), "JSON of VGG Image Annotator (VIA); export it as COCO there"),
    (("original_width", "from_name"), "Label Studio's own JSON; export it as COCO there"),
    (("annotations", "data"), "Label Studio's own JSON; export it as COCO there"),
    (("classTitle", "objects"), "Supervisely's own JSON; export it as COCO there"),
    (("items", "media_type"), "Datumaro's own JSON; export it as COCO there"),
    (("items", "annotations"), "Datumaro's own JSON; export it as COCO there"),
    (("data_row",), "Labelbox's own JSON; export it as COCO there"),
    (("imgHeight", "objects"), "polygons of Cityscapes; convert them to COCO or index PNGs"),
    (
        ("category_id", "segmentation"),
        RESULTS,
    ),
    (("category_id", "image_id"), RESULTS),
    (("annotations", "coordinates"), "CreateML, which has boxes only"),
    (("shapes",), "JSON with `shapes`, but without LabelMe's `imagePath`"),
    (("images",), "JSON with `images`, but without COCO's `annotations`"),
    (("annotations",), "JSON with `annotations`, but without COCO's `images`"),
)
"""Keys of other tools' JSON, and the words for it; the more special first."""


def numbers_in(line: str) -> list[float]:
    """The numbers that a line begins with, separated by spaces, commas or semicolons."""
    found = list[float]()
    for word in SEPARATORS.split(line.strip("\ufeff\0 \t,;\r\n")):
        try:
            found.append(float(word))
        except ValueError:
            break
    return found


def is_label_file(path: Path) -> bool:
    """Tell whether a text file has a line of YOLO among its first, if a faulty one; an empty one proves nothing."""
    try:
        with open_real(path) as file:
            text = as_utf8(file.read(2**16), "replace").decode("utf-8-sig", errors="replace")
    except (OSError, InputError):
        return False
    head = [line for line in text.splitlines() if line.strip()][:5]
    listed = path.name.partition(".")[0].lower() in NO_LABELS
    return any(len(numbers_in(line)) >= (5 if listed else 3) for line in head)


def voc_root(source: Path) -> Path | None:
    """The folder that has SegmentationClass or SegmentationObject: this one, or one or two below."""
    if not source.is_dir():
        return None
    level = [source]
    for _ in range(3):
        for place in level:
            if any(VOC_FOLDERS.fullmatch(name.name) for name in folders_in(place)):
                return place
        level = [below for place in level for below in folders_in(place)][:LOOKED_AT]
    return None


def folders_in(place: Path) -> list[Path]:
    """The folders in a folder, without links and hidden ones."""
    try:
        return sorted(place / name for name in list_real(place)[0] if not name.startswith("."))
    except OSError:
        return []


def _fitting(source: Path, photos: Sequence[AnnotatedPhoto], hints: list[str]) -> Iterator[str]:
    """The formats whose structure the source has, the surest first. What is nearly one goes to the hints."""
    if source.is_dir():
        yield from _in_folder(source, photos, hints)
        return
    ending = source.suffix.lower()
    if ending == ".txt" and is_label_file(source):
        yield "yolo"
    if ending == ".json" or _begins_as_json(source):
        yield from _of_json([source], hints)
    elif ending == ".txt":
        hints.append("no line of it is `class x1 y1 x2 y2 ...`, as YOLO has them")
    elif ending in (*object_list.SUFFIXES, ".jpg", ".jpeg", ".webp"):
        if len(photos) == 1 or object_list.masks_beside(source.parent, Photos(photos), source.name):
            yield "index_png"
        hints.append("it is a picture, but not named as one of the photos")
    elif ending == ".xml":
        hints += _of_xml([source])


def _begins_as_json(path: Path) -> bool:
    """Tell whether a file begins as JSON does, whatever its ending."""
    try:
        with open_real(path) as file:
            return as_utf8(file.read(64), "replace").removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")
    except (OSError, InputError):
        return False


def _in_folder(source: Path, photos: Sequence[AnnotatedPhoto], hints: list[str]) -> Iterator[str]:
    if (source / object_list.FILE).is_file() and json_format(source / object_list.FILE) == "listing":
        yield "index_png" if b'"ids"' in read_bytes(source / object_list.FILE, MAX_JSON_BYTES) else "binary_png"
    yield from _of_json([source / file for file in files_in(source, [".json"])[:LOOKED_AT]], hints)
    if voc_root(source) is not None:
        yield "voc"
    masks = object_list.masks_beside(source, Photos(photos))
    if masks:
        several = max(map(len, masks.values())) > 1
        yield (
            "binary_png"
            if several or any(_numbered(file) for files in masks.values() for file in files)
            else "index_png"
        )
    texts = files_in(source, [".txt"])
    labels = [file for file in texts if is_label_file(source / file)]
    if labels or any((source / name).is_file() for name in ("data.yaml", "data.yml", "obj.names")):
        yield "yolo"
    known = Photos(photos)
    named = next((file for file in texts if known.by_stem(PurePosixPath(file).stem)), None)
    if named is not None:
        hints.append(f"'{named}' is named as a photo, but no line of it is `class x1 y1 x2 y2 ...`, as YOLO has them")
    hints += _of_xml([source / file for file in files_in(source, [".xml"])[:LOOKED_AT]])
    pictures = files_in(source, object_list.SUFFIXES)
    if pictures and photos:
        count = counted(len(pictures), "picture")
        hints.append(f"it has {count} that may be masks, as {pictures[0]}, but none is named as a photo is")


def _numbered(file: str) -> bool:
    """Tell whether a mask is named as those of single objects are: 0001-cat.png."""
    return re.fullmatch(r"\d+-.+", PurePosixPath(file).stem) is not None


def _of_json(files: Sequence[Path], hints: list[str]) -> Iterator[str]:
    kinds = {file: json_format(file) for file in files}
    for name in ("coco", "labelme"):
        if name in kinds.values():
            yield name
    for file, kind in kinds.items():
        if kind == "listing":
            yield "index_png" if b'"ids"' in read_bytes(file, MAX_JSON_BYTES) else "binary_png"
        elif kind not in ("coco", "labelme"):
            hints.append(_damage(file) or (f"'{file.name}' is {kind}" if kind else _no_json(file)))


def _damage(file: Path) -> str | None:
    """Tell what is wrong with a file as JSON."""
    try:
        if not file.stat().st_size:
            return f"'{file.name}' is empty"
        read_json(file)
    except (OSError, ValueError, RecursionError) as error:
        return f"'{file.name}' is damaged JSON ({one_line(error, 120)}); export it again"
    return None


def _no_json(file: Path) -> str:
    """Why a JSON file is nothing that is known."""
    content = read_bytes(file, MAX_JSON_BYTES) if file.stat().st_size < MAX_JSON_BYTES else b"{"
    keys = [match.decode("utf-8", "replace").rstrip(": \n\t\r")[:30] for match in _BARE.findall(content[:HEAD_BYTES])]
    had = f"it has {', '.join(dict.fromkeys(keys[:5]))}" if keys else "it has no keys"
    return f"'{file.name}' has neither COCO's keys (images, annotations) nor LabelMe's (shapes, imagePath); {had}"


def _of_xml(files: Sequence[Path]) -> Iterator[str]:
    for file in files[:1]:
        with open_real(file) as opened:
            head = opened.read(2**16)
        if b"<bndbox>" in head:
            yield f"'{file.name}' is Pascal VOC with boxes only; its masks would lie in SegmentationClass"
        elif b"<image " in head and b"<annotations>" in head:
            yield f"'{file.name}' is CVAT's own XML; export it as COCO or as segmentation masks there"
        else:
            yield f"'{file.name}' is XML, of which no masks are read"


def _content_of(source: Path) -> str:
    """Tell what there is, where nothing is like a format."""
    if not source.is_dir():
        return f"a {source.suffix or 'file without ending'} is none of them"
    names = (name for _, _, files in walk_real(source) for name in files)
    endings = Counter(PurePosixPath(name).suffix.lower() or "no ending" for name in names)
    if not endings:
        return "it is empty"
    return "it has " + ", ".join(f"{counted(count, 'file')} with {ending}" for ending, count in endings.most_common(3))
