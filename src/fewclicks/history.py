"""The history of one object: what was done, what was undone, and what there was after each action.

Sessions and the annotator have the same one. It knows nothing of predictors: who asks computes what an action gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

Action = TypeVar("Action")
Item = TypeVar("Item")


class StateCache(Generic[Item]):
    """Holds what there was after 0, 1, 2 ... actions: the first of all, and as many others as fit into `max_bytes`.

    Two of the others are kept in any case.
    """

    def __init__(self, first: Item, size: Callable[[Item], int], max_bytes: int) -> None:
        self._items = {0: first}
        self._size = size
        self._max_bytes = max_bytes

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items.values())

    def __contains__(self, done: int) -> bool:
        return done in self._items

    def __getitem__(self, done: int) -> Item:
        return self._items[done]

    def nearest(self, done: int) -> int:
        """The last number of actions up to `done` whose item is kept."""
        return max(n for n in self._items if n <= done)

    def keep(self, done: int, item: Item) -> None:
        """Keep an item; drop those farthest from it while there are too many, but never the first."""
        self._items[done] = item
        while len(self._items) > 3 and sum(map(self._size, self._items.values())) > self._max_bytes:
            del self._items[max((n for n in self._items if n), key=lambda n: (abs(n - done), n))]

    def drop_but(self, done: int) -> None:
        """Forget all but the first and what there was after `done` actions."""
        self._items = {n: item for n, item in self._items.items() if n in (0, done)}

    def drop_after(self, done: int) -> None:
        """Forget what there was after more than `done` actions."""
        self._items = {n: item for n, item in self._items.items() if n <= done}


class UndoHistory(Generic[Action, Item]):
    """Actions in the order they were done, of which the last may be undone, and the states that are kept of them.

    `first` is what there was before the first action. The first `done` of `actions` (None: all) are done, the others
    can be redone. `size` gives the bytes of a state, of which about `max_bytes` are kept.
    """

    def __init__(
        self,
        first: Item,
        size: Callable[[Item], int],
        max_bytes: int,
        actions: Sequence[Action] = (),
        done: int | None = None,
    ) -> None:
        self.states: StateCache[Item] = StateCache(first, size, max_bytes)
        self.every: list[Action] = list(actions)
        """Those undone too."""
        self.done = len(self.every) if done is None else done
        """How many of them are done."""

    @property
    def actions(self) -> tuple[Action, ...]:
        """Tell what is done, oldest first."""
        return tuple(self.every[: self.done])

    @property
    def last(self) -> Action | None:
        """Tell what `undo` would take back."""
        return self.every[self.done - 1] if self.done else None

    @property
    def next(self) -> Action | None:
        """Tell what `redo` would do again."""
        return self.every[self.done] if self.done < len(self.every) else None

    def commit(self, action: Action, state: Item | None) -> None:
        """Add an action, and what there is after it where that is known; what was undone can no longer be redone."""
        self.every[self.done :] = [action]
        self.states.drop_after(self.done)
        self.done += 1
        if state is not None:
            self.states.keep(self.done, state)

    def undo(self) -> bool:
        """Take back the last action; False when there is none."""
        possible = self.done > 0
        self.done -= possible
        return possible

    def redo(self) -> bool:
        """Do again what was undone last; False when there is none."""
        possible = self.done < len(self.every)
        self.done += possible
        return possible

    def state(self, done: int, step: Callable[[Item, int], Item]) -> Item:
        """Tell what there was after `done` actions: kept, or computed again from the nearest that is kept before it.

        `step(state, n)` gives what action `n` makes of the state before it.
        """
        near = self.states.nearest(done)
        state = self.states[near]
        for n in range(near, done):
            state = step(state, n)
            self.states.keep(n + 1, state)
        return state
