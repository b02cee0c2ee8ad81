"""The annotator of one folder: its photos, its store, the model in its worker, and who listens. No web.

page ── api ── Annotator ─┬─ Pictures ── Decoder (a process)      photos, decoded and cut into tiles
                          ├─ Worker ──── Editing ── Predictor     whatever changes an object, one after another
                          ├─ Store                                the database
                          └─ EventBus                             events for the other pages
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from fewclicks.annotator.editing.actions import Action
from fewclicks.annotator.editing.history import History
from fewclicks.annotator.editing.mask_codec import EncodedMask
from fewclicks.annotator.editing.windows import first_state
from fewclicks.annotator.server.errors import sentence
from fewclicks.annotator.server.preannotations import JobOut
from fewclicks.annotator.server.schemas import ClassOut, Imported, ObjectOut, OwnPasses, PhotoOut
from fewclicks.annotator.services import combining
from fewclicks.annotator.services.database_watch import Watch
from fewclicks.annotator.services.decoder import Decoder, Urgency
from fewclicks.annotator.services.detection import annotations_are_likely
from fewclicks.annotator.services.doubting import Doubts
from fewclicks.annotator.services.editing import Change, Editing
from fewclicks.annotator.services.events import EventBus
from fewclicks.annotator.services.import_export import names_without_masks
from fewclicks.annotator.services.jobs import AT_ONCE, JobRunner
from fewclicks.annotator.services.lanes import Desk, Lanes
from fewclicks.annotator.services.methods import Methods
from fewclicks.annotator.services.model import Model
from fewclicks.annotator.services.people import Directory
from fewclicks.annotator.services.photos import PhotoFolder, Picture, Pictures, Stamp
from fewclicks.annotator.services.preannotating import Job, Preannotator
from fewclicks.annotator.services.team_news import TeamNews
from fewclicks.annotator.services.worker import Timed, Worker
from fewclicks.annotator.store.objects import Store
from fewclicks.annotator.store.records import Edit, ObjectInfo, PhotoInfo
from fewclicks.errors import FewClicksError, InputError, StoreError
from fewclicks.formats.annotations import PhotoState
from fewclicks.geometry import Box
from fewclicks.images.levels import Levels
from fewclicks.predictor import Predictor, State
from fewclicks.types import Image

Result = TypeVar("Result")

log = logging.getLogger(__name__)

RESCAN_S = 2.0
"""The folder is not looked through more often than this."""
SETTLE_S = 1.0
"""The database is looked after so often."""
WARMED = 2
"""Open objects of a photo that are made ready for a click when it is opened."""
FIRST_CLASS = "object"


class Annotator:
    """All that the API does, for one folder. Threads may share it.

    What changes objects runs in the worker: those methods give futures. The others answer at once.
    """

    def __init__(
        self, folder: PhotoFolder, store: Store, model: Model, database: str | None = None, levels: Levels | None = None
    ) -> None:
        self.folder, self.store, self.model = folder, store, model
        self.people = Directory(store.people)
        self.hub = EventBus()
        self.watch = Watch(store, self.hub, self.publish_object, self.publish_photo, self.publish_classes)
        self.team = TeamNews(store, self.hub)
        self.watch.others = self.team.look
        self.decoder = Decoder(levels=levels)
        self.pictures = Pictures(folder, self.decoder)
        self.doubts = Doubts()
        self.errands = JobRunner(folder.address, database)
        self.preannotator, self.methods = Preannotator(self), Methods(self)
        self.takes_in_found = True
        """Whether a folder without objects begins with the annotations in it or beside it."""
        self.failure: str | None = None
        """Why the model cannot be loaded."""
        self._problems: dict[int, str] = {}
        self._notes: dict[int, tuple[str, ...]] = {}
        self._sizes: dict[int, tuple[int, int]] = {}
        self._listed: list[str] = []
        self._present: frozenset[str] = frozenset()
        self._names: dict[int, str] = {}
        self._photos: dict[str, int] = {}
        self._scanned = -RESCAN_S
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self.closing = self._closing.is_set
        self._news = threading.Event()
        """There are photos that nobody has looked at."""
        self._desk = Desk()
        self._predictor: Predictor | None = None
        """That of a lane, once one is ready."""
        self._by = ""
        self.worker = Worker() if model.workers == 1 else Lanes(model.workers)
        self.pool = ThreadPoolExecutor(4, "fewclicks-pixels")
        """For what takes some milliseconds, such as pictures."""
        self.predicting = 0
        """Images of no photo that are being worked on."""
        self.slow_pool = ThreadPoolExecutor(1, "fewclicks-slow")
        """For what nobody waits for with a click."""
        self.errands_pool = ThreadPoolExecutor(AT_ONCE, "fewclicks-errands")
        """For exports and imports."""
        self._looking = threading.Thread(target=self._look_through, name="fewclicks-sizes", daemon=True)
        self._settling = threading.Thread(target=self._settle, name="fewclicks-checkpoints", daemon=True)
        self.scan()
        if not store.classes():
            store.add_class(FIRST_CLASS)

    def start(self) -> None:
        """Begin with what takes a while: the model, the sizes of the photos, annotations that were there before."""
        self.worker.each("model", self._load)
        self._looking.start()
        self._settling.start()
        self.watch.start()

    def close(self) -> None:
        """Finish what was begun. The store is closed too."""
        self._closing.set()
        self._news.set()
        self.preannotator.close()
        self.watch.close()
        self.worker.close()
        self.errands.close()
        for pool in (self.pool, self.slow_pool, self.errands_pool):
            pool.shutdown()
        self.decoder.close()
        for thread in (self._looking, self._settling):
            if thread.is_alive():
                thread.join()
        self.store.close()

    @property
    def ready(self) -> bool:
        """Whether the model is loaded."""
        return self._predictor is not None

    @property
    def own(self) -> OwnPasses | None:
        """How the model refines by itself, once it is loaded."""
        return OwnPasses.of(self._predictor) if self._predictor is not None else None

    # Photos

    def scan(self, at_once: bool = False) -> None:
        """See which photos are in the folder, and make new ones known; not more often than every two seconds."""
        with self._lock:
            if not at_once and monotonic() - self._scanned < RESCAN_S:
                return
            self._scanned = monotonic()
        listed = self.folder.names()
        if listed == self._listed:
            return
        names = names_without_masks(self.folder, self.decoder)
        self.store.add_photos(names)
        self._listed, self._present = listed, frozenset(names)
        self._news.set()

    def photos(self, state: PhotoState | None = None) -> list[PhotoInfo]:
        """The photos of the folder; of those that are gone only the ones that have objects."""
        return [info for info in self.store.photos(state) if info.name in self._present or info.objects]

    def problem(self, info: PhotoInfo) -> str | None:
        """Why a photo cannot be shown, as far as it is known."""
        if info.name not in self._present:
            return "The photo is not in the folder any more; put it back, or delete its objects"
        return self._problems.get(info.id)

    def photo_out(self, info: PhotoInfo) -> PhotoOut:
        """A photo as the API gives it."""
        return PhotoOut.of(info, self.problem(info), self._notes.get(info.id, ()))

    def picture(self, photo_id: int, urgency: Urgency = Urgency.NOW) -> Picture:
        """A photo, decoded; FewClicksError if it cannot be, and then its problem is known."""
        info = self.store.photo(photo_id)
        try:
            picture = self.pictures.get(info.name, urgency)
            if self._sizes.get(photo_id) != picture.hw:
                self._keep_size(info, picture.hw)
        except FewClicksError as error:
            self._note_problem(photo_id, error)
            raise
        was = self._problems.pop(photo_id, None), self._notes.get(photo_id, ())
        self._notes[photo_id] = picture.notes
        if was != (None, picture.notes):
            self.publish_photo(photo_id)
        return picture

    def require_size(self, photo_id: int) -> None:
        """Find the size of a photo if it is not known yet: masks have it."""
        if photo_id not in self._sizes and self.store.photo(photo_id).hw is None:
            self.picture(photo_id)

    def stamp(self, photo_id: int) -> tuple[str, Stamp]:
        """A photo's name, and its file as it is now."""
        if photo_id not in self._names:
            self._names[photo_id] = self.store.photo(photo_id).name
        return self._names[photo_id], self.folder.locate(self._names[photo_id])

    def prepare(self, photo_id: int) -> None:
        """Decode a photo and make the model ready for its first click."""
        self.picture(photo_id, Urgency.SOON)
        self.worker.idle(f"photo {photo_id}", lambda: self.start_of(photo_id))

    def warm(self, photo_id: int) -> None:
        """Make the model ready for a click on the objects that are open, when there is time."""
        open_ones = [info for info in self.store.objects(photo_id) if info.state == "open"]
        for info in sorted(open_ones, key=lambda info: info.z)[-WARMED:]:
            self.warm_object(info.id)

    def warm_object(self, object_id: str) -> None:
        """Make the model ready for a click on an object, when there is time."""
        self.worker.idle(f"object {object_id}", lambda: self.edit().history(object_id).warm())

    # Objects: by the worker, in which those who ask take turns

    def create(
        self, object_id: str, photo_id: int, class_id: int, name: str, asker: str | None = None
    ) -> Future[Timed[ObjectInfo]]:
        """A new object without a mask; one that exists already stays as it is."""

        def work() -> ObjectInfo:
            return self._told(self.store.create(object_id, photo_id, class_id, name), photo_too=True)

        return self.worker.submit(object_id, work, asker)

    def change(
        self, object_id: str, edit: Edit, if_version: int | None, person: str = "", asker: str | None = None
    ) -> Future[Timed[ObjectInfo]]:
        """Another class, name, order or state; deleted or restored."""

        def work() -> ObjectInfo:
            info = self.store.change(object_id, edit, if_version, person)
            if edit.state == "open":
                self.warm_object(object_id)
            return self._told(info, photo_too=edit.deleted is not None)

        return self.worker.submit(object_id, work, asker)

    def act(
        self,
        object_id: str,
        action_id: str,
        action: Action,
        if_version: int | None,
        person: str = "",
        asker: str | None = None,
    ) -> Future[Timed[Change]]:
        """Do an action. If it was done already, the change is the whole mask."""
        return self._edited(
            object_id, action_id, asker, lambda edit: edit.act(object_id, action_id, action, if_version, person)
        )

    def undo(
        self, object_id: str, action_id: str, if_version: int | None, person: str = "", asker: str | None = None
    ) -> Future[Timed[Change]]:
        """Take the last action back."""
        return self._edited(
            object_id, action_id, asker, lambda edit: edit.undo(object_id, action_id, if_version, person)
        )

    def redo(
        self, object_id: str, action_id: str, if_version: int | None, person: str = "", asker: str | None = None
    ) -> Future[Timed[Change]]:
        """Do again what was undone last."""
        return self._edited(
            object_id, action_id, asker, lambda edit: edit.redo(object_id, action_id, if_version, person)
        )

    def candidates(self, object_id: str) -> Future[Timed[tuple[EncodedMask, ...]]]:
        """What the first click of an object can mean. After the clicks that wait; newer ones cancel it."""
        return self.worker.preview(f"candidates {object_id}", lambda: self.edit().history(object_id).candidates)

    def merge(
        self,
        object_id: str,
        action_id: str,
        others: Sequence[str],
        if_version: int | None,
        person: str = "",
        asker: str | None = None,
    ) -> Future[Timed[tuple[Change, list[ObjectInfo]]]]:
        """Make other objects a part of this one, and tell of those too."""
        return self._combined(
            object_id, asker, lambda edit: combining.merge(edit, object_id, action_id, others, if_version, person)
        )

    def split(
        self, object_id: str, action_id: str, if_version: int | None, person: str = "", asker: str | None = None
    ) -> Future[Timed[tuple[Change, list[ObjectInfo]]]]:
        """Make an object of each connected part."""
        return self._combined(
            object_id, asker, lambda edit: combining.split(edit, object_id, action_id, if_version, person)
        )

    def look(self, object_id: str, see: Callable[[History], Result], asker: str | None = None) -> Future[Timed[Result]]:
        """Look into the history of an object: its passes, its prob."""
        return self.worker.submit(f"look {object_id}", lambda: see(self.edit().history(object_id)), asker)

    def history(self, image: Image) -> History:
        """A history of an image that is kept nowhere. In the worker."""
        return History(self.predictor(), first_state(self.predictor(), image))

    def predictor(self) -> Predictor:
        """The model, once it is loaded; in the worker. FewClicksError if it cannot be."""
        if self._desk.predictor is None:
            raise FewClicksError(self.failure or "the model is not loaded yet; wait a moment")
        return self._desk.predictor

    # Imports

    def take_in(self, *arguments: str, person: str = "", hide: Sequence[Path] = ()) -> Imported:
        """Take in annotations as `fewclicks import` does, without arguments those that are there; tell the pages."""
        who = [f"--person={person}"] if person else []
        said = self.errands.run("import", *arguments, *who, hide=hide)
        if not said.get("dry_run"):
            self.publish_classes()
            said["notes"] = [sentence(note) for note in said["notes"]]
        self.hub.publish("imported", {name: said[name] for name in ("id", "objects", "photos", "notes")})
        return Imported.model_validate(said)

    def undo_import(self, import_id: str, redo: bool, person: str = "") -> int:
        """Take a whole import back, or do it again; tell the pages. Returns how many objects were changed."""
        count = self.store.undo_import(import_id, person, redo)
        self.hub.publish("imported", {"id": import_id, "objects": count, "notes": [], "undone": not redo})
        return count

    # Events

    def publish_photo(self, photo_id: int) -> None:
        """Tell all pages how a photo is now: they list it."""
        if self.hub.shown():
            info = self.store.photo(photo_id)
            self.hub.publish("photo", self.photo_out(info).model_dump(mode="json"))

    def publish_classes(self) -> None:
        """Tell the pages which classes there are now."""
        self.hub.publish("classes", [ClassOut.of(info).model_dump(mode="json") for info in self.store.classes()])

    def publish_object(self, info: ObjectInfo) -> None:
        """Tell the pages that show it how an object is now."""
        if info.photo_id in self.hub.shown() and self.watch.is_news(info):
            self.hub.publish("object", ObjectOut.of(info).model_dump(mode="json"), info.photo_id)

    def publish_objects(self, photo_id: int) -> None:
        """Tell the pages that show a photo that many of its objects have changed: they read all of them at once."""
        self.hub.publish("objects", {"photo_id": photo_id}, photo_id)

    def told_of_job(self, job: Job) -> dict[str, Any]:
        """A pre-annotation as the API gives it."""
        return JobOut.of(job).model_dump(mode="json")

    # Within

    def _edited(
        self, object_id: str, action_id: str, asker: str | None, do: Callable[[Editing], Change]
    ) -> Future[Timed[Change]]:
        def work() -> Change:
            repeated = self.store.known(action_id) is not None
            self._require_same_file(self._photo_of(object_id))
            change = do(self.edit())
            if repeated:
                mask = self.store.mask(object_id)
                return Change(change.object, EncodedMask.pack(mask.mask(), Box.whole(mask.hw)), change.changed_px)
            self.publish_object(change.object)
            return change

        return self.worker.submit(object_id, work, asker)

    def _combined(
        self, object_id: str, asker: str | None, do: Callable[[Editing], tuple[Change, list[ObjectInfo]]]
    ) -> Future[Timed[tuple[Change, list[ObjectInfo]]]]:
        def work() -> tuple[Change, list[ObjectInfo]]:
            self._require_same_file(self._photo_of(object_id))
            change, others = do(self.edit())
            for info in (change.object, *others):
                self._told(info, photo_too=info is change.object)
            return change, others

        return self.worker.submit(object_id, work, asker)

    def _told(self, info: ObjectInfo, photo_too: bool = False) -> ObjectInfo:
        self.publish_object(info)
        if photo_too:
            self.publish_photo(info.photo_id)
        return info

    def _load(self) -> None:
        """Load the model of a lane. In each lane, before anything else."""
        try:
            predictor, by = self.model.load()
        except Exception as error:
            known = isinstance(error, FewClicksError)
            self.failure = _line(error) if known else "The model cannot be loaded; the server's log says why"
            log.error("the model cannot be loaded: %s", _line(error), exc_info=not known)
            return
        if self.take(predictor, by) and self.takes_in_found and not self.store.has_objects():
            self.errands_pool.submit(self._begin_with_what_is_there)
        if self.own is not None:
            self.hub.publish("model", self.own.model_dump(mode="json"))

    def take(self, predictor: Predictor, by: str) -> bool:
        """Have the lane answer with this model from now on; in the worker. Tell whether it is the first there is."""
        self._desk.take(predictor, Editing(self.store, predictor, self.start_of, by))
        with self._lock:
            is_first, self._predictor, self._by = self._predictor is None, predictor, by
        return is_first

    def _begin_with_what_is_there(self) -> None:
        """Take in the annotations beside photos that were never annotated here."""
        if self._closing.is_set() or not annotations_are_likely(self.folder.root, self._listed):
            return
        try:
            log.info("took in what was there: %s", self.take_in())
        except FewClicksError as error:
            log.info("%s", error)

    def edit(self) -> Editing:
        """What changes the objects, once the model is loaded; in the worker. FewClicksError if it cannot be."""
        self.predictor()
        assert self._desk.editing is not None
        return self._desk.editing

    def start_of(self, photo_id: int) -> State:
        """The state before the first click, shared by the objects of a photo. In the worker."""
        picture = self.picture(photo_id)
        _, stamp = self.stamp(photo_id)
        self._desk.started[photo_id] = stamp
        return self._desk.start_of(self.predictor(), picture.image, stamp)

    def _photo_of(self, object_id: str) -> int:
        """The photo of an object, which never changes."""
        if object_id not in self._photos:
            self._photos[object_id] = self.store.object(object_id).photo_id
        return self._photos[object_id]

    def _require_same_file(self, photo_id: int) -> None:
        """Forget what is known of the photos if the file of this one has changed since. In the worker."""
        started = self._desk.started.get(photo_id)
        if started is not None and started != self.stamp(photo_id)[1]:
            self._desk.editing = Editing(self.store, self.predictor(), self.start_of, self._by)
            self._desk.started.clear()
            self._sizes.pop(photo_id, None)

    def _keep_size(self, info: PhotoInfo, hw: tuple[int, int]) -> None:
        """Remember the size of a photo; InputError if it has objects and was of another size."""
        if info.hw != hw:
            try:
                self.store.change_photo(info.id, hw=hw)
            except StoreError as error:
                raise InputError(str(error)) from error
        self._sizes[info.id] = hw

    def _note_problem(self, photo_id: int, error: FewClicksError) -> None:
        text = _line(error)
        if not self._closing.is_set() and self._problems.get(photo_id) != text:
            self._problems[photo_id] = text
            self.publish_photo(photo_id)

    def _look_through(self) -> None:
        """Find the sizes of new photos, and those that are none. In a thread of its own."""
        while self._news.wait() and not self._closing.is_set():
            self._news.clear()
            for info in self.store.photos():
                if self._closing.is_set():
                    return
                if info.hw is None and info.name in self._present and not self.folder.is_remote:
                    self._look_at(info)

    def _settle(self) -> None:
        """Have the database's own file hold what was done, not only its log, and hear who may sign in. In a thread."""
        while not self._closing.wait(SETTLE_S):
            self.store.checkpoint()
            with contextlib.suppress(FewClicksError):  # the database is away: who clicks is told so
                self.people.refresh()

    def _look_at(self, info: PhotoInfo) -> None:
        try:
            hw = self.decoder.hw(self.folder.locate(info.name).path)
            if not self._closing.is_set() and self._sizes.get(info.id) is None:
                self._keep_size(info, hw)
        except FewClicksError as error:
            self._note_problem(info.id, error)


def _line(error: Exception) -> str:
    return sentence(str(error))
