"""Photos in parts to train on, to choose by and to test on: always the same ones, and frames of one video together."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from fewclicks.errors import InputError

PARTS = ("train", "val", "test")
SPLIT = ("", "80/20", "80/10/10", "70/20/10")
"""What is offered; any other shares can be said."""
FRAME = re.compile(r"(.*?)[\s._-]*(?:frame)?[\s._-]*\d{4,}", re.IGNORECASE)
CAMERAS = frozenset({"img", "dsc", "dscn", "dscf", "pxl", "p", "mvi", "gopr", "cimg", "dji", "image", "photo", ""})
"""What cameras call photos that belong to no video."""


def shares_of(text: str) -> dict[str, float]:
    """Read shares such as "80/10/10" (train, val, test) or "80/20"; {} for "". InputError for what is none."""
    if not text:
        return {}
    numbers = text.replace(",", "/").replace(":", "/").split("/") if isinstance(text, str) else []
    try:
        shares = [float(number) for number in numbers]
    except ValueError:
        shares = []
    if not (2 <= len(shares) <= len(PARTS) and all(0 < share < 1e6 for share in shares)):
        raise InputError(f"a split is two or three shares above 0, as 80/10/10 (train/val/test), got '{text!s:.40}'")
    return {part: share / sum(shares) for part, share in zip(PARTS, shares, strict=False)}


def parts_of(files: Iterable[str], shares: Mapping[str, float]) -> dict[str, str]:
    """Give each photo, by its name, a part: groups in an order that their names decide, each where most is missing.

    Frames of one video or sequence are one group (`group_of`). With photos enough every part gets some.
    """
    groups = defaultdict[str, list[str]](list)
    for file in files:
        groups[group_of(file)].append(file)
    total, counts = sum(map(len, groups.values())), dict.fromkeys(shares, 0)
    found: dict[str, str] = {}
    for group in sorted(groups, key=lambda name: (hashlib.sha256(name.encode("utf-8", "replace")).hexdigest(), name)):
        part = max(shares, key=lambda part: shares[part] * total - counts[part])
        if found and len(groups) >= len(shares):  # no part stays empty
            left = len(groups) - len({group_of(file) for file in found})
            empty = [part for part in shares if not counts[part]]
            part = empty[0] if empty and left <= len(empty) else part
        counts[part] += len(groups[group])
        found.update(dict.fromkeys(groups[group], part))
    return found


def group_of(file: str) -> str:
    """Tell what stays together: frames that are numbers in a folder of their own, or a name and four digits."""
    path = PurePosixPath(file)
    if path.stem.isdigit() and len(path.parts) > 1:
        return f"{path.parent}/"
    frame = FRAME.fullmatch(path.stem)
    if frame and frame[1].strip(" ._-").lower() not in CAMERAS:
        return f"{path.parent}/{frame[1]}"
    return file
