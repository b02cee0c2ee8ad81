"""What else lies among and beside the photos of a folder: masks that are no photos, annotations to begin with.

These are quick looks at names, so that a folder opens at once; `formats.detect` then looks into the files.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from fewclicks.annotator.services.photos import ASIDE

MARKS = ("_mask", "-mask", "_gt", "_seg", ".mask")
"""What is found behind the name of a photo in the name of its mask."""
PHOTO_FOLDERS = frozenset({"images", "img", "imgs", "jpegimages", "photos"})
"""A folder of such a name has its annotations beside it."""
LISTS = frozenset({".json", ".txt", ".xml", ".yaml"})
LOOKED_AT = 20_000
"""Files, after which nothing more is looked for: what is annotated shows sooner."""


def _entries(place: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(place) as entries:
            return list(entries)
    except OSError:
        return []


def masks_are_likely(names: Sequence[str]) -> bool:
    """Whether some of the photos may be masks of others: a_mask.png beside a.jpg, a.png beside a.jpg."""
    stems = Counter(str(PurePosixPath(name).with_suffix("")) for name in names)
    return any(
        count > 1 or any(stem.endswith(mark) and stem.removesuffix(mark) in stems for mark in MARKS)
        for stem, count in stems.items()
    )


def annotations_are_likely(root: Path, names: Sequence[str]) -> bool:
    """Whether something in the folder or, if it is called images/, beside it may be annotations."""
    if masks_are_likely(names):
        return True
    places = [root]
    if root.name.lower() in PHOTO_FOLDERS:
        places.append(root.parent)
    elif root.parent.name.lower() in PHOTO_FOLDERS:  # images/train, whose labels are in labels/train
        places += [root.parent, root.parent.parent]
    if any(entry.is_dir() and entry.name.lower() in ASIDE for place in places for entry in _entries(place)):
        return True
    looked_at = 0
    for _, folders, files in os.walk(root):
        folders[:] = [folder for folder in folders if not folder.startswith(".")]
        if any(os.path.splitext(file)[1].lower() in LISTS for file in files):
            return True
        looked_at += len(files)
        if looked_at > LOOKED_AT:
            return False
    return False
