"""What was annotated, counted: objects, their areas, the clicks and seconds that they took, by class and by person."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import and_, select

from fewclicks.annotator.editing.actions import PROMPTS
from fewclicks.annotator.store.database import Database
from fewclicks.annotator.store.records import PROPOSED
from fewclicks.annotator.store.tables import ActionRow, ObjectRow

PAUSE_S = 60.0
"""Between two actions on an object at most so much counts as work on it."""

_HEAD = and_(ActionRow.object_id == ObjectRow.id, ActionRow.number == ObjectRow.done)
"""The last action of an object that is done."""


@dataclass(slots=True)
class Worked:
    """What there is to say of an object. `person` did its last action that is done."""

    photo_id: int
    class_id: int
    person: str
    area_px: int
    clicks: int = 0
    seconds: float = 0.0
    proposal: bool = False
    """It was made beforehand, and nobody has accepted or corrected it yet."""


@dataclass(slots=True)
class Tally:
    """Some objects, without proposals: how many, on how many photos, and what each took. Lists are in no order."""

    objects: int = 0
    proposals: int = 0
    photos: set[int] = field(default_factory=set)
    areas_px: list[int] = field(default_factory=list)
    clicks: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def count(self, one: Worked) -> None:
        """Count one more."""
        if one.proposal:
            self.proposals += 1
            return
        self.objects += 1
        self.photos.add(one.photo_id)
        self.areas_px.append(one.area_px)
        self.clicks.append(one.clicks)
        self.seconds.append(one.seconds)


class Statistics:
    """Counts what is in a database. Threads may share it."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def objects(self) -> list[Worked]:
        """All objects that are not deleted. No mask is read."""
        last = select(
            *(ObjectRow.id, ObjectRow.photo_id, ObjectRow.class_id, ObjectRow.state),
            *(ActionRow.person, ActionRow.area_px, ActionRow.predictor),
        )
        last = last.outerjoin(ActionRow, _HEAD).where(~ObjectRow.deleted)
        done = select(ActionRow.object_id, ActionRow.kind, ActionRow.created_at, ActionRow.number, ObjectRow.done)
        done = done.join(ObjectRow, ActionRow.object_id == ObjectRow.id).where(~ObjectRow.deleted)
        done = done.where(ActionRow.kind != "change").order_by(ActionRow.object_id, ActionRow.id)
        with self._db.reading() as session:
            found = {
                row.id: Worked(
                    *(row.photo_id, row.class_id, row.person or "", row.area_px or 0),
                    proposal=row.state == "open" and (row.predictor or "").startswith(PROPOSED),
                )
                for row in session.execute(last)
            }
            before: tuple[str, datetime] | None = None
            for row in session.execute(done):
                one = found[row.object_id]
                if row.kind in PROMPTS and row.number is not None and row.number <= row.done:
                    one.clicks += 1
                if before is not None and before[0] == row.object_id:
                    one.seconds += min(PAUSE_S, max(0.0, (row.created_at - before[1]).total_seconds()))
                before = row.object_id, row.created_at
            return list(found.values())

    def classes_by_photo(self) -> dict[int, Counter[int]]:
        """Photo id -> class id -> how many objects that are not deleted."""
        found: dict[int, Counter[int]] = defaultdict(Counter)
        with self._db.reading() as session:
            for row in session.execute(select(ObjectRow.photo_id, ObjectRow.class_id).where(~ObjectRow.deleted)):
                found[row.photo_id][row.class_id] += 1
        return found

    def masks_by_photo(self) -> dict[int, Counter[int]]:
        """Photo id -> class id -> how many objects that are not deleted and have a pixel."""
        found: dict[int, Counter[int]] = defaultdict(Counter)
        query = select(ObjectRow.photo_id, ObjectRow.class_id).join(ActionRow, _HEAD)
        with self._db.reading() as session:
            for row in session.execute(query.where(~ObjectRow.deleted, ActionRow.area_px > 0)):
                found[row.photo_id][row.class_id] += 1
        return found

    def people_by_photo(self) -> dict[int, set[str]]:
        """Photo id -> who did anything to its objects."""
        query = select(ObjectRow.photo_id, ActionRow.person).join(ActionRow, ActionRow.object_id == ObjectRow.id)
        found: dict[int, set[str]] = defaultdict(set)
        with self._db.reading() as session:
            for row in session.execute(query.where(ActionRow.person != "").distinct()):
                found[row.photo_id].add(row.person)
        return found
