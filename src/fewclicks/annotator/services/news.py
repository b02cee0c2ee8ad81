"""What the pages are told: how a photo, an object, the classes are now. What JSON it becomes, the server knows."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from fewclicks.annotator.services.events import EventBus
from fewclicks.annotator.store.objects import Store
from fewclicks.annotator.store.records import ObjectInfo, PhotoInfo

GONE = "The photo is not in the folder any more; put it back, or delete its objects"


@dataclass(frozen=True, slots=True)
class PhotoView:
    """A photo as people see it: what the store knows, why it cannot be shown, what had to be ignored of its file."""

    info: PhotoInfo
    problem: str | None
    notes: tuple[str, ...]


@dataclass(slots=True)
class Findings:
    """What was found out about the photos of a folder, which the store does not keep."""

    present: frozenset[str] = frozenset()
    """Names of those that are in the folder now."""
    problems: dict[int, str] = field(default_factory=dict)
    """Why a photo cannot be shown, by its id."""
    notes: dict[int, tuple[str, ...]] = field(default_factory=dict)

    def problem(self, info: PhotoInfo) -> str | None:
        """Why a photo cannot be shown, as far as it is known."""
        return self.problems.get(info.id) if info.name in self.present else GONE

    def view(self, info: PhotoInfo) -> PhotoView:
        """A photo as people see it."""
        return PhotoView(info, self.problem(info), self.notes.get(info.id, ()))


class News:
    """Publishes how things are now, and remembers which versions of objects the pages know. Threads may share it."""

    def __init__(self, store: Store, hub: EventBus, findings: Findings) -> None:
        self._store, self._hub, self._findings = store, hub, findings
        self._known: dict[int, dict[str, int]] = {}
        """The versions that pages know, of the objects of the photos that they show."""
        self._gone: set[int] = set()
        self._lock = threading.Lock()

    def begin(self, photo_id: int) -> None:
        """A page is going to show a photo: from now on changes of its objects are news."""
        versions = self._store.versions(photo_id)
        with self._lock:
            self._known.setdefault(photo_id, versions)

    def known(self, photo_id: int) -> dict[str, int]:
        """The versions of the objects of a photo that pages know, by id."""
        with self._lock:
            return dict(self._known.get(photo_id, {}))

    def forget_all_but(self, shown: set[int]) -> None:
        """Forget the versions of photos that nobody shows; called now and then."""
        with self._lock:
            gone = self._known.keys() - shown
            for photo_id in gone & self._gone:  # a stream that is just beginning is missed once only
                del self._known[photo_id]
            self._gone = gone

    def object(self, info: ObjectInfo) -> None:
        """Tell the pages that show it how an object is now."""
        if info.photo_id in self._hub.shown() and self._is_news(info):
            self._hub.publish("object", info, info.photo_id)

    def objects(self, photo_id: int) -> None:
        """Tell the pages that show a photo that many of its objects have changed: they read all of them at once."""
        self._hub.publish("objects", {"photo_id": photo_id}, photo_id)

    def photo(self, photo_id: int) -> None:
        """Tell all pages how a photo is now: they list it."""
        if self._hub.shown():
            self._hub.publish("photo", self._findings.view(self._store.photo(photo_id)))

    def classes(self) -> None:
        """Tell the pages which classes there are now."""
        self._hub.publish("classes", self._store.classes())

    def _is_news(self, info: ObjectInfo) -> bool:
        """Whether the pages do not know this version of the object yet. They are going to be told."""
        with self._lock:
            known = self._known.get(info.photo_id)
            if known is None:
                return True
            news = known.get(info.id, 0) < info.version
            known[info.id] = max(info.version, known.get(info.id, 0))
            return news
