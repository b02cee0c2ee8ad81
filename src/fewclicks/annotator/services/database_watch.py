"""What other programs do to the same database, told to the pages of this one: a second server, a command, a script.

Versions only grow, so their sum tells whether anything has happened at all: one small question a second.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from fewclicks.annotator.services.events import EventBus
from fewclicks.annotator.store.objects import Store
from fewclicks.annotator.store.records import ClassInfo, ObjectInfo
from fewclicks.errors import FewClicksError

log = logging.getLogger(__name__)

PAUSE_S = 1.0
MOST = 200
"""Photos that are told of at a time; of an import there are more, and the page's list is read anew now and then."""


class Watch:
    """Looks at a store while pages are open. `tell_object` and the others are called in its thread."""

    def __init__(
        self,
        store: Store,
        hub: EventBus,
        publish_object: Callable[[ObjectInfo], None],
        publish_photo: Callable[[int], None],
        publish_classes: Callable[[], None],
    ) -> None:
        self._store, self._hub = store, hub
        self._publish_object, self._publish_photo, self._publish_classes = (
            publish_object,
            publish_photo,
            publish_classes,
        )
        self.others: Callable[[set[int]], None] = lambda changed: None
        """Called each time with the photos that are shown and have changed."""
        self._pulse: tuple[int, int] | None = None
        self._photos: dict[int, int] = {}
        self._objects: dict[int, dict[str, int]] = {}
        """The versions that pages know, of the objects of the photos that they show."""
        self._gone: set[int] = set()
        self._classes: list[ClassInfo] | None = None
        self._lock = threading.Lock()
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

    def begin(self, photo_id: int) -> None:
        """A page is going to show a photo: from now on changes of its objects are news."""
        versions = self._store.versions(photo_id)
        with self._lock:
            self._objects.setdefault(photo_id, versions)

    def is_news(self, info: ObjectInfo) -> bool:
        """Whether the pages do not know this version of the object yet. They are going to be told."""
        with self._lock:
            known = self._objects.get(info.photo_id)
            if known is None:
                return True
            news = known.get(info.id, 0) < info.version
            known[info.id] = max(info.version, known.get(info.id, 0))
            return news

    def look(self) -> None:
        """Tell the pages what has changed since the last time."""
        shown = self._hub.shown()
        with self._lock:
            gone = self._objects.keys() - shown
            for photo_id in gone & self._gone:  # a stream that is just beginning is missed once only
                del self._objects[photo_id]
            self._gone = gone
        if not shown:
            self._photos = {}
            return
        classes = self._store.classes()
        if self._classes not in (None, classes):
            self._publish_classes()
        self._classes = classes
        pulse, changed = self._store.pulse(), set[int]()
        if pulse != self._pulse or not self._photos:
            changed = self._look_at_photos(shown)
            self._pulse = pulse
        self.others(changed)

    def _look_at_photos(self, shown: set[int]) -> set[int]:
        photos = self._store.photo_versions()
        changed = [photo_id for photo_id, version in photos.items() if self._photos.get(photo_id) != version]
        for photo_id in shown.intersection(changed):
            self._look_at_objects(photo_id)
        for photo_id in changed[:MOST] if self._photos else ():
            self._publish_photo(photo_id)
        self._photos = photos
        return shown.intersection(changed)

    def _look_at_objects(self, photo_id: int) -> None:
        self.begin(photo_id)
        with self._lock:
            known = dict(self._objects.get(photo_id, {}))
        for object_id, version in self._store.versions(photo_id).items():
            if known.get(object_id, 0) < version:
                self._publish_object(self._store.object(object_id))

    def _run(self) -> None:
        while not self._closing.wait(PAUSE_S):
            try:
                self.look()
            except FewClicksError as error:  # the database is away: who clicks is told so
                log.info("%s", error)
