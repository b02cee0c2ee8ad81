"""The annotator of one folder: the services that do its work, put together, started and closed. No web.

page ── server ── Annotator ─┬─ Gallery ── Pictures ── Decoder (a process)   photos, decoded and cut into tiles
                             ├─ Objects ── Worker ── Editing ── Predictor    what changes an object, one after another
                             ├─ Imports, Preannotator, Methods               what takes longer
                             ├─ Store                                        the database
                             └─ News ── EventBus                             how things are now, told to the pages
"""

from __future__ import annotations

import contextlib
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

from fewclicks.annotator.services.database_watch import Watch
from fewclicks.annotator.services.decoder import Decoder
from fewclicks.annotator.services.detection import annotations_are_likely
from fewclicks.annotator.services.doubting import Doubts
from fewclicks.annotator.services.events import EventBus
from fewclicks.annotator.services.gallery import Gallery
from fewclicks.annotator.services.imports import Imports
from fewclicks.annotator.services.jobs import AT_ONCE, JobRunner
from fewclicks.annotator.services.methods import Methods
from fewclicks.annotator.services.model import Model
from fewclicks.annotator.services.news import Findings, News
from fewclicks.annotator.services.objects import Objects
from fewclicks.annotator.services.people import Directory
from fewclicks.annotator.services.photos import PhotoFolder
from fewclicks.annotator.services.preannotating import Preannotator
from fewclicks.annotator.services.team_news import TeamNews
from fewclicks.annotator.store.objects import Store
from fewclicks.errors import FewClicksError
from fewclicks.images.levels import Levels

log = logging.getLogger(__name__)

SETTLE_S = 1.0
"""The database is looked after so often."""
FIRST_CLASS = "object"


class Annotator:
    """All that the API works with, for one folder. Threads may share it."""

    def __init__(
        self, folder: PhotoFolder, store: Store, model: Model, database: str | None = None, levels: Levels | None = None
    ) -> None:
        self.folder, self.store = folder, store
        self.people = Directory(store.people)
        self.hub = EventBus()
        findings = Findings()
        self.news = News(store, self.hub, findings)
        self.team = TeamNews(store, self.hub)
        self.decoder = Decoder(levels=levels)
        self.gallery = Gallery(folder, store, self.decoder, self.news, findings)
        self.objects = Objects(store, self.gallery, self.news, model)
        self.doubts = Doubts()
        self.errands = JobRunner(folder.address, database)
        self.imports = Imports(store, self.errands, self.hub, self.news)
        self.methods = Methods(self.objects, self.hub)
        self._closing = threading.Event()
        self.preannotator = Preannotator(folder, self.gallery, self.objects, self.news, self.hub, self._closing)
        self.takes_in_found = True
        """Whether a folder without objects begins with the annotations in it or beside it."""
        self.predicting = 0
        """Images of no photo that are being worked on."""
        self.pool = ThreadPoolExecutor(4, "fewclicks-pixels")
        """For what takes some milliseconds, such as pictures."""
        self.slow_pool = ThreadPoolExecutor(1, "fewclicks-slow")
        """For what nobody waits for with a click."""
        self.errands_pool = ThreadPoolExecutor(AT_ONCE, "fewclicks-errands")
        """For exports and imports."""
        self.watch = Watch(store, self.hub, self.news, self.team)
        self._settling = threading.Thread(target=self._settle, name="fewclicks-checkpoints", daemon=True)
        self.gallery.scan()
        if not store.classes():
            store.add_class(FIRST_CLASS)

    def start(self) -> None:
        """Begin with what takes a while: the model, the sizes of the photos, annotations that were there before."""
        self.objects.worker.each("model", self._load)
        self.gallery.start()
        self._settling.start()
        self.watch.start()

    def close(self) -> None:
        """Finish what was begun. The store is closed too."""
        self._closing.set()
        self.gallery.close()
        self.preannotator.close()
        self.watch.close()
        self.objects.worker.close()
        self.errands.close()
        for pool in (self.pool, self.slow_pool, self.errands_pool):
            pool.shutdown()
        self.decoder.close()
        self.gallery.join()
        if self._settling.is_alive():
            self._settling.join()
        self.store.close()

    def _load(self) -> None:
        """Load the model of a lane."""
        if self.objects.load() and self.takes_in_found and not self.store.has_objects():
            self.errands_pool.submit(self._begin_with_what_is_there)
        if self.objects.own is not None:
            self.hub.publish("model", self.objects.own)

    def _begin_with_what_is_there(self) -> None:
        """Take in the annotations beside photos that were never annotated here."""
        if self._closing.is_set() or not annotations_are_likely(self.folder.root, self.gallery.listed):
            return
        try:
            log.info("took in what was there: %s", self.imports.take_in())
        except FewClicksError as error:
            log.info("%s", error)

    def _settle(self) -> None:
        """Have the database's own file hold what was done, not only its log, and hear who may sign in. In a thread."""
        while not self._closing.wait(SETTLE_S):
            self.store.checkpoint()
            with contextlib.suppress(FewClicksError):  # the database is away: who clicks is told so
                self.people.refresh()
