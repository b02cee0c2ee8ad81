"""Whatever changes an object, computed in the worker one after another, saved, and told to the pages."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import TypeVar

from fewclicks.annotator.editing.actions import Action
from fewclicks.annotator.editing.history import History
from fewclicks.annotator.editing.mask_codec import EncodedMask
from fewclicks.annotator.editing.windows import first_state
from fewclicks.annotator.services import combining
from fewclicks.annotator.services.decoder import Urgency
from fewclicks.annotator.services.editing import Change, Editing, Preview
from fewclicks.annotator.services.gallery import Gallery
from fewclicks.annotator.services.lanes import Desk, Lanes
from fewclicks.annotator.services.model import Model, Passes
from fewclicks.annotator.services.news import News
from fewclicks.annotator.services.worker import Timed, Worker
from fewclicks.annotator.store.objects import Store
from fewclicks.annotator.store.records import Blank, Edit, ObjectInfo
from fewclicks.errors import FewClicksError, sentence
from fewclicks.geometry import Box
from fewclicks.predictor import Predictor, State
from fewclicks.types import Image

Result = TypeVar("Result")

log = logging.getLogger(__name__)

WARMED = 2
"""Open objects of a photo that are made ready for a click when it is opened."""


class Objects:
    """The objects of one folder and the model that answers their clicks. Threads may share it.

    What changes an object runs in the worker, in which those who ask take turns: it gives a future.
    """

    def __init__(self, store: Store, gallery: Gallery, news: News, model: Model) -> None:
        self.store, self._gallery, self._news, self.model = store, gallery, news, model
        self.failure: str | None = None
        """Why the model cannot be loaded."""
        self.worker = Worker() if model.workers == 1 else Lanes(model.workers)
        self._desk = Desk()
        self._predictor: Predictor | None = None
        """That of a lane, once one is ready."""
        self._by = ""
        self._photos: dict[str, int] = {}
        self._lock = threading.Lock()

    @property
    def ready(self) -> bool:
        """Whether the model is loaded."""
        return self._predictor is not None

    @property
    def own(self) -> Passes | None:
        """How the model refines by itself, once it is loaded."""
        return Passes.of(self._predictor) if self._predictor is not None else None

    # The model, in the worker

    def load(self) -> bool:
        """Load the model of a lane, before anything else is done in it. Tell whether it is the first there is."""
        try:
            predictor, by = self.model.load()
        except Exception as error:
            known = isinstance(error, FewClicksError)
            self.failure = sentence(str(error)) if known else "The model cannot be loaded; the server's log says why"
            log.error("the model cannot be loaded: %s", sentence(str(error)), exc_info=not known)
            return False
        return self.take(predictor, by)

    def take(self, predictor: Predictor, by: str) -> bool:
        """Have the lane answer with this model from now on. Tell whether it is the first there is."""
        self._desk.take(predictor, Editing(self.store, predictor, self.start_of, by))
        with self._lock:
            is_first, self._predictor, self._by = self._predictor is None, predictor, by
        return is_first

    def predictor(self) -> Predictor:
        """The model, once it is loaded. FewClicksError if it cannot be."""
        if self._desk.predictor is None:
            raise FewClicksError(self.failure or "the model is not loaded yet; wait a moment")
        return self._desk.predictor

    def edit(self) -> Editing:
        """What changes the objects, once the model is loaded. FewClicksError if it cannot be."""
        self.predictor()
        assert self._desk.editing is not None
        return self._desk.editing

    def start_of(self, photo_id: int) -> State:
        """The state before the first click, shared by the objects of a photo."""
        picture = self._gallery.picture(photo_id)
        _, stamp = self._gallery.stamp(photo_id)
        self._desk.started[photo_id] = stamp
        return self._desk.start_of(self.predictor(), picture.image, stamp)

    def history(self, image: Image) -> History:
        """A history of an image that is kept nowhere."""
        return History(self.predictor(), first_state(self.predictor(), image))

    # Ready for a click

    def prepare(self, photo_id: int) -> None:
        """Decode a photo and make the model ready for its first click."""
        self._gallery.picture(photo_id, Urgency.SOON)
        self.worker.idle(f"photo {photo_id}", lambda: self.start_of(photo_id))

    def warm(self, photo_id: int) -> None:
        """Make the model ready for a click on the objects that are open, when there is time."""
        open_ones = [info for info in self.store.objects(photo_id) if info.state == "open"]
        for info in sorted(open_ones, key=lambda info: info.z)[-WARMED:]:
            self.warm_object(info.id)

    def warm_object(self, object_id: str) -> None:
        """Make the model ready for a click on an object, when there is time."""
        self.worker.idle(f"object {object_id}", lambda: self.edit().history(object_id).warm())

    # Changes and looks

    def create(self, object_id: str, new: Blank, asker: str | None = None) -> Future[Timed[ObjectInfo]]:
        """A new object without a mask; one that exists already stays as it is."""

        def work() -> ObjectInfo:
            return self._told(self._made(object_id, new), photo_too=True)

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
        new: Blank | None = None,
    ) -> Future[Timed[Change]]:
        """Do an action. If it was done already, the change is the whole mask. `new`: the object may have to be made."""

        def do(edit: Editing) -> Change:
            return edit.act(object_id, action_id, action, if_version, person)

        return self._edited(object_id, action_id, asker, do, new, action)

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
        """What the first click of an object can mean. After the clicks that wait; who asks meanwhile gets the same."""

        def work() -> tuple[EncodedMask, ...]:
            return self.edit().history(object_id).candidates

        return self.worker.preview(f"candidates {object_id}", work, shared=True)

    def merge(
        self,
        object_id: str,
        action_id: str,
        others: Sequence[str],
        if_version: int | None,
        person: str = "",
        asker: str | None = None,
    ) -> Future[Timed[Change]]:
        """Make other objects a part of this one, and tell of those too."""
        return self._edited(
            object_id,
            action_id,
            asker,
            lambda edit: combining.merge(edit, object_id, action_id, others, if_version, person),
        )

    def split(
        self, object_id: str, action_id: str, if_version: int | None, person: str = "", asker: str | None = None
    ) -> Future[Timed[Change]]:
        """Make an object of each connected part."""
        return self._edited(
            object_id, action_id, asker, lambda edit: combining.split(edit, object_id, action_id, if_version, person)
        )

    def preview(self, object_id: str, action: Action, photo_id: int | None, at_once: bool) -> Future[Timed[Preview]]:
        """What a click would do. After the clicks that wait; a newer one, or a click on the object, cancels it.

        But if it runs, and is exact, when that very click comes, it is done to its end, which the click then keeps.
        """

        def work() -> Preview:
            return self.edit().preview(object_id, action, photo_id, at_once)

        return self.worker.preview(object_id, work, of=None if at_once else action)

    def look(self, object_id: str, see: Callable[[History], Result], asker: str | None = None) -> Future[Timed[Result]]:
        """Look into the history of an object: its passes, its prob."""
        return self.worker.submit(f"look {object_id}", lambda: see(self.edit().history(object_id)), asker)

    # Within

    def _edited(
        self,
        object_id: str,
        action_id: str,
        asker: str | None,
        do: Callable[[Editing], Change],
        new: Blank | None = None,
        action: Action | None = None,
    ) -> Future[Timed[Change]]:
        def work() -> Change:
            if new is not None:
                self._made(object_id, new)
            repeated = self.store.known(action_id) is not None
            self._require_same_file(self._photo_of(object_id))
            change = do(self.edit())
            for other in change.others:
                self._told(other)
            if repeated:
                mask = self.store.mask(object_id)
                return replace(change, patch=EncodedMask.pack(mask.mask(), Box.whole(mask.hw)))
            photo_too = new is not None or bool(change.others)
            return replace(change, object=self._told(change.object, photo_too))

        return self.worker.submit(object_id, work, asker, action)

    def _made(self, object_id: str, new: Blank) -> ObjectInfo:
        return self.store.create(object_id, new.photo_id, new.class_id, new.name)

    def _told(self, info: ObjectInfo, photo_too: bool = False) -> ObjectInfo:
        self._news.object(info)
        if photo_too:
            self._news.photo(info.photo_id)
        return info

    def _photo_of(self, object_id: str) -> int:
        """The photo of an object, which never changes."""
        if object_id not in self._photos:
            self._photos[object_id] = self.store.object(object_id).photo_id
        return self._photos[object_id]

    def _require_same_file(self, photo_id: int) -> None:
        """Forget what is known of the photos if the file of this one has changed since. In the worker."""
        started = self._desk.started.get(photo_id)
        if started is not None and started != self._gallery.stamp(photo_id)[1]:
            self._desk.editing = Editing(self.store, self.predictor(), self.start_of, self._by)
            self._desk.started.clear()
            self._gallery.forget_size(photo_id)
