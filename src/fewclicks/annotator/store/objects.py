"""Store: the objects of the photos and all that was done to them, in a database. No web, no predictor.

Every change is one transaction, and is done once however often it is sent: actions, undo and redo carry an id made by
the client. Who changes an object can say which version of it they saw; if there is a newer one, they get a Conflict
with the object as it is now, and nothing has happened.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Row, Select, and_, func, select, update
from sqlalchemy.orm import Session, aliased, defer

from fewclicks.annotator.editing.history import Entry
from fewclicks.annotator.editing.mask_codec import EncodedMask
from fewclicks.annotator.store import rows
from fewclicks.annotator.store.attributes import merged
from fewclicks.annotator.store.classes import class_row
from fewclicks.annotator.store.comments import Comments
from fewclicks.annotator.store.events import person_name
from fewclicks.annotator.store.people import People, PresenceList
from fewclicks.annotator.store.photos import Catalogue, clamp_clicks, locked_photo
from fewclicks.annotator.store.records import (
    MAX_NAME,
    PROPOSED,
    Edit,
    Line,
    ObjectInfo,
    ObjectState,
    printable,
    uuid_of,
)
from fewclicks.annotator.store.statistics import Statistics
from fewclicks.annotator.store.tables import ActionRow, ObjectRow, PhotoRow
from fewclicks.errors import Conflict, InputError, UnknownName

Head = aliased(ActionRow)
"""The last action of an object that is done."""
Next = aliased(ActionRow)
"""The one that redo would do."""
First = aliased(ActionRow)
"""The first one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewObject:
    """An object to be added, with the action that gives it its mask."""

    id: str
    class_id: int
    entry: Entry
    name: str = ""
    state: ObjectState = "done"


class Store(Catalogue):
    """The annotations of a folder: `Store(folder)`, or `Store(url)` for another database. Threads may share it."""

    def __init__(self, source: str | os.PathLike[str]) -> None:
        super().__init__(source)
        self.comments = Comments(self._db)
        self.people = People(self._db)
        self.presence = PresenceList(self._db)
        self.statistics = Statistics(self._db)

    def object(self, object_id: str) -> ObjectInfo:
        """An object, deleted or not; UnknownName if there is none of that id."""
        with self._db.reading() as session:
            return _object_info(session, uuid_of(object_id))

    def objects(self, photo_id: int, deleted: bool = False) -> list[ObjectInfo]:
        """The objects of a photo, bottom to top; with `deleted` those too that were deleted."""
        with self._db.reading() as session:
            return [rows.object_info(row) for row in session.execute(_objects(photo_id, deleted))]

    def has_objects(self) -> bool:
        """Whether there ever was an object, deleted ones included."""
        with self._db.reading() as session:
            return session.scalar(select(ObjectRow.id).limit(1)) is not None

    def versions(self, photo_id: int) -> dict[str, int]:
        """Object id -> version, of all objects of a photo, deleted or not."""
        with self._db.reading() as session:
            found = session.execute(select(ObjectRow.id, ObjectRow.version).where(ObjectRow.photo_id == photo_id))
            return {row.id: row.version for row in found}

    def masks(self, photo_id: int) -> list[tuple[ObjectInfo, EncodedMask]]:
        """The objects of a photo that are not deleted with their masks, bottom to top."""
        with self._db.reading() as session:
            found = session.execute(_objects(photo_id, False).add_columns(*_MASK)).all()
            return [(rows.object_info(row), _mask_of(row)) for row in found if row.height is not None]

    def mask(self, object_id: str) -> EncodedMask:
        """The mask of an object. UnknownName if there is no such object, or its photo was never opened."""
        with self._db.reading() as session:
            query = select(*_MASK).select_from(ObjectRow).join(PhotoRow).outerjoin(Head, _HEAD)
            row = session.execute(query.where(ObjectRow.id == uuid_of(object_id))).one_or_none()
            if row is None or row.height is None:
                raise UnknownName(f"no mask of an object with the id {object_id}; look at the objects of the photo")
            return _mask_of(row)

    def history(self, object_id: str) -> tuple[ObjectInfo, list[Entry], int]:
        """An object, its actions, and how many of them are done: the others can be redone."""
        with self._db.reading() as session:
            info = _object_info(session, uuid_of(object_id))
            photo = session.get_one(PhotoRow, info.photo_id)
            query = select(ActionRow).where(ActionRow.object_id == info.id, ActionRow.number.is_not(None))
            hw = photo.height or 0, photo.width or 0
            entries = [rows.entry(row, hw) for row in session.scalars(query.order_by(ActionRow.number))]
            return info, entries, session.get_one(ObjectRow, info.id).done

    def lines(self, object_id: str, after: int = 0, limit: int = 1000) -> list[Line]:
        """What was done to an object, in order: at most `limit` lines of the journal behind that of the id `after`."""
        with self._db.reading() as session:
            found = _object_info(session, uuid_of(object_id))
            query = select(ActionRow).where(ActionRow.object_id == found.id, ActionRow.id > after)
            query = query.order_by(ActionRow.id).limit(limit).options(defer(ActionRow.mask))
            return [rows.line(row) for row in session.scalars(query)]

    def known(self, action_id: str) -> ObjectInfo | None:
        """The object that an action, an undo or a redo of this id was done to; None if it was not done yet."""
        with self._db.reading() as session:
            object_id = session.scalar(select(ActionRow.object_id).where(ActionRow.uuid == uuid_of(action_id)))
            return _object_info(session, object_id) if object_id else None

    def create(self, object_id: str, photo_id: int, class_id: int, name: str = "") -> ObjectInfo:
        """A new object without a mask, on top of the others. If it exists already nothing happens."""
        object_id = uuid_of(object_id)
        with self._db.writing() as session:
            photo = locked_photo(session, photo_id)
            _add(session, photo, ObjectRow(id=object_id, class_id=class_id, name=_name(name)))
            clamp_clicks(session, photo)
            return _object_info(session, object_id)

    def add_objects(
        self, photo_id: int, objects: Iterable[NewObject], person: str = "", by: str = "import", replace: bool = False
    ) -> int:
        """Put objects with masks on top of a photo, the last one topmost. Those that exist are passed over.

        `person` brought them; `by` stands in the journal and is what `undo_import` finds them by. `replace`: those of
        the photo are deleted first. Returns how many there were to add; an object that was deleted comes back. All of
        them are added, or none.
        """
        with self._db.writing() as session:
            photo, count = locked_photo(session, photo_id), 0
            if replace:
                there = (ObjectRow.photo_id == photo_id) & ~ObjectRow.deleted
                for row in session.scalars(select(ObjectRow).where(there)).all():
                    _set_deleted(session, photo, row, True, by, person)
            for new in objects:
                known = session.get(ObjectRow, uuid_of(new.id))
                if known is not None and known.photo_id == photo_id and known.deleted:
                    _set_deleted(session, photo, known, False, by, person)
                    count += 1
                    continue
                row = ObjectRow(id=uuid_of(new.id), class_id=new.class_id, name=_name(new.name), state=new.state)
                if _add(session, photo, row):
                    _require_size(photo, new.entry.mask)
                    row.done = 1
                    action_id = str(uuid.uuid5(uuid.UUID(row.id), "1"))
                    _log(session, photo, row, rows.action_row(new.entry, 1, action_id, by), person)
                    row.mask_version = row.version
                    count += 1
            clamp_clicks(session, photo)
            return count

    def taken_in_before(self, ids: Iterable[str]) -> set[str]:
        """Those of the ids that have objects, but for those that undoing an import has deleted."""
        wanted = [uuid_of(one) for one in ids]
        with self._db.reading() as session:
            there: set[str] = set()
            for start in range(0, len(wanted), 500):  # a statement holds so many values in every database
                some = ObjectRow.id.in_(wanted[start : start + 500])
                there.update(session.scalars(select(ObjectRow.id).where(some & ~ObjectRow.deleted)))
                for gone in session.scalars(select(ObjectRow.id).where(some & ObjectRow.deleted)).all():
                    change = (ActionRow.object_id == gone) & (ActionRow.kind == "change")
                    last = session.scalar(
                        select(ActionRow.predictor).where(change).order_by(ActionRow.id.desc()).limit(1)
                    )
                    if not (last or "").startswith(("undo import", f"undo {PROPOSED}")):
                        there.add(gone)
            return there

    def last_import(self) -> str | None:
        """The id of the latest import that was not undone."""
        with self._db.reading() as session:
            name = ActionRow.predictor
            query = select(name).where(name.like("import %")).group_by(name).order_by(func.max(ActionRow.id).desc())
            for found in session.scalars(query):
                if _is_undone(session, found):  # what later imports and their undoing did to its objects is their own
                    continue
                if any(row.deleted != created for row, created in _of_import(session, found).values()):
                    return str(found).removeprefix("import ")
        return None

    def undo_import(self, import_id: str, person: str = "", redo: bool = False) -> int:
        """Take a whole import back: what it added is deleted, what it replaced is there again. `redo`: the reverse.

        Returns how many objects it changed; UnknownName if there is no such import.
        """
        by = f"import {uuid_of(import_id)}"
        with self._db.writing() as session:
            found, photos = _of_import(session, by), dict[int, PhotoRow]()
            if not found:
                raise UnknownName(f"no import has the id {import_id}; it was given in the answer to the import")
            if not redo and _is_undone(session, by):
                return 0
            undone = set(session.scalars(select(ActionRow.object_id).where(ActionRow.predictor == f"undo {by}")))
            count = 0
            for row, created in sorted(found.values(), key=lambda item: item[0].photo_id):
                deleted = created != redo
                if row.deleted != deleted and (not redo or row.id in undone):
                    photo = photos.setdefault(row.photo_id, locked_photo(session, row.photo_id))
                    _set_deleted(session, photo, row, deleted, f"{'redo' if redo else 'undo'} {by}", person)
                    count += 1
            for photo in photos.values():
                clamp_clicks(session, photo)
            return count

    def turn_proposals(
        self, job_id: str, person: str = "", redo: bool = False, photo_id: int | None = None
    ) -> tuple[int, int, list[int]]:
        """Take back what a pre-annotation proposed, on one photo or on all; `redo`: the reverse.

        What was accepted or corrected stays. Returns how many objects it changed, how many stay, and on which photos.
        """
        by = PROPOSED + uuid_of(job_id)
        with self._db.writing() as session:
            query = select(ObjectRow).join(ActionRow, ActionRow.object_id == ObjectRow.id)
            query = query.where(ActionRow.predictor == by, ActionRow.kind == "mask")
            query = query if photo_id is None else query.where(ObjectRow.photo_id == photo_id)
            undone = set(session.scalars(select(ActionRow.object_id).where(ActionRow.predictor == f"undo {by}")))
            photos, count, kept = dict[int, PhotoRow](), 0, 0
            for row in session.scalars(query.order_by(ObjectRow.photo_id, ObjectRow.id)).unique().all():
                if row.deleted != redo or (redo and row.id not in undone):
                    continue
                if row.done != 1 or row.state != "open" or row.locked:
                    kept += 1
                    continue
                photo = photos.setdefault(row.photo_id, locked_photo(session, row.photo_id))
                _set_deleted(session, photo, row, not redo, f"{'redo' if redo else 'undo'} {by}", person)
                count += 1
            for photo in photos.values():
                clamp_clicks(session, photo)
            return count, kept, list(photos)

    def count_proposed(self, job_id: str) -> int:
        """How many objects a pre-annotation proposed, deleted ones included."""
        with self._db.reading() as session:
            made = (ActionRow.predictor == PROPOSED + uuid_of(job_id)) & (ActionRow.kind == "mask")
            return session.scalar(select(func.count()).where(made)) or 0

    def change(self, object_id: str, edit: Edit, if_version: int | None = None, person: str = "") -> ObjectInfo:
        """Change the class, name, order or state of an object, delete it or restore it.

        The journal keeps what was, and the `person`.
        """
        with self._db.writing() as session:
            photo, row = _locked(session, object_id)
            _require_version(session, row, if_version)
            wanted = {key: value for key, value in asdict(edit).items() if value not in (None, getattr(row, key))}
            if edit.locked is not False and set(wanted) - {"z"}:  # the place is also that of those that move past it
                _require_unlocked(row)
            if "class_id" in wanted:
                class_row(session, wanted["class_id"])
            if edit.attributes is not None:
                known = class_row(session, edit.class_id or row.class_id)
                wanted["attributes"] = merged(known, row.attributes, edit.attributes)
                if wanted["attributes"] == row.attributes:
                    del wanted["attributes"]
            if "name" in wanted:
                wanted["name"] = _name(wanted["name"])
            if wanted:
                was = {key: getattr(row, key) for key in wanted}
                for key, value in wanted.items():
                    setattr(row, key, value)
                clamp_clicks(session, photo)
                line = {"before": was, "after": wanted}
                _log(session, photo, row, ActionRow(uuid=str(uuid.uuid4()), kind="change", payload=line), person)
            session.flush()
            return _object_info(session, row.id)

    def act(
        self,
        object_id: str,
        action_id: str,
        entry: Entry,
        base: int,
        if_version: int | None = None,
        by: str = "",
        person: str = "",
    ) -> ObjectInfo:
        """Keep an action and the mask it gave. What was undone can then no longer be redone.

        `base`: the object's `mask_version` that the mask was computed from. For the journal: `by` computed it, `person`
        asked for it.
        """
        with self._db.writing() as session:
            photo, row = _locked(session, object_id)
            if not _repeated(session, row, action_id):
                _require_version(session, row, if_version, base)
                _require_unlocked(row)
                _require_size(photo, entry.mask)
                undone = (ActionRow.object_id == row.id) & (ActionRow.number > row.done)
                session.execute(update(ActionRow).where(undone).values(number=None, mask=None, box=None))
                row.done += 1
                line = rows.action_row(entry, row.done, uuid_of(action_id), by)
                _log(session, photo, row, line, person)
                row.mask_version = row.version
                _turn_others(session, photo, line, True, person)
            return _object_info(session, row.id)

    def undo(
        self, object_id: str, action_id: str, base: int | None = None, if_version: int | None = None, person: str = ""
    ) -> ObjectInfo:
        """Take back the last action of an object; nothing happens when there is none. `base`: as of `act`."""
        return self._move(object_id, action_id, -1, base, if_version, person)

    def redo(
        self, object_id: str, action_id: str, base: int | None = None, if_version: int | None = None, person: str = ""
    ) -> ObjectInfo:
        """Do again what was undone last; nothing happens when there is none. `base`: as of `act`."""
        return self._move(object_id, action_id, 1, base, if_version, person)

    def _move(
        self, object_id: str, action_id: str, by: int, base: int | None, if_version: int | None, person: str
    ) -> ObjectInfo:
        with self._db.writing() as session:
            photo, row = _locked(session, object_id)
            if not _repeated(session, row, action_id):
                _require_version(session, row, if_version, base)
                _require_unlocked(row)
                last = session.scalar(select(func.max(ActionRow.number)).where(ActionRow.object_id == row.id))
                if 0 <= row.done + by <= (last or 0):
                    moved = ActionRow.number == max(row.done, row.done + by)
                    action = session.scalars(select(ActionRow).where(ActionRow.object_id == row.id, moved)).one()
                    row.done += by
                    kind = "redo" if by > 0 else "undo"
                    line = ActionRow(uuid=uuid_of(action_id), kind=kind, payload={"done": row.done})
                    _log(session, photo, row, line, person)
                    row.mask_version = row.version
                    _turn_others(session, photo, action, by > 0, person)
            return _object_info(session, row.id)


_HEAD = and_(Head.object_id == ObjectRow.id, Head.number == ObjectRow.done)
_NEXT = and_(Next.object_id == ObjectRow.id, Next.number == ObjectRow.done + 1)
_FIRST = and_(First.object_id == ObjectRow.id, First.number == 1)
_MASK = (Head.box.label("mask_box"), Head.area_px.label("mask_area_px"), Head.mask, PhotoRow.height, PhotoRow.width)


def _infos() -> Select[*tuple[Any, ...]]:
    """Objects with all that `_info` needs."""
    last = (Head.kind, Head.box, Head.area_px, Head.threshold, Head.clicks, Head.changed_px, Head.person)
    more = (Head.predictor, Next.kind.label("redo_kind"), First.predictor.label("origin"))
    query = select(ObjectRow, *last, *more).join(PhotoRow)
    return query.outerjoin(Head, _HEAD).outerjoin(Next, _NEXT).outerjoin(First, _FIRST)


def _objects(photo_id: int, deleted: bool) -> Select[*tuple[Any, ...]]:
    query = _infos().where(ObjectRow.photo_id == photo_id).order_by(ObjectRow.z, ObjectRow.id)
    return query if deleted else query.where(~ObjectRow.deleted)


def _object_info(session: Session, object_id: str) -> ObjectInfo:
    session.flush()
    row = session.execute(_infos().where(ObjectRow.id == object_id)).one_or_none()
    if row is None:
        raise UnknownName(f"no object has the id {object_id}; look at the objects of the photo")
    return rows.object_info(row)


def _mask_of(row: Row[*tuple[Any, ...]]) -> EncodedMask:
    return rows.packed((row.height, row.width), row.mask_box, row.mask_area_px, row.mask)


def _add(session: Session, photo: PhotoRow, row: ObjectRow) -> bool:
    """Put an object on top of a photo; False if it exists already."""
    found = session.get(ObjectRow, row.id)
    if found is not None:
        if found.photo_id != photo.id:
            raise InputError(f"the object {row.id} is on another photo; make a new id")
        return False
    class_row(session, row.class_id)
    top = session.scalar(select(func.max(ObjectRow.z)).where(ObjectRow.photo_id == photo.id))
    row.photo_id, row.z = photo.id, 0 if top is None else top + 1
    row.version, row.mask_version = 1, 1
    photo.version += 1
    session.add(row)
    session.flush()
    return True


def _log(session: Session, photo: PhotoRow, row: ObjectRow, line: ActionRow, person: str) -> None:
    """Write a change of an object down, with who made it, and count it."""
    row.version += 1
    photo.version += 1
    line.object_id, line.version, line.person = row.id, row.version, person_name(person)
    session.add(line)


def _set_deleted(session: Session, photo: PhotoRow, row: ObjectRow, deleted: bool, by: str, person: str) -> None:
    """Delete an object or bring it back, for an import, or for an action on another one."""
    line = {"before": {"deleted": row.deleted}, "after": {"deleted": deleted}}
    row.deleted = deleted
    action = ActionRow(uuid=str(uuid.uuid4()), kind="change", payload=line, predictor=by)
    _log(session, photo, row, action, person)


def _turn_others(session: Session, photo: PhotoRow, action: ActionRow, done: bool, person: str) -> None:
    """Delete or bring back the other objects of an action that joined or parted some, now that it is done or undone."""
    payload = rows.fields(action.payload)
    others = [(one, done) for one in payload.get("joined", ())] + [(one, not done) for one in payload.get("parted", ())]
    for other, deleted in others:
        row = session.get(ObjectRow, other)
        if row is not None and row.photo_id == photo.id and row.deleted != deleted:
            if row.locked:
                raise InputError("one of the objects that this would change is locked; unlock it first")
            _set_deleted(session, photo, row, deleted, "", person)
            clamp_clicks(session, photo)


def _is_undone(session: Session, by: str) -> bool:
    """Whether the last thing that was done with an import as a whole is that it was taken back."""
    names = (by, f"undo {by}", f"redo {by}")
    query = select(ActionRow.predictor).where(ActionRow.predictor.in_(names)).order_by(ActionRow.id.desc()).limit(1)
    return session.scalar(query) == f"undo {by}"


def _of_import(session: Session, by: str) -> dict[str, tuple[ObjectRow, bool]]:
    """Object id -> the object, and whether the import brought it; False where it made room."""
    query = select(ObjectRow, ActionRow.kind, ActionRow.payload).join(ActionRow, ActionRow.object_id == ObjectRow.id)
    found: dict[str, tuple[ObjectRow, bool]] = {}
    for row, kind, payload in session.execute(query.where(ActionRow.predictor == by).order_by(ActionRow.id)):
        found.setdefault(row.id, (row, kind != "change" or not payload["after"]["deleted"]))
    return found


def _locked(session: Session, object_id: str) -> tuple[PhotoRow, ObjectRow]:
    """An object and its photo, for this transaction alone."""
    object_id = uuid_of(object_id)
    photo_id = session.scalar(select(ObjectRow.photo_id).where(ObjectRow.id == object_id))
    if photo_id is None:
        raise UnknownName(f"no object has the id {object_id}; look at the objects of the photo")
    return locked_photo(session, photo_id), session.get_one(ObjectRow, object_id, populate_existing=True)


def _repeated(session: Session, row: ObjectRow, action_id: str) -> bool:
    """Whether what has this id was done already; InputError if it was done to another object."""
    done_to = session.scalar(select(ActionRow.object_id).where(ActionRow.uuid == uuid_of(action_id)))
    if done_to not in (None, row.id):
        raise InputError(f"the action {action_id} was done to another object; make a new id")
    return done_to is not None


def _require_version(session: Session, row: ObjectRow, version: int | None, base: int | None = None) -> None:
    """Conflict if the object, or its mask, has changed since."""
    if version not in (None, row.version) or base not in (None, row.mask_version):
        raise Conflict(
            "the object has been changed by somebody else; look at it as it is now", _object_info(session, row.id)
        )


def _require_unlocked(row: ObjectRow) -> None:
    if row.locked:
        raise InputError("the object is locked; unlock it to change it")


def _require_size(photo: PhotoRow, mask: EncodedMask) -> None:
    if photo.height is None or photo.width is None:
        photo.height, photo.width = mask.hw
    elif (photo.height, photo.width) != mask.hw:
        got, need = f"{mask.hw[1]}x{mask.hw[0]}", f"{photo.width}x{photo.height}"
        raise InputError(f"the mask is {got} pixels but the photo is {need}; resize the mask to {need}")


def _name(name: str) -> str:
    if len(name) > MAX_NAME or name.strip() != printable(name):
        raise InputError(f"the name of an object is at most {MAX_NAME} letters on one line")
    return name.strip()
