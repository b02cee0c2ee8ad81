"""Annotations that are taken in, in a process of their own, and taken back; the pages are told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fewclicks.annotator.services.events import EventBus
from fewclicks.annotator.services.jobs import JobRunner
from fewclicks.annotator.services.news import News
from fewclicks.annotator.store.objects import Store
from fewclicks.errors import sentence


class Imports:
    """Takes annotations in, and takes whole imports back. Threads may share it."""

    def __init__(self, store: Store, errands: JobRunner, hub: EventBus, news: News) -> None:
        self._store, self._errands, self._hub, self._news = store, errands, hub, news

    def take_in(self, *arguments: str, person: str = "", hide: Sequence[Path] = ()) -> dict[str, Any]:
        """Do what `fewclicks import` does, without arguments with what lies there; give what it says as JSON.

        `hide`: folders that no message is to name.
        """
        who = [f"--person={person}"] if person else []
        said = self._errands.run("import", *arguments, *who, hide=hide)
        if not said.get("dry_run"):
            self._news.classes()
            said["notes"] = [sentence(note) for note in said["notes"]]
        self._hub.publish("imported", {name: said[name] for name in ("id", "objects", "photos", "notes")})
        return said

    def undo(self, import_id: str, redo: bool, person: str = "") -> int:
        """Take a whole import back, or do it again; give how many objects were changed."""
        count = self._store.undo_import(import_id, person, redo)
        self._hub.publish("imported", {"id": import_id, "objects": count, "notes": [], "undone": not redo})
        return count
