"""What a store tells: classes, photos and objects as plain data."""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

from fewclicks.clicks import Clicks
from fewclicks.errors import InputError
from fewclicks.formats.annotations import PhotoState
from fewclicks.geometry import Box

MAX_NAME = 200
"""Letters of the name of a class or an object."""


NO_LETTERS = ("Cc", "Cs", "Zl", "Zp")
"""Categories of characters that no name has: controls, halves of others, separators of lines."""


NO_UUID = "'{!s:.80}' is no UUID; make one, as by crypto.randomUUID()"


def uuid_of(value: str) -> str:
    """A UUID as it is kept: small letters and hyphens. InputError for anything else."""
    try:
        return str(uuid.UUID(value))
    except (ValueError, AttributeError, TypeError):
        raise InputError(NO_UUID.format(value)) from None


def printable(text: str) -> str:
    """A text as a name: on one line, without control characters, and without spaces around it.

    Joiners and other marks that have no shape of their own stay: emoji and many scripts are written with them.
    """
    return "".join(" " if unicodedata.category(c) in NO_LETTERS else c for c in text).strip()


def printable_lines(text: str) -> str:
    """A text of several lines, each of them as `printable` has it."""
    return "\n".join(printable(line) for line in text.splitlines())


PROPOSED = "preannotation "
"""What `Line.predictor` begins with where an object was proposed beforehand; the id of the job follows."""
ObjectState: TypeAlias = Literal["open", "done"]
AttributeKind: TypeAlias = Literal["text", "number", "choice", "tick"]
Role: TypeAlias = Literal["annotator", "reviewer", "admin"]
"""Each may do what those before it may."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """Something that can be said of the objects of a class. `choices` are those of the kind "choice"."""

    name: str
    kind: AttributeKind
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClassInfo:
    """A class of objects. `colour` is "#rrggbb"; `key` what picks it, or None: a digit, or a digit and one more.

    `group` is what it is listed under; `attributes` can be said of each of its objects.
    """

    id: int
    name: str
    colour: str
    key: str | None
    place: int = 0
    group: str = ""
    attributes: tuple[Attribute, ...] = ()


@dataclass(frozen=True, slots=True)
class PhotoInfo:
    """A photo by its name in the folder. `hw` is None until it has been opened once.

    `objects`: how many it has, without deleted ones; `comments`: those that are not resolved. `assignee` is to do it.
    `version` grows with every change of the photo, of its objects and of its comments.
    """

    id: int
    name: str
    hw: tuple[int, int] | None
    state: PhotoState
    objects: int
    version: int
    assignee: str = ""
    note: str = ""
    tags: tuple[str, ...] = ()
    comments: int = 0


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """An object without its mask: `box` and `area_px` tell of it, None and 0 where it is empty.

    Of two objects on one pixel the one with the higher `z` is on top. `version` grows with every change, and
    `mask_version` is what it was after the last action, undo or redo. `threshold` is None before the first action: that
    of the method. `clicks` are those that count; `changed_px` the pixels that changed side in each pass of the last
    action, if that was a click. `undo_kind` and `redo_kind`: what undo and redo would take back and do again, or None.
    `person` did the last action that is done; "" if nobody knows. Who looks does not see a `hidden` one, and nothing
    but unlocking changes a `locked` one. `attributes`: what is said of it, by the names that its class has for it.
    A `proposal` was made beforehand, and nobody has accepted or corrected it yet; `preannotated`: it began as one.
    """

    id: str
    photo_id: int
    class_id: int
    name: str
    z: int
    state: ObjectState
    deleted: bool
    hidden: bool
    locked: bool
    version: int
    mask_version: int
    box: Box | None
    area_px: int
    threshold: float | None
    clicks: Clicks
    changed_px: tuple[int, ...]
    undo_kind: str | None
    redo_kind: str | None
    person: str
    attributes: Mapping[str, Any] = field(default_factory=dict, hash=False)
    proposal: bool = False
    preannotated: bool = False


@dataclass(frozen=True, slots=True)
class Blank:
    """An object to be made, without a mask."""

    photo_id: int
    class_id: int
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What is to change about an object, apart from its mask. None: it stays as it is."""

    class_id: int | None = None
    name: str | None = None
    z: int | None = None
    state: ObjectState | None = None
    deleted: bool | None = None
    hidden: bool | None = None
    locked: bool | None = None
    attributes: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.state not in (None, "open", "done"):
            raise InputError(f"an object is 'open' or 'done', not '{self.state}'")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the journal: an action, undo, redo or change of an object, which has `version` after it.

    The payload of a change is {"before": {field: value}, "after": {field: value}}. `predictor` computed the mask,
    `person` asked for it; either may be "".
    """

    id: int
    """Its place in the journal of all objects."""
    action_id: str
    object_id: str
    kind: str
    payload: Mapping[str, Any]
    version: int
    predictor: str
    person: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Comment:
    """What somebody says of a photo: of a place on it, of an object, or of all of it."""

    id: str
    photo_id: int
    object_id: str | None
    x: float | None
    y: float | None
    text: str
    person: str
    resolved: bool
    resolved_by: str
    deleted: bool
    version: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """A line of the journal of a photo, or of the folder: a change that is none of an object."""

    id: str
    photo_id: int | None
    kind: str
    payload: Mapping[str, Any]
    person: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Member:
    """Who may sign in. `password` and `link` are hashes, or ""; `version` grows with every change."""

    id: str
    name: str
    role: Role
    active: bool
    password: str
    link: str
    version: int


@dataclass(frozen=True, slots=True)
class Presence:
    """A page that shows a photo; `object_id` is what is edited there."""

    id: str
    photo_id: int
    object_id: str | None
    person: str
