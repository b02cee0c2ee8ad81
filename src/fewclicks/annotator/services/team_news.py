"""What people say and where they are, told to the pages: comments of a photo, and who shows it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from fewclicks.annotator.services.events import EventBus
from fewclicks.annotator.store.objects import Store
from fewclicks.annotator.store.records import Comment, Presence


class TeamNews:
    """Publishes the events `comments` and `presence`. Threads may share it."""

    def __init__(self, store: Store, hub: EventBus) -> None:
        self._store, self._hub = store, hub
        self._said: dict[int, list[Comment]] = {}
        self._here: dict[int, list[Presence]] = {}
        """Who shows each photo, as the pages were told."""

    def comments(self, photo_id: int) -> None:
        """Tell the pages that show a photo what is said of it now, where that has changed."""
        if photo_id in self._hub.shown():
            found = self._store.comments.of_photo(photo_id)
            if found != self._said.get(photo_id, []):
                told = [{**asdict(one), "at": one.at.isoformat()} for one in found]
                self._hub.publish("comments", told, photo_id)
            self._said[photo_id] = found

    def presence(self) -> None:
        """Tell the pages who shows the same photo, where that has changed."""
        shown = self._hub.shown()
        present = self._store.presence.present() if shown else []
        here = {photo: [one for one in present if one.photo_id == photo] for photo in shown}
        for photo_id, found in here.items():
            if found != self._here.get(photo_id, []):
                self._hub.publish("presence", [_told(one) for one in found], photo_id)
        self._here = here

    def look(self, changed: Iterable[int]) -> None:
        """Tell what other servers did: comments on the photos that have changed, and who is here."""
        shown = self._hub.shown()
        self._said = {photo: said for photo, said in self._said.items() if photo in shown}
        for photo_id in changed:
            self.comments(photo_id)
        self.presence()


def _told(found: Presence) -> dict[str, Any]:
    return {"page": found.id, "photo_id": found.photo_id, "object_id": found.object_id, "person": found.person}
