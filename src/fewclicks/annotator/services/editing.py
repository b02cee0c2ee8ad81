"""Editing: actions, undo and redo of objects, computed by a predictor and kept in a store. No web."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from fewclicks.annotator.editing.actions import Action, Clicked, Replaced
from fewclicks.annotator.editing.history import KEEP_BYTES, History, Step, replay
from fewclicks.annotator.editing.mask_codec import EncodedMask, difference
from fewclicks.annotator.editing.windows import first_state_of
from fewclicks.annotator.store.objects import Store
from fewclicks.annotator.store.records import ObjectInfo
from fewclicks.config import quick
from fewclicks.errors import Conflict, UnknownName
from fewclicks.predictor import Predictor, State
from fewclicks.types import Image, Mask

LIVE_BYTES = 32 * 2**20
"""What histories in memory take, without the last one used; of others the store knows all that is needed."""

PREVIEW_BYTES = 64 * 2**20
"""The prob of a preview is kept for the click that may follow, of photos up to 16 megapixels."""

TRIES = 20
"""How often an action is computed anew because somebody else was quicker."""


@dataclass(frozen=True, slots=True)
class Change:
    """What an action did: the object as it is now, the new mask where it changed, the changed pixels per pass."""

    object: ObjectInfo
    patch: EncodedMask | None
    changed_px: tuple[int, ...] = ()
    others: tuple[ObjectInfo, ...] = ()
    """Objects that became a part of it or were one, and are deleted now or there again."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What an action would do: the new mask where it would change, the changed pixels per pass."""

    patch: EncodedMask | None
    changed_px: tuple[int, ...]


@dataclass(slots=True)
class _Live:
    """`version`: that of the object when its mask last changed."""

    history: History
    version: int


@dataclass(frozen=True, slots=True, eq=False)
class _Previewed:
    """What an action would give that is likely to be done next: the pointer rests where the user is about to click."""

    action: Action
    step: Step
    image: Image
    live: _Live | None
    """The object; None: one that does not exist yet."""
    version: int

    def on(self, live: _Live, action: Action) -> Step | None:
        """What an action gives on an object, if it is this."""
        if self.live is None:
            same = live.history.image is self.image and not live.history.entries
        else:
            same = live is self.live and live.version == self.version
        return self.step if same and action == self.action else None


class Editing:
    """Objects at work. One thread uses it.

    `start_of` gives a predictor's state before the first click for a photo's id; objects of one photo share it. `by`
    names the predictor in the journal. The store may be written by others at the same time: what they did is seen, and
    an action is computed anew on top of it, unless it was meant for the version before.
    """

    def __init__(
        self, store: Store, predictor: Predictor, start_of: Callable[[int], State], by: str = "", keep: int = KEEP_BYTES
    ) -> None:
        self.store = store
        self._predictor = predictor
        self.start_of = start_of
        self._by = by
        self._quick = quick(predictor)
        self._quick_start: State | None = None
        self._keep_bytes = keep
        self._live: OrderedDict[str, _Live] = OrderedDict()
        self._previewed: _Previewed | None = None

    def act(
        self, object_id: str, action_id: str, action: Action, if_version: int | None = None, person: str = ""
    ) -> Change:
        """Do an action and keep it; if one of this id was done already, or it says nothing new, tell how the object is.

        `person` is who asks for it, for the journal. Conflict if the object is no longer at `if_version`; then nothing
        has happened.
        """
        others = action.others if isinstance(action, Replaced) else ()
        if (done := self._done(object_id, action_id)) is not None:
            return Change(done, None, done.changed_px, self._infos(others))
        for _ in range(TRIES):
            live = self._at(object_id, if_version)
            if live.history.repeats(action):
                return Change(self.store.object(object_id), None)
            step = self._after(live, action)
            try:
                info = self.store.act(object_id, action_id, step.entry, live.version, if_version, self._by, person)
            except Conflict:
                if if_version is not None:
                    raise
                continue
            live.history.commit(step)
            live.version = info.mask_version
            return Change(info, step.patch, step.entry.changed_px, self._infos(others))
        raise Conflict("the object is being changed by others all the time; try again", self.store.object(object_id))

    def preview(self, object_id: str, action: Action, photo_id: int | None = None, at_once: bool = False) -> Preview:
        """What an action would do; the object stays as it is. With `photo_id` also to one that does not exist yet.

        `at_once`: a click only, as the quick predictor sees it where there is one (see `config.quick`).
        """
        try:
            live = self._at(object_id)
            history = live.history
        except UnknownName:
            if photo_id is None:
                raise
            live, history = None, History(self._predictor, self.start_of(photo_id))
        if history.repeats(action):
            return Preview(None, ())
        if at_once and self._quick is not None and isinstance(action, Clicked):
            start = self._begun(self._quick, history)
            return Preview(difference(history.mask, history.glimpse(self._quick, start, action)), ())
        self._previewed = None  # two would be two probs of a photo
        step = history.after(action)
        if step.held is not None and step.held.nbytes <= PREVIEW_BYTES:
            self._previewed = _Previewed(action, step, history.image, live, live.version if live else 0)
        return Preview(step.patch, step.entry.changed_px)

    def undo(self, object_id: str, action_id: str, if_version: int | None = None, person: str = "") -> Change:
        """Take back the last action; nothing happens when there is none, or when this was done already."""
        return self._move(object_id, action_id, if_version, person, "undo")

    def redo(self, object_id: str, action_id: str, if_version: int | None = None, person: str = "") -> Change:
        """Do again what was undone last; nothing happens when there is none, or when this was done already."""
        return self._move(object_id, action_id, if_version, person, "redo")

    def _begun(self, quick: Predictor, history: History) -> State:
        """The first state of the quick predictor, which previews of one photo share."""
        if self._quick_start is None or self._quick_start.image is not history.image:
            self._quick_start = first_state_of(quick, history.start)
        return self._quick_start

    def history(self, object_id: str) -> History:
        """The history of an object as the store has it now: its prob, its passes, `warm`."""
        return self._at(object_id).history

    def replay(self, object_id: str) -> Iterator[Mask]:
        """The mask after each action that is done, computed from nothing: those that are kept, bit for bit."""
        info, entries, done = self.store.history(object_id)
        return replay(self._predictor, self.start_of(info.photo_id), entries[:done])

    def _move(
        self, object_id: str, action_id: str, if_version: int | None, person: str, kind: Literal["undo", "redo"]
    ) -> Change:
        if (done := self._done(object_id, action_id)) is not None:
            return Change(done, None, done.changed_px)
        for _ in range(TRIES):
            live = self._at(object_id, if_version)
            before, others = live.history.mask, live.history.others(kind)
            for other in others:
                self.store.presence.require_free(other, person)
            try:
                info = getattr(self.store, kind)(object_id, action_id, live.version, if_version, person)
            except Conflict:
                if if_version is not None:
                    raise
                continue
            if info.mask_version != live.version:
                getattr(live.history, kind)()
                live.version = info.mask_version
            return Change(info, difference(before, live.history.mask), info.changed_px, self._infos(others))
        raise Conflict("the object is being changed by others all the time; try again", self.store.object(object_id))

    def _after(self, live: _Live, action: Action) -> Step:
        """What an action gives: computed, unless it was just previewed."""
        previewed, self._previewed = self._previewed, None
        return (previewed and previewed.on(live, action)) or live.history.after(action)

    def _infos(self, ids: tuple[str, ...]) -> tuple[ObjectInfo, ...]:
        return tuple(self.store.object(one) for one in ids)

    def _done(self, object_id: str, action_id: str) -> ObjectInfo | None:
        """The object, if an action of this id was done to it before."""
        done = self.store.known(action_id)
        return done if done is not None and done.id == object_id else None

    def _at(self, object_id: str, version: int | None = None) -> _Live:
        """The live history of an object, as the store has it now; Conflict if it is not at `version`."""
        info = self.store.object(object_id)
        _require(info, version)
        live = self._live.pop(info.id, None)
        if live is None or live.version != info.mask_version:
            info, entries, done = self.store.history(object_id)
            _require(info, version)  # somebody may have acted between the two readings
            start = self.start_of(info.photo_id)
            live = _Live(History(self._predictor, start, entries, done, self._keep_bytes), info.mask_version)
        self._make_room()
        self._live[info.id] = live
        return live

    def _make_room(self) -> None:
        """While histories take too much, those not used for longest keep only their last state, then nothing.

        Their photos count too.
        """
        total = self._nbytes()
        for live in self._live.values():
            if total <= LIVE_BYTES:
                return
            total -= live.history.nbytes
            live.history.thin()
            total += live.history.nbytes
        while self._live and self._nbytes() > LIVE_BYTES:
            self._live.popitem(last=False)

    def _nbytes(self) -> int:
        images = {id(live.history.image): live.history.image.nbytes for live in self._live.values()}
        return sum(images.values()) + sum(live.history.nbytes for live in self._live.values())


def _require(info: ObjectInfo, version: int | None) -> None:
    """Raise Conflict if the object is not at `version`; None is any."""
    if version not in (None, info.version):
        raise Conflict("the object has been changed by somebody else; look at it as it is now", info)
