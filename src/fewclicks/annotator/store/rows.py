"""Rows of the database as records, and entries of histories as rows. ValueError or TypeError where a row is none."""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import Row

from fewclicks.annotator.editing.actions import PROMPTS, from_json, to_json
from fewclicks.annotator.editing.history import Entry
from fewclicks.annotator.editing.mask_codec import EncodedMask
from fewclicks.annotator.store.records import PROPOSED, Line, ObjectInfo, ObjectState
from fewclicks.annotator.store.tables import ActionRow, ObjectRow
from fewclicks.clicks import Click, Clicks
from fewclicks.geometry import Box
from fewclicks.images.reading import MAX_PIXELS


def object_info(row: Row[*tuple[Any, ...]]) -> ObjectInfo:
    """An object, from a row of `ObjectRow` and of the columns of its last action."""
    found: ObjectRow = row.ObjectRow
    return ObjectInfo(
        id=found.id,
        photo_id=found.photo_id,
        class_id=found.class_id,
        name=found.name,
        z=found.z,
        state=cast(ObjectState, found.state),
        deleted=found.deleted,
        hidden=found.hidden,
        locked=found.locked,
        version=found.version,
        mask_version=found.mask_version,
        box=_box(row.box) if row.box else None,
        area_px=row.area_px or 0,
        threshold=row.threshold,
        clicks=_clicks(row.clicks or []),
        changed_px=_counts(row.changed_px) if row.kind in PROMPTS else (),
        undo_kind=row.kind,
        redo_kind=row.redo_kind,
        person=row.person or "",
        attributes=fields(found.attributes),
        proposal=found.state == "open" and (row.predictor or "").startswith(PROPOSED),
        preannotated=(row.origin or "").startswith(PROPOSED),
    )


def line(row: ActionRow) -> Line:
    """A line of the journal."""
    payload = fields(row.payload)
    return Line(
        row.id, row.uuid, row.object_id, row.kind, payload, row.version, row.predictor, row.person, row.created_at
    )


def entry(row: ActionRow, hw: tuple[int, int]) -> Entry:
    """An action with the mask it gave, on a photo of size `hw`."""
    mask = packed(hw, row.box, row.area_px, row.mask)
    action = from_json(row.kind, fields(row.payload), mask)
    return Entry(action, mask, row.fresh, _clicks(row.clicks), row.threshold, _counts(row.changed_px))


def packed(hw: tuple[int, int], box: Any, area_px: int | None, data: bytes | None) -> EncodedMask:
    """A mask, in a box within its photo."""
    if not box:
        return EncodedMask.empty(hw)
    found = _box(box)
    if found.x1 > hw[1] or found.y1 > hw[0] or hw[0] * hw[1] > MAX_PIXELS:
        raise ValueError(f"a mask in the box {box} of a photo of {hw[1]}x{hw[0]}")
    if not isinstance(data, bytes | None):
        raise TypeError(f"a {type(data).__name__} where the bits of a mask are to be")
    return EncodedMask(hw, found, area_px or 0, data or b"")


def action_row(done: Entry, number: int, action_id: str, predictor: str) -> ActionRow:
    """An entry as a row. The masks of its passes are not kept: they can be computed again."""
    box = done.mask.box
    return ActionRow(
        uuid=action_id,
        number=number,
        kind=done.action.kind,
        payload=to_json(done.action),
        fresh=done.fresh,
        predictor=predictor[:200],
        clicks=[[click.x, click.y, int(click.positive)] for click in done.clicks],
        threshold=done.threshold,
        changed_px=list(done.changed_px),
        box=[box.x0, box.y0, box.x1, box.y1] if box else None,
        area_px=done.mask.area_px,
        mask=done.mask.data,
    )


def _box(found: Any) -> Box:
    box = Box(*_counts(found))
    if not (box.x0 < box.x1 and box.y0 < box.y1):
        raise ValueError(f"the box {found!s:.80}")
    return box


def _clicks(found: Any) -> Clicks:
    return Clicks(tuple(Click(x, y, bool(positive)) for x, y, positive in found))


def _counts(found: Any) -> tuple[int, ...]:
    if not all(type(value) is int and value >= 0 for value in found):
        raise ValueError(f"{found!s:.80} where numbers of pixels are to be")
    return tuple(found)


def fields(found: Any) -> dict[str, Any]:
    """The fields of a JSON value; TypeError for another one."""
    if not isinstance(found, dict):
        raise TypeError(f"{found!s:.80} where fields are to be")
    return found
