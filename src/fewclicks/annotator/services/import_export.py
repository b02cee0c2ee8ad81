"""The annotations of a folder to files and from files, in the formats of `formats`. No web: the commands use it too."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fewclicks import formats
from fewclicks.annotator.services.decoder import Decoder
from fewclicks.annotator.services.detection import masks_are_likely
from fewclicks.annotator.services.exporting import StoredFolder
from fewclicks.annotator.services.import_reader import ImportReader
from fewclicks.annotator.services.importing import ImportOptions, TakenIn, take_in
from fewclicks.annotator.services.photos import PhotoFolder
from fewclicks.annotator.store.objects import Store
from fewclicks.errors import FewClicksError, InputError
from fewclicks.files.archives import ZIP_BYTES, ZIP_FILES
from fewclicks.files.replace import replace_file, require_folder, staging
from fewclicks.files.scratch import scratch_folder
from fewclicks.formats.annotations import AnnotatedPhoto, Exported
from fewclicks.formats.splitting import SPLIT
from fewclicks.plugins import find

PACKED = frozenset({".png", ".jpg", ".jpeg", ".webp", ".zip"})
"""Files that do not get smaller in a .zip."""

ALIASES = {"yolo_seg": "yolo", "pascal_voc": "voc", "coco_json": "coco", "cutouts": "cutout", "cut_outs": "cutout"}
"""Names of formats that people use besides ours."""

TITLES = {
    "copy": "Copy the photos too",
    "crop": "Cut to the object",
    "ids": "Pixels are numbered by",
    "margin_px": "Margin around it, in pixels",
    "shapes": "Shapes",
    "split": "In parts: train / val / test, in percent",
    "tolerance_px": "Simplify outlines by up to so many pixels",
    "visible": "Only what is visible of each object",
}
"""The options of the formats in words."""


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a format."""

    name: str
    title: str
    default: Any
    choices: tuple[str, ...] | None


def format_named(text: str) -> str:
    """The name of a format as it is written here: small letters, one name for each."""
    name = text.lower().replace("-", "_").replace(" ", "_")
    return ALIASES.get(name, name)


def options_of(found: formats.Format) -> list[Option]:
    """The options of a format, and the one that all have. Choices are the constant of the option's name: SHAPES."""
    module = find("formats", found.name)
    known = {**found.options, "visible": False, "split": ""}
    choices = {"split": SPLIT}
    return [
        Option(
            name,
            TITLES.get(name, name.replace("_", " ").capitalize()),
            default,
            choices.get(name) or getattr(module, name.upper(), None),
        )
        for name, default in known.items()
    ]


def export_folder(
    store: Store,
    folder: PhotoFolder,
    name: str,
    out: Path,
    overwrite: bool = False,
    where: str = "",
    classes: Sequence[str] = (),
    **options: Any,
) -> Exported:
    """Write the annotations of a store, on the photos of `folder`, in the format `name`: to a folder, or a .zip of it.

    `where` and `classes`: only those photos, and only objects of those classes (see `StoredFolder`). Photos that are
    elsewhere are fetched where the format needs them.
    """
    needs = not folder.is_remote or name == "cutout" or bool(options.get("copy"))
    place = (lambda file: folder.locate(file).path) if folder.is_remote and needs else folder.root
    photos = StoredFolder(store, place, where, classes)
    if out.suffix.lower() != ".zip":
        return formats.export(name, photos, photos.labels, out, overwrite=overwrite, **options)
    if out.exists() and not overwrite:
        raise InputError(f"'{out}' exists; name another file, or pass --overwrite (in Python overwrite=True)")
    require_folder(out)
    with staging(out.with_name(f"{out.name}.export")) as staged:
        written = formats.export(name, photos, photos.labels, staged / out.stem, **options)
        replace_file(out, lambda file: _zip(staged / out.stem, file))
    return Exported((out.resolve(),), written.notes)


def import_found(
    folder: PhotoFolder,
    store: Store | None,
    seen: Callable[[int, int], None],
    person: str = "",
    options: ImportOptions | None = None,
) -> TakenIn:
    """Take in the annotations that lie in the folder or beside it; of those in several formats the best one.

    What cannot be read of them is a note; InputError where nothing can.
    """
    with ImportReader() as reader:
        found = reader.detect(folder.root, folder.names())
        if not found:
            raise InputError(
                f"no annotations were found in or beside '{folder.root}'; name the file or folder that they are in"
            )
        photos, options = known_photos(folder, store), options or ImportOptions(person=person)
        taken, best, notes = TakenIn(), "", list[str]()
        for item in found:
            if best not in ("", item.format):
                place = Path(os.path.relpath(item.source, folder.root.parent)).as_posix()
                notes.append(f"{place} was left out ({item.format}): what lies in {best} was taken in")
                continue
            try:
                read = reader.read(item.source, photos, item.format, linked=False, mask_is=options.mask_is)
                taken += take_in(store, read, seen, options.person, options)
                best = item.format
            except FewClicksError as error:
                notes.append(str(error))
    if not best:
        raise InputError("; ".join(notes))
    return replace(taken, notes=(*taken.notes, *notes), id=options.id)


def import_from(
    folder: PhotoFolder,
    store: Store | None,
    source: Path,
    name: str | None,
    seen: Callable[[int, int], None],
    person: str = "",
    options: ImportOptions | None = None,
) -> TakenIn:
    """Take in the annotations at `source`: a file, a folder or a .zip, in the format `name` or that of its structure.

    `store`: None for a dry run in a folder that nothing was annotated in.
    """
    photos, options = known_photos(folder, store), options or ImportOptions(person=person)
    with ImportReader() as reader, scratch_folder() as outer:
        if source.suffix.lower() == ".zip" and source.is_file():
            inner = outer / "upload"  # what a reader looks for beside a file is looked for in here
            inner.mkdir()
            reader.unzip(source, inner, ZIP_BYTES, ZIP_FILES)
            try:
                read = reader.read(inner, photos, name, mask_is=options.mask_is)
                taken = take_in(store, read, seen, options.person, options)
            except InputError as error:
                raise InputError(_of_zip(str(error), inner, source)) from None
            return replace(taken, notes=tuple(_of_zip(note, inner, source) for note in taken.notes))
        read = reader.read(source, photos, name, mask_is=options.mask_is)
        return take_in(store, read, seen, options.person, options)


def _of_zip(text: str, place: Path, source: Path) -> str:
    """What was said of the unpacked files, as of those in the .zip."""
    text = text.replace(f"{place}{os.sep}", f"{source.name}/").replace(str(place), source.name)
    return text.replace(f"'{place.name}'", f"'{source.name}'")


def names_without_masks(folder: PhotoFolder, decoder: Decoder) -> list[str]:
    """The photos of a folder, without those that are masks of others."""
    names = folder.names()
    likely = masks_are_likely(names) and not folder.is_remote
    masks = decoder.masks(folder.root, names) if likely else frozenset()
    return [name for name in names if name not in masks]


def known_photos(folder: PhotoFolder, store: Store | None) -> list[AnnotatedPhoto]:
    """The photos with their sizes, which the store keeps; of those that cannot be read the problem."""
    photos, decoder = [], Decoder()
    try:
        names = names_without_masks(folder, decoder)
        if store is not None:
            store.add_photos(names)
        known = {info.name: info for info in store.photos()} if store is not None else {}
        for name in names:
            info = known.get(name)
            try:
                path = folder.locate(name).path
                hw = info.hw if info and info.hw else decoder.hw(path)
                if store is not None and info is not None and info.hw is None:
                    store.change_photo(info.id, hw=hw)
            except FewClicksError as error:  # the annotator says so too when the photo is opened
                photos.append(AnnotatedPhoto(name, (0, 0), problem=str(error)))
                continue
            photos.append(AnnotatedPhoto(name, hw, path=path))
    finally:
        decoder.close()
    return photos


def _zip(folder: Path, file: Any) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                how = zipfile.ZIP_STORED if path.suffix.lower() in PACKED else zipfile.ZIP_DEFLATED
                archive.write(path, path.relative_to(folder).as_posix(), how, compresslevel=6)
