"""What other programs do to the same database, told to the pages of this one: a second server, a command, a script.

Versions only grow, so their sum tells whether anything has happened at all: one small question a second.
"""

from __future__ import annotations

import logging
import threading

from fewclicks.annotator.services.events import EventBus
from fewclicks.annotator.services.news import News
from fewclicks.annotator.services.team_news import TeamNews
from fewclicks.annotator.store.objects import Store
from fewclicks.annotator.store.records import ClassInfo
from fewclicks.errors import FewClicksError

log = logging.getLogger(__name__)

PAUSE_S = 1.0
MOST = 200
"""Photos that are told of at a time; of an import there are more, and the page's list is read anew now and then."""


class Watch:
    """Looks at a store while pages are open."""

    def __init__(self, store: Store, hub: EventBus, news: News, team: TeamNews) -> None:
        self._store, self._hub, self._news, self._team = store, hub, news, team
        self._pulse: tuple[int, int] | None = None
        self._photos: dict[int, int] = {}
        self._classes: list[ClassInfo] | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fewclicks-watch", daemon=True)

    def start(self) -> None:
        """Look once a second."""
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> None:
        """Tell the pages what has changed since the last time."""
        shown = self._hub.shown()
        self._news.forget_all_but(shown)
        if not shown:
            self._photos = {}
            return
        classes = self._store.classes()
        if self._classes not in (None, classes):
            self._news.classes()
        self._classes = classes
        pulse, changed = self._store.pulse(), set[int]()
        if pulse != self._pulse or not self._photos:
            changed = self._look_at_photos(shown)
            self._pulse = pulse
        self._team.look(changed)

    def _look_at_photos(self, shown: set[int]) -> set[int]:
        photos = self._store.photo_versions()
        changed = [photo_id for photo_id, version in photos.items() if self._photos.get(photo_id) != version]
        for photo_id in shown.intersection(changed):
            self._look_at_objects(photo_id)
        for photo_id in changed[:MOST] if self._photos else ():
            self._news.photo(photo_id)
        self._photos = photos
        return shown.intersection(changed)

    def _look_at_objects(self, photo_id: int) -> None:
        self._news.begin(photo_id)
        known = self._news.known(photo_id)
        for object_id, version in self._store.versions(photo_id).items():
            if known.get(object_id, 0) < version:
                self._news.object(self._store.object(object_id))

    def _run(self) -> None:
        while not self._closing.wait(PAUSE_S):
            try:
                self.look()
            except FewClicksError as error:  # the database is away: who clicks is told so
                log.info("%s", error)
