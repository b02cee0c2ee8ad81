"""The classes of a store: names, colours, keys, places in the list, groups, and the attributes of their objects."""

from __future__ import annotations

import re
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, cast, get_args

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from fewclicks.annotator.store.database import Database
from fewclicks.annotator.store.events import note_event, person_name
from fewclicks.annotator.store.records import MAX_NAME, Attribute, AttributeKind, ClassInfo, printable
from fewclicks.annotator.store.tables import About, ActionRow, ClassRow, EventRow, ObjectRow, PhotoRow
from fewclicks.errors import Conflict, InputError, UnknownName, counted

COLOURS = (
    "#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#42d4f4", "#f032e6", "#bfef45", "#469990", "#9a6324",
    "#808000", "#000075",
)  # fmt: skip
"""Those of new classes, in turn."""
HEX_COLOUR = re.compile("#[0-9a-fA-F]{6}")
KEYS = (*"123456789", *(f"0{second}" for second in "1234567890abcdefghijklmnopqrstuvwxyz"))
"""Those of new classes, in turn: a digit, then 0 and one more."""
KEY = re.compile("[0-9][0-9a-z]?")
MAX_ATTRIBUTES, MAX_CHOICES = 50, 200


class ClassCatalogue:
    """Classes of a database (see `database.Database`). Threads may share it."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def classes(self) -> list[ClassInfo]:
        """All classes, in the order that was given them, else in that they were made."""
        with self._db.reading() as session:
            return [_class_info(row) for row in session.scalars(select(ClassRow).order_by(ClassRow.place, ClassRow.id))]

    def add_class(
        self,
        name: str,
        colour: str | None = None,
        key: str | None = None,
        group: str = "",
        attributes: Sequence[Attribute] = (),
        person: str = "",
    ) -> ClassInfo:
        """Make a class, at the end of the list. None: the next colour, and the next free key ("": none).

        InputError if there is one of that name.
        """
        with self._db.writing() as session:
            lock_lists(session)
            rows = list(session.scalars(select(ClassRow)))
            free = [one for one in KEYS if not any(_clash(one, _key_of(row)) for row in rows)]
            colours = Counter(row.colour for row in rows)
            row = ClassRow(
                name=_class_name(name, rows),
                colour=_colour(colour or min(COLOURS, key=lambda c: colours[c])),
                place=max((row.place for row in rows), default=0),
                family=_group(group),
                attributes=_as_json(attributes),
            )
            _set_key(row, _key(key, rows) if key else next(iter(free), None) if key is None else None)
            session.add(row)
            session.flush()
            info = _class_info(row)
            note_event(session, None, "class", {"class": row.id, "after": _told(info)}, person)
            return info

    def change_class(
        self,
        class_id: int,
        name: str | None = None,
        colour: str | None = None,
        key: str | None = None,
        group: str | None = None,
        attributes: Sequence[Attribute] | None = None,
        person: str = "",
    ) -> ClassInfo:
        """Give a class another name, colour, key ("": none), group ("": none) or other attributes.

        What was said of its objects stays, also under an attribute that it has no longer.
        """
        with self._db.writing() as session:
            lock_lists(session)
            row = class_row(session, class_id)
            was = _class_info(row)
            others = list(session.scalars(select(ClassRow).where(ClassRow.id != class_id)))
            if name is not None:
                row.name = _class_name(name, others)
            if colour is not None:
                row.colour = _colour(colour)
            if key is not None:
                _set_key(row, _key(key, others) if key else None)
            if group is not None:
                row.family = _group(group)
            if attributes is not None:
                row.attributes = _as_json(attributes)
            session.flush()
            now = _class_info(row)
            if now != was:
                line = {"class": class_id, "before": _told(was), "after": _told(now)}
                note_event(session, None, "class", line, person)
            return now

    def order_classes(self, ids: Sequence[int], person: str = "") -> list[ClassInfo]:
        """Put classes in this order; those that are not named follow in the order that they have."""
        with self._db.writing() as session:
            lock_lists(session)
            rows = list(session.scalars(select(ClassRow).order_by(ClassRow.place, ClassRow.id)))
            was = [row.id for row in rows]
            if len(set(ids)) != len(ids) or not set(ids) <= set(was):
                raise InputError("the order names a class twice, or one that there is not; look at the list of classes")
            order = [*ids, *(one for one in was if one not in set(ids))]
            for row in rows:
                row.place = order.index(row.id) + 1
            if order != was:
                note_event(session, None, "class order", {"before": was, "after": order}, person)
            session.flush()
            return [_class_info(row) for row in sorted(rows, key=lambda row: row.place)]

    def remove_class(self, class_id: int, reassign_to: int | None = None, person: str = "") -> str:
        """Remove a class. Gives the id by which `restore_class` brings it back.

        Its objects, also deleted and locked ones, become of the class `reassign_to`; Conflict if there are some and
        that is None.
        """
        with self._db.writing() as session:
            lock_lists(session)
            row = class_row(session, class_id)
            count = session.scalar(select(func.count()).where(ObjectRow.class_id == class_id))
            if count and reassign_to is None:
                there = session.scalar(select(func.count()).where(ObjectRow.class_id == class_id, ~ObjectRow.deleted))
                what = counted(there, "object") if there else "deleted objects only, which can be brought back"
                raise Conflict(f"the class '{row.name}' has {what}; give them another class first")
            if reassign_to is not None:
                if reassign_to == class_id:
                    raise InputError("a class that is removed cannot take its own objects; name another one")
                class_row(session, reassign_to)
                moved = _move_objects(session, ObjectRow.class_id == class_id, reassign_to, person)
            else:
                moved = []
            line = {"class": class_id, "before": _told(_class_info(row)), "objects": moved, "to": reassign_to}
            session.delete(row)
            session.flush()
            return note_event(session, None, "class removed", line, person)

    def restore_class(self, event_id: str, person: str = "") -> ClassInfo:
        """Bring a class back that was removed, and to it those of its objects that are still where they were put."""
        with self._db.writing() as session:
            lock_lists(session)
            event = session.get(EventRow, event_id)
            if event is None or event.kind != "class removed":
                raise UnknownName(f"no class was removed under the id {event_id}; look at the journal")
            was = event.payload["before"]
            others = list(session.scalars(select(ClassRow)))
            row = session.get(ClassRow, event.payload["class"])
            if row is not None and row.name == was["name"]:
                return _class_info(row)  # it was brought back already
            key = was["key"] if not any(_clash(was["key"], _key_of(one)) for one in others) else None
            row = ClassRow(
                id=None if row else event.payload["class"],
                name=_class_name(was["name"], others),
                colour=was["colour"],
                place=was["place"],
                family=was["group"],
                attributes=was["attributes"],
            )
            _set_key(row, key)
            session.add(row)
            session.flush()
            ids, back = event.payload["objects"], event.payload["to"]
            for start in range(0, len(ids), 500):  # a statement holds so many values in every database
                there = ObjectRow.id.in_(ids[start : start + 500]) & (ObjectRow.class_id == back)
                _move_objects(session, there, row.id, person)
            info = _class_info(row)
            note_event(session, None, "class", {"class": row.id, "after": _told(info)}, person)
            return info


def lock_lists(session: Session) -> None:
    """Wait until no other transaction changes the lists of classes, photos and people."""
    session.get_one(About, 1, with_for_update=True)


def class_row(session: Session, class_id: int) -> ClassRow:
    """The class of this id; UnknownName if there is none."""
    row = session.get(ClassRow, class_id)
    if row is None:
        raise UnknownName(f"no class has the id {class_id}; look at the list of classes")
    return row


def attributes_of(rows: Iterable[Any]) -> tuple[Attribute, ...]:
    """Attributes from JSON that is like what `Attribute` is; InputError for what makes no sense."""
    found: list[Attribute] = []
    for row in rows:
        if not isinstance(row, dict) or not isinstance(row.get("name"), str) or not isinstance(row.get("kind"), str):
            raise InputError("an attribute is an object with a name, a kind and, if that is choice, choices")
        choices = row.get("choices") or ()
        if not isinstance(choices, list | tuple) or not all(isinstance(one, str) for one in choices):
            raise InputError(f"the choices of '{row['name']:.80}' are a list of texts")
        found.append(Attribute(row["name"], cast(AttributeKind, row["kind"]), tuple(choices)))
    return tuple(_checked(found))


def _checked(attributes: Sequence[Attribute]) -> Sequence[Attribute]:
    """Attributes that a class can have; InputError for others."""
    if len(attributes) > MAX_ATTRIBUTES:
        raise InputError(f"a class has at most {MAX_ATTRIBUTES} attributes, got {len(attributes)}")
    for one in attributes:
        if not 1 <= len(one.name) <= 60 or one.name != printable(one.name):
            raise InputError("the name of an attribute is 1 to 60 letters on one line")
        if one.kind not in get_args(AttributeKind):
            raise InputError(f"the kind of '{one.name}' is text, number, choice or tick, got '{one.kind!s:.40}'")
        if (one.kind == "choice") != bool(one.choices) or len(one.choices) > MAX_CHOICES:
            raise InputError(
                f"the attribute '{one.name}' of the kind choice has 1 to {MAX_CHOICES} choices, others none"
            )
        if len(set(one.choices)) != len(one.choices) or any(
            not 1 <= len(c) <= 100 or c != printable(c) for c in one.choices
        ):
            raise InputError(f"the choices of '{one.name}' are different texts of 1 to 100 letters on one line")
    if len({one.name for one in attributes}) != len(attributes):
        raise InputError("two attributes of a class have one name; give each its own")
    return attributes


def _as_json(attributes: Sequence[Attribute]) -> list[dict[str, Any]]:
    return [{**asdict(one), "choices": list(one.choices)} for one in _checked(attributes)]


def _move_objects(session: Session, which: Any, class_id: int, person: str) -> list[str]:
    """Give objects another class, each with its line in the journal; their ids."""
    photos = session.scalars(select(ObjectRow.photo_id).where(which).distinct()).all()
    moved = []
    for photo_id in sorted(photos):
        photo = session.get_one(PhotoRow, photo_id, with_for_update=True)
        for row in session.scalars(select(ObjectRow).where(which, ObjectRow.photo_id == photo_id)).all():
            line = {"before": {"class_id": row.class_id}, "after": {"class_id": class_id}}
            row.class_id = class_id
            row.version += 1
            photo.version += 1
            action = ActionRow(uuid=str(uuid.uuid4()), kind="change", payload=line, object_id=row.id)
            action.version, action.person = row.version, person_name(person)
            session.add(action)
            moved.append(row.id)
        session.flush()
    return moved


def _class_info(row: ClassRow) -> ClassInfo:
    if not HEX_COLOUR.fullmatch(row.colour):
        raise ValueError(f"'{row.colour}' where a colour is to be")
    found = attributes_of(row.attributes)
    return ClassInfo(row.id, row.name, row.colour, _key_of(row), row.place, row.family, found)


def _told(info: ClassInfo) -> dict[str, Any]:
    """A class as the journal has it."""
    told = asdict(info)
    del told["id"]
    return {**told, "attributes": [{**one, "choices": list(one["choices"])} for one in told["attributes"]]}


def _class_name(name: str, others: Iterable[ClassRow]) -> str:
    name = name.strip()
    if not 1 <= len(name) <= MAX_NAME or name != printable(name):
        raise InputError("the name of a class is 1 to 200 letters on one line")
    if name in {row.name for row in others}:
        raise InputError(f"there is a class '{name}' already; choose another name")
    return name


def _group(group: str) -> str:
    group = group.strip()
    if len(group) > MAX_NAME or group != printable(group):
        raise InputError("the name of a group is at most 200 letters on one line")
    return group


def _colour(colour: str) -> str:
    if not HEX_COLOUR.fullmatch(colour):
        raise InputError(f"a colour is written as #rrggbb, got '{colour}'")
    return colour.lower()


def _key_of(row: ClassRow) -> str | None:
    return row.code or row.digit


def _set_key(row: ClassRow, key: str | None) -> None:
    row.digit = key if key and len(key) == 1 else None
    row.code = key if key and len(key) == 2 else None


def _clash(key: str | None, other: str | None) -> bool:
    """Whether the one key is the other, or how it begins: then the first key pressed would mean both."""
    return bool(key and other) and (str(key).startswith(str(other)) or str(other).startswith(str(key)))


def _key(key: str, others: Iterable[ClassRow]) -> str:
    if not KEY.fullmatch(key):
        raise InputError(f"the key of a class is one digit, or a digit and one small letter or digit, got '{key}'")
    for row in others:
        own = _key_of(row)
        if own == key:
            raise InputError(f"the key {key} belongs to the class '{row.name}'; take it from there first")
        if _clash(key, own):
            raise InputError(
                f"the key {key} and {own}, that of the class '{row.name}', begin alike; choose another one"
            )
    return key
