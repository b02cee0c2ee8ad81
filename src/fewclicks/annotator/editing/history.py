"""The history of one object: its actions, the masks they gave, undo and redo. No database, no web.

An object is the fold of its actions over a predictor's State, so the same actions give the same mask, bit for bit. The
masks are kept packed, the states (prob and a predictor's memo) only for the last actions. A state that is needed again
is computed again and must give the mask that was kept. Where it does not, because weights have changed, or where that
would take too long, the kept mask itself is what the next action starts from, and its entry says so: it is `fresh`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from fewclicks.annotator.editing.actions import (
    FROM_MASKS,
    Action,
    Chosen,
    Clicked,
    Prompted,
    Replaced,
    Scribbled,
    Thresholded,
)
from fewclicks.annotator.editing.apply import Prompts, hw_of, marked, settled
from fewclicks.annotator.editing.mask_codec import EncodedMask, compared, difference
from fewclicks.annotator.editing.windows import Snapshot, doubt, folded, meant, of_mask, performed
from fewclicks.clicks import Clicks
from fewclicks.errors import InputError
from fewclicks.history import UndoHistory
from fewclicks.predictor import Predictor, State
from fewclicks.propagation import Doubt
from fewclicks.types import Image, Mask, Prob

KEEP_BYTES = 32 * 2**20
"""States that are kept: 20 of a 480x854 photo, two of larger ones. Others are computed again when they are needed."""

REPLAY_PASSES = 16
"""Steps of the predictor that are computed again for a state that is no longer kept; 12 clicks of CFR-0 are 12."""


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """An action and what it gave: the mask, the clicks that count and the threshold after it."""

    action: Action
    mask: EncodedMask
    fresh: bool = False
    """The action began from the mask before it, not from the prob."""
    clicks: Clicks = field(default_factory=Clicks)
    threshold: float = 0.5
    changed_px: tuple[int, ...] = ()
    """Pixels that changed side in each pass; of actions without passes one number."""


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """What an action would give. `History.commit` keeps it."""

    entry: Entry
    at: int
    """How many actions are done before it."""
    held: Snapshot | None
    """None: the prob was not needed, and is not known."""
    passes: tuple[EncodedMask, ...]
    """The mask after each pass of a click, the last one that of the entry."""
    patch: EncodedMask | None
    """The new mask inside the box of all that it changed; None where it changed nothing."""


class History:
    """The actions of one object, done and undone, and its mask.

    `start` is the predictor's state before the first click; objects of one photo share it. `entries` are what a store
    kept: the first `done` of them (None: all) are done, the others can be redone. Nothing changes when a call raises.
    """

    def __init__(
        self,
        predictor: Predictor,
        start: State,
        entries: Sequence[Entry] = (),
        done: int | None = None,
        keep_bytes: int = KEEP_BYTES,
    ) -> None:
        self._predictor = predictor
        self._start = start
        first = Snapshot(start, Prompts(threshold=start.threshold))
        self._undo: UndoHistory[Entry, Snapshot] = UndoHistory(
            first, lambda held: held.nbytes, keep_bytes, entries, done
        )
        self._kept = self._undo.states
        self._inexact: tuple[int, Snapshot] | None = None
        self._passes: tuple[int, tuple[EncodedMask, ...]] = -1, ()
        self._meant: tuple[tuple[object, ...], list[Snapshot]] = (), []
        """What a click can mean: the click and how it was refined, and the masks if they are small enough to keep."""

    @property
    def start(self) -> State:
        """The state before the first click."""
        return self._start

    @property
    def image(self) -> Image:
        """HxWx3 uint8 RGB."""
        return self._start.image

    @property
    def nbytes(self) -> int:
        """What the masks and the states take in memory, without the first state."""
        packed = sum(len(entry.mask.data) for entry in self._undo.every)
        kept = sum(held.nbytes for held in self._kept) - self._kept[0].nbytes
        meant = sum(held.nbytes for held in self._meant[1])
        return packed + kept + meant + (self._inexact[1].nbytes if self._inexact else 0)

    @property
    def mask(self) -> EncodedMask:
        """The mask, kept packed: no state is computed for it."""
        return self._mask(self._undo.done)

    @property
    def clicks(self) -> Clicks:
        """The clicks that count: without those that a later stroke or mask has overruled."""
        return self._undo.last.clicks if self._undo.last else Clicks()

    @property
    def threshold(self) -> float:
        """Where prob becomes mask."""
        return self._undo.last.threshold if self._undo.last else self._start.threshold

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What is done, oldest first."""
        return self._undo.actions

    @property
    def undo_kind(self) -> str | None:
        """The kind of the action that `undo` would take back."""
        return self._undo.last.action.kind if self._undo.last else None

    @property
    def redo_kind(self) -> str | None:
        """The kind of the action that `redo` would do again."""
        return self._undo.next.action.kind if self._undo.next else None

    @property
    def prob(self) -> Prob:
        """HxW float32. Computed again if it is not kept; of an imported mask, or a fresh start, 0 and 1."""
        return self._held(self._undo.done).prob(hw_of(self._start))

    @property
    def passes(self) -> tuple[EncodedMask, ...]:
        """The masks after each pass of the last prompt that is done; computed again if need be. Empty without one."""
        prompts = (n for n, entry in enumerate(self.entries) if isinstance(entry.action, Prompted))
        last = max(prompts, default=None)
        if last is None:
            return ()
        if self._passes[0] != last:
            entry = self._undo.every[last]
            step = self._after(last, entry.action)
            same = difference(step.entry.mask, entry.mask) is None
            self._passes = last, step.passes if same else (entry.mask,)
        return self._passes[1]

    @property
    def candidates(self) -> tuple[EncodedMask, ...]:
        """What the first click can mean, its own mask first; empty once more was said."""
        first, *others = self.entries or (None,)
        if first is None or not isinstance(first.action, Clicked) or not first.action.positive:
            return ()
        if not all(entry is not None and isinstance(entry.action, Chosen) for entry in others):
            return ()
        choice = Chosen(0, first.action.cfr, first.action.adaptive)
        marks = marked(self._kept[0].marks, first.action, hw_of(self._start))
        found = meant(self._predictor, self._start, replace(self._kept[0], marks=marks), choice)
        if sum(one.nbytes for one in found) <= KEEP_BYTES:
            self._meant = _meaning(marks, choice), found
        return tuple(one.mask(hw_of(self._start)) for one in found)

    @property
    def doubt(self) -> Doubt:
        """What one more pass of the cascade would change."""
        return doubt(self._predictor, self._start, self._held(self._undo.done))

    def others(self, way: Literal["undo", "redo"]) -> tuple[str, ...]:
        """Ids of the objects that undo or redo would bring back or delete, besides what it does to this one."""
        entry = self._undo.last if way == "undo" else self._undo.next
        return entry.action.others if entry and isinstance(entry.action, Replaced) else ()

    def repeats(self, action: Action) -> bool:
        """Whether an action is a click that counts already, refined in the same way: it has nothing to say."""
        if not isinstance(action, Clicked):
            return False
        hw = hw_of(self._start)
        Clicks((action.click,)).require_inside(hw)
        counts = {(click.pixel(hw), click.positive) for click in self.clicks}
        before = (entry.action for entry in self._undo.every[: self._undo.done])
        return (action.click.pixel(hw), action.positive) in counts and any(
            isinstance(earlier, Clicked)
            and (earlier.click.pixel(hw), earlier.positive) == (action.click.pixel(hw), action.positive)
            and (action.cfr is None or (earlier.cfr, earlier.adaptive) == (action.cfr, action.adaptive))
            for earlier in before
        )

    def glimpse(self, quick: Predictor, start: State, action: Clicked) -> EncodedMask:
        """What a click would give, as a predictor sees it that is quicker (see `config.quick`). Nothing is kept.

        `start`: `windows.first_state_of` it.
        """
        hw, held = hw_of(self._start), self._held(self._undo.done)
        if held.state.memo is self._start.memo:  # no region is looked at yet: the photo is as small as it was before
            held = replace(held, state=replace(held.state, memo=start.memo))
        marks = marked(held.marks, action, hw)
        plain = settled(quick, replace(action, cfr=0, adaptive=False), held.marks, marks, None)
        return folded(quick, start, held, marks, plain).mask(hw)

    def after(self, action: Action) -> Step:
        """What an action would give now. Nothing is kept: also the preview. InputError for a click beside the photo."""
        return self._after(self._undo.done, action)

    def commit(self, step: Step) -> None:
        """Keep what `after` gave; what was undone can then no longer be redone."""
        if step.at != self._undo.done:
            raise InputError("the object has changed since this was computed; compute it again")
        self._inexact = None
        if not isinstance(step.entry.action, Chosen):
            self._meant = (), []
        if step.held is not None and step.held.nbytes > KEEP_BYTES:  # as of 100 megapixels: one at a time
            self._kept.drop_after(0)
        self._undo.commit(step.entry, step.held)
        if step.passes:
            self._passes = step.at, step.passes

    def undo(self) -> bool:
        """Take back the last action; False when there is none."""
        return self._undo.undo()

    def redo(self) -> bool:
        """Do again what was undone last; False when there is none."""
        return self._undo.redo()

    def warm(self) -> None:
        """Compute the present state if it is not kept, so that the next click does not have to."""
        self._held(self._undo.done)

    def thin(self) -> None:
        """Give the memory of all states but the present one back: the next click needs no other."""
        self._meant = (), []
        self._kept.drop_but(self._undo.done)

    def _mask(self, done: int) -> EncodedMask:
        return self._undo.every[done - 1].mask if done else EncodedMask.empty(hw_of(self._start))

    def _held(self, done: int) -> Snapshot:
        """What there is after `done` actions: kept, computed again, or what the kept mask tells."""
        if done in self._kept:
            return self._kept[done]
        if self._inexact is None or self._inexact[0] != done:
            held = self._again(done)
            if held is not None:
                return held
            self._inexact = done, self._from_mask(done)
        return self._inexact[1]

    def _again(self, done: int) -> Snapshot | None:
        """Computed again from the nearest point that is kept; None if that takes long or gives another mask."""
        near = self._kept.nearest(done)
        for n in range(near, done):
            if _forgets(self._undo.every[n]):
                near = n
        todo = self._undo.every[near:done]
        if sum(len(entry.changed_px) for entry in todo if isinstance(entry.action, Prompted)) > REPLAY_PASSES:
            return None
        held = self._kept[near] if near in self._kept else self._from_mask(near)
        for n, entry in enumerate(todo, near):
            held = _folded(self._predictor, self._start, self._from_mask(n) if entry.fresh else held, entry.action)
            if difference(held.mask(hw_of(self._start)), entry.mask) is not None:
                return None
            self._kept.keep(n + 1, held)
        return held

    def _from_mask(self, done: int) -> Snapshot:
        """What the mask after `done` actions tells, and what the user has said until then."""
        begin = max((n for n in range(done) if isinstance(self._undo.every[n].action, Replaced)), default=0)
        marks = Prompts(threshold=self._start.threshold)
        for entry in self._undo.every[begin:done]:
            marks = replace(marked(marks, entry.action, hw_of(self._start)), clicks=entry.clicks)
        if done:
            marks = replace(marks, threshold=self._undo.every[done - 1].threshold)
        return of_mask(self._predictor, self._start, self._mask(done), marks)

    def _after(self, done: int, action: Action) -> Step:
        known = done in self._kept
        if isinstance(
            action, Clicked | Scribbled | Thresholded
        ):  # what they give depends on the prob, of the others on the mask
            held = self._held(done)
            known, fresh = True, done not in self._kept
        else:
            held, fresh = self._kept[done] if known else self._from_mask(done), False
            known |= isinstance(action, FROM_MASKS)
        hw, before = hw_of(self._start), self._mask(done)
        marks = marked(held.marks, action, hw)
        action = settled(self._predictor, action, held.marks, marks, self._undo.every[0].action if done else None)
        masks, changed, patch = list[EncodedMask](), list[int](), None
        for after in self._performed(held, marks, action):
            held, mask = after, after.mask(hw)
            count, patch = compared(masks[-1] if masks else before, mask)
            masks.append(mask)
            changed.append(count)
        if len(masks) > 1:
            patch = difference(before, masks[-1])
        passes = tuple(masks) if isinstance(action, Prompted) else ()
        entry = Entry(action, masks[-1], fresh, marks.clicks, marks.threshold, tuple(changed))
        return Step(entry, done, held if known else None, passes, patch)

    def _performed(self, held: Snapshot, marks: Prompts, action: Action) -> Iterable[Snapshot]:
        """What an action gives after each pass; of what a click can mean, as it was shown."""
        key, found = self._meant
        if isinstance(action, Chosen) and key == _meaning(marks, action) and action.number < len(found):
            return [found[action.number]]
        return performed(self._predictor, self._start, held, marks, action)


def _meaning(marks: Prompts, choice: Chosen) -> tuple[object, ...]:
    """All that the masks depend on that the only click can mean."""
    return marks.clicks, marks.threshold, choice.cfr, choice.adaptive


def _forgets(entry: Entry) -> bool:
    """Whether what the entry gave depends on nothing before it but masks."""
    return entry.fresh or isinstance(entry.action, FROM_MASKS)


def replay(predictor: Predictor, start: State, entries: Sequence[Entry]) -> Iterator[Mask]:
    """The mask after each action, computed from nothing; of the entries only the masks that fresh ones need are used.

    With the predictor and the photo of the first time, on the same machine, they are the kept masks bit for bit.
    """
    held = Snapshot(start, Prompts(threshold=start.threshold))
    for n, entry in enumerate(entries):
        if entry.fresh:
            before = entries[n - 1].mask if n else EncodedMask.empty(hw_of(start))
            held = of_mask(predictor, start, before, held.marks)
        held = _folded(predictor, start, held, entry.action)
        yield held.mask(hw_of(start)).mask()


def _folded(predictor: Predictor, start: State, held: Snapshot, action: Action) -> Snapshot:
    """What there is after one more action."""
    return folded(predictor, start, held, marked(held.marks, action, hw_of(start)), action)
