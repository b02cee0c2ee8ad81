"""Classes from files and to files: ours, a list of names, and the labels of COCO, CVAT, YOLO and Label Studio's kin."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import yaml

from fewclicks.annotator.store.classes import HEX_COLOUR, KEY, attributes_of
from fewclicks.annotator.store.objects import Store
from fewclicks.annotator.store.records import Attribute, AttributeKind, ClassInfo, printable
from fewclicks.errors import FewClicksError, InputError, one_line

MAX_CLASSES = 10_000
CVAT_KINDS = {"select": "choice", "radio": "choice", "checkbox": "tick", "number": "number", "text": "text"}


@dataclass(frozen=True, slots=True)
class ClassDraft:
    """A class as a file tells of it. None: the file does not say."""

    name: str
    colour: str | None = None
    key: str | None = None
    group: str | None = None
    attributes: tuple[Attribute, ...] | None = None


@dataclass(frozen=True, slots=True)
class ClassesTaken:
    """What came of a file: names of classes that are new, and that were changed; sentences on what was left out."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    notes: tuple[str, ...]


def written(classes: Sequence[ClassInfo]) -> str:
    """The classes as JSON, in their order."""
    rows = [
        {
            "name": one.name,
            "colour": one.colour,
            "key": one.key,
            "group": one.group,
            "attributes": [
                {"name": a.name, "kind": a.kind, **({"choices": list(a.choices)} if a.choices else {})}
                for a in one.attributes
            ],
        }
        for one in classes
    ]
    return json.dumps({"classes": rows}, ensure_ascii=False, indent=1) + "\n"


def take(store: Store, data: bytes, person: str = "") -> ClassesTaken:
    """Add the classes of a file, and bring those of the same names to what it says; the order is that of the file.

    A class that cannot be taken is named in the notes, the others are taken. InputError if the file holds none.
    """
    drafts, notes = parsed(data)
    known = {one.name: one for one in store.classes()}
    added, changed, order = list[str](), list[str](), list[int]()
    for draft in drafts:
        try:
            was = known.get(draft.name)
            if was is None:
                made = _added(store, draft, person, notes)
                added.append(made.name)
            else:
                made = _changed(store, was, draft, person, notes)
                if made != was:
                    changed.append(made.name)
            known[made.name] = made
            if made.id not in order:
                order.append(made.id)
        except FewClicksError as error:
            notes.append(f"the class '{draft.name:.60}' was left out: {error}")
    if order:
        store.order_classes(order, person)
    return ClassesTaken(tuple(added), tuple(changed), tuple(notes))


def _added(store: Store, draft: ClassDraft, person: str, notes: list[str]) -> ClassInfo:
    made = store.add_class(draft.name, draft.colour, None, draft.group or "", draft.attributes or (), person)
    return _keyed(store, made, draft.key, person, notes)


def _changed(store: Store, was: ClassInfo, draft: ClassDraft, person: str, notes: list[str]) -> ClassInfo:
    made = store.change_class(was.id, None, draft.colour, None, draft.group, draft.attributes, person)
    return _keyed(store, made, draft.key, person, notes)


def _keyed(store: Store, made: ClassInfo, key: str | None, person: str, notes: list[str]) -> ClassInfo:
    """Give a class the key of the file, if no other class has it."""
    if not key or key == made.key:
        return made
    try:
        return store.change_class(made.id, key=key, person=person)
    except InputError as error:
        notes.append(f"the key of '{made.name}' is not that of the file: {error}")
        return made


def parsed(data: bytes) -> tuple[list[ClassDraft], list[str]]:
    """The classes in a file, whatever wrote it, and what was wrong with it; InputError where there are none."""
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        raise InputError("the file is no text in UTF-8; save it so, a class a line, or as JSON") from None
    notes: list[str] = []
    rows = _rows(text)
    if len(rows) > MAX_CLASSES:
        raise InputError(f"the file has {len(rows):,} classes; {MAX_CLASSES:,} are the most")
    drafts: dict[str, ClassDraft] = {}
    for number, row in enumerate(rows, 1):
        try:
            draft = _draft(row)
            if draft.name in drafts:
                notes.append(f"the class '{draft.name:.60}' comes twice: the first counts")
            drafts.setdefault(draft.name, draft)
        except (InputError, TypeError, ValueError, KeyError) as error:
            notes.append(f"entry {number} was left out: {error}")
    if not drafts:
        raise InputError(" ".join(notes) or "there is no class in the file; write a name a line, or JSON")
    return list(drafts.values()), notes


def _rows(text: str) -> list[Any]:
    """The entries of a file: JSON of ours, of COCO or CVAT, the names of a YOLO data.yaml, or lines."""
    stripped = text.strip()
    if stripped[:1] in ("{", "["):
        try:
            content = json.loads(stripped)
        except (ValueError, RecursionError) as error:
            raise InputError(f"the file is no JSON ({error}); save it again") from None
        if isinstance(content, dict):
            lists = [content.get(name) for name in ("classes", "categories", "labels", "names")]
            content = next((one for one in lists if isinstance(one, list | dict)), None)
        rows = _listed(content)
        if rows is None:
            raise InputError("the JSON has no list of classes, categories or labels; write one")
        return rows
    if any(line.startswith("names:") for line in text.splitlines()):
        try:
            content = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise InputError(f"the file is no YAML ({one_line(error, 100)}); save it again") from None
        return _listed(content.get("names") if isinstance(content, dict) else None) or []
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _listed(content: Any) -> list[Any] | None:
    """A list, or the values of a map from numbers to names in the order of the numbers."""
    if isinstance(content, dict):
        return [content[key] for key in sorted(content, key=lambda key: (len(str(key)), str(key)))]
    return content if isinstance(content, list) else None


def _draft(row: Any) -> ClassDraft:
    """An entry of a list; InputError or TypeError where it is none."""
    if isinstance(row, str):
        return ClassDraft(_name(row))
    if not isinstance(row, Mapping):
        raise TypeError("it is no name, and no object with one")
    colour = row.get("colour", row.get("color"))
    if isinstance(colour, list) and len(colour) == 3 and all(isinstance(c, int) and 0 <= c <= 255 for c in colour):
        colour = "#{:02x}{:02x}{:02x}".format(*colour)
    key = row.get("key")
    group = row.get("group", row.get("supercategory"))
    attributes = row.get("attributes")
    return ClassDraft(
        _name(row["name"] if "name" in row else row.get("label")),
        colour if isinstance(colour, str) and HEX_COLOUR.fullmatch(colour) else None,
        key if isinstance(key, str) and KEY.fullmatch(key) else None,
        printable(group)[:200] if isinstance(group, str) else None,
        attributes_of(_attribute(one) for one in attributes) if isinstance(attributes, list) else None,
    )


def _name(name: Any) -> str:
    if not isinstance(name, str) or not printable(name):
        raise InputError("it has no name")
    return printable(name)


def _attribute(row: Any) -> Any:
    """An attribute of ours, or one of CVAT's."""
    if isinstance(row, Mapping) and "input_type" in row:
        kind = cast(AttributeKind, CVAT_KINDS.get(str(row["input_type"]), "text"))
        values = row.get("values")
        choices = [str(one) for one in values] if kind == "choice" and isinstance(values, list) else []
        return {"name": str(row.get("name", "")), "kind": kind, "choices": choices}
    return row
