"""The photos of the folder: which there are, what is wrong with them, and each of them decoded."""

from __future__ import annotations

import threading
from time import monotonic

from fewclicks.annotator.services.decoder import Decoder, Urgency
from fewclicks.annotator.services.import_export import names_without_masks
from fewclicks.annotator.services.news import Findings, News, PhotoView
from fewclicks.annotator.services.photos import PhotoFolder, Picture, Pictures, Stamp
from fewclicks.annotator.store.objects import Store
from fewclicks.annotator.store.records import PhotoInfo
from fewclicks.errors import FewClicksError, InputError, StoreError, sentence
from fewclicks.formats.annotations import PhotoState

RESCAN_S = 2.0
"""The folder is not looked through more often than this."""


class Gallery:
    """Knows the photos of one folder. Threads may share it."""

    def __init__(self, folder: PhotoFolder, store: Store, decoder: Decoder, news: News, findings: Findings) -> None:
        self._folder, self._store, self._decoder, self._news, self._findings = folder, store, decoder, news, findings
        self.pictures = Pictures(folder, decoder)
        self.listed: list[str] = []
        """All files that may be photos, masks among them."""
        self._sizes: dict[int, tuple[int, int]] = {}
        self._names: dict[int, str] = {}
        self._scanned = -RESCAN_S
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._unseen = threading.Event()
        """There are photos that nobody has looked at."""
        self._looking = threading.Thread(target=self._look_through, name="fewclicks-sizes", daemon=True)

    def start(self) -> None:
        """Begin to look at photos that nobody has looked at."""
        self._looking.start()

    def close(self) -> None:
        """Look at no more."""
        self._closing.set()
        self._unseen.set()

    def join(self) -> None:
        """Wait until nothing is looked at any more."""
        if self._looking.is_alive():
            self._looking.join()

    def scan(self, at_once: bool = False) -> None:
        """See which photos are in the folder, and make new ones known; not more often than every two seconds."""
        with self._lock:
            if not at_once and monotonic() - self._scanned < RESCAN_S:
                return
            self._scanned = monotonic()
        listed = self._folder.names()
        if listed == self.listed:
            return
        names = names_without_masks(self._folder, self._decoder)
        self._store.add_photos(names)
        self.listed, self._findings.present = listed, frozenset(names)
        self._unseen.set()

    def photos(self, state: PhotoState | None = None) -> list[PhotoInfo]:
        """The photos of the folder; of those that are gone only the ones that have objects."""
        return [info for info in self._store.photos(state) if info.name in self._findings.present or info.objects]

    def problem(self, info: PhotoInfo) -> str | None:
        """Why a photo cannot be shown, as far as it is known."""
        return self._findings.problem(info)

    def view(self, info: PhotoInfo) -> PhotoView:
        """A photo as people see it."""
        return self._findings.view(info)

    def picture(self, photo_id: int, urgency: Urgency = Urgency.NOW) -> Picture:
        """A photo, decoded; FewClicksError if it cannot be, and then its problem is known."""
        info = self._store.photo(photo_id)
        try:
            picture = self.pictures.get(info.name, urgency)
            if self._sizes.get(photo_id) != picture.hw:
                self._keep_size(info, picture.hw)
        except FewClicksError as error:
            self._note_problem(photo_id, error)
            raise
        was = self._findings.problems.pop(photo_id, None), self._findings.notes.get(photo_id, ())
        self._findings.notes[photo_id] = picture.notes
        if was != (None, picture.notes):
            self._news.photo(photo_id)
        return picture

    def require_size(self, photo_id: int) -> None:
        """Find the size of a photo if it is not known yet: masks have it."""
        if photo_id not in self._sizes and self._store.photo(photo_id).hw is None:
            self.picture(photo_id)

    def forget_size(self, photo_id: int) -> None:
        """The file has changed: its size may have."""
        self._sizes.pop(photo_id, None)

    def stamp(self, photo_id: int) -> tuple[str, Stamp]:
        """A photo's name, and its file as it is now."""
        if photo_id not in self._names:
            self._names[photo_id] = self._store.photo(photo_id).name
        return self._names[photo_id], self._folder.locate(self._names[photo_id])

    def _keep_size(self, info: PhotoInfo, hw: tuple[int, int]) -> None:
        """Remember the size of a photo; InputError if it has objects and was of another size."""
        if info.hw != hw:
            try:
                self._store.change_photo(info.id, hw=hw)
            except StoreError as error:
                raise InputError(str(error)) from error
        self._sizes[info.id] = hw

    def _note_problem(self, photo_id: int, error: FewClicksError) -> None:
        text, problems = sentence(str(error)), self._findings.problems
        if not self._closing.is_set() and problems.get(photo_id) != text:
            problems[photo_id] = text
            self._news.photo(photo_id)

    def _look_through(self) -> None:
        """Find the sizes of new photos, and those that are none. In a thread of its own."""
        while self._unseen.wait() and not self._closing.is_set():
            self._unseen.clear()
            for info in self._store.photos():
                if self._closing.is_set():
                    return
                if info.hw is None and info.name in self._findings.present and not self._folder.is_remote:
                    self._look_at(info)

    def _look_at(self, info: PhotoInfo) -> None:
        try:
            hw = self._decoder.hw(self._folder.locate(info.name).path)
            if not self._closing.is_set() and self._sizes.get(info.id) is None:
                self._keep_size(info, hw)
        except FewClicksError as error:
            self._note_problem(info.id, error)
