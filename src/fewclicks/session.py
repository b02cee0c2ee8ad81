"""Session: one photo, the clicks so far, the mask; undo, redo, save and replay."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import zlib
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import PIL.Image

from fewclicks import visualization
from fewclicks.boxes import look_in_box
from fewclicks.clicks import Click, Clicks
from fewclicks.config import ResolvedPredictor
from fewclicks.errors import InputError, counted
from fewclicks.files import bounded
from fewclicks.history import UndoHistory
from fewclicks.images.levels import Levels, require_levels
from fewclicks.images.mask_meaning import MaskIs
from fewclicks.images.reading import Source, read_image, read_mask
from fewclicks.predictor import Predictor, State
from fewclicks.prompts import BoxPrompt, Choice, Scribble, meanings
from fewclicks.refinement import keep_local
from fewclicks.types import Image, Mask, Prob

FORMAT = 2
"""Version of the JSON document: 2 has boxes, strokes, choices and local corrections; without these it is 1."""

MASKS = {"mask_png", "prob_float32_zlib"}
"""The fields of actions that are masks."""

MASKS_BYTES = 2**30
"""What the masks of a session document may take, unpacked."""

HISTORY_BYTES = 256 * 2**20
"""States that are kept for undo: some 160 of a 480x854 photo, 5 of 12 megapixels. Older ones are computed again."""

Action: TypeAlias = Click | Scribble | BoxPrompt | Choice | Prob
"""What the user did: clicks, one or along a stroke; a box; another meaning of the click; a loaded mask."""


@dataclass(frozen=True, slots=True)
class SessionSource:
    """Tells where the image and the predictor of a session came from, so that a replay finds them again."""

    image: str | None = None
    method: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    levels: Levels | None = None
    """The stored values of the image that became black and white, where they were given by hand."""

    def build(self) -> Predictor:
        """Make the predictor. The method is a document's word: see `plugins.find`. InputError for options it lacks."""
        if self.method is None:
            raise InputError("the session was made with a predictor object; pass it again as predictor=...")
        return ResolvedPredictor(method=self.method, options=self.options).build()


class Session:
    """Click on an object, get its mask. `fewclicks.open` makes one.

    Clicks are (x, y) pixels of the image. Nothing changes when a call raises. `local`: corrections change the connected
    part that they touch, and keep the rest (see `refinement.keep_local`); None: those of a loaded mask do.
    """

    def __init__(
        self, image: Source, predictor: Predictor, origin: SessionSource | None = None, local: bool | None = None
    ) -> None:
        self._origin = origin or SessionSource()
        self._local = local
        self.notes: list[str] = []
        """What had to be ignored of the image, one sentence each."""
        self.image: Image = read_image(image, levels=self._origin.levels, notes=self.notes)
        """HxWx3 uint8 RGB."""
        self._predictor = predictor
        self._history: UndoHistory[Action, State] = UndoHistory(
            predictor.start(self.image), lambda state: state.prob.nbytes, HISTORY_BYTES
        )

    def click(self, x: float, y: float, positive: bool = True) -> Mask:
        """Add a click and return the new HxW mask; InputError outside the image.

        It takes the place of an earlier click of the other meaning there (see `Clicks.counting`); one that was said
        already changes nothing. While nothing positive was said, by a click or a loaded mask, the mask is empty.
        """
        try:
            click = Click(float(x), float(y), bool(positive))
        except InputError:
            raise
        except (TypeError, ValueError, OverflowError):
            raise InputError(f"a click is two numbers, got ({x!r}, {y!r}); pass pixels of the image") from None
        Clicks((click,)).require_inside((self.image.shape[0], self.image.shape[1]))
        return self._do(click)

    def box(self, x0: float, y0: float, x1: float, y1: float) -> Mask:
        """Begin with a box around the object, and return the new HxW mask; InputError where it holds no pixel.

        Half-open edges in pixels of the image; any two opposite corners. The box is where to look, and promises no
        pixel: any click corrects what was found. Earlier clicks stay, the mask before does not. Undone like a click.
        """
        box = _box(x0, y0, x1, y1)
        box.pixels(self._hw)
        return self._do(box)

    def scribble(self, points: Iterable[tuple[float, float]], positive: bool = True) -> Mask:
        """Draw a stroke over the object, or off it, and return the new mask: clicks along it, done and undone as one.

        `points`: (x, y) pixels of the image, in their order. InputError where none lies in the image.
        """
        try:
            stroke = Scribble(tuple((float(x), float(y)) for x, y in points), bool(positive))
        except (TypeError, ValueError, OverflowError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"a stroke is points (x, y), got {points!r:.80}; pass pixels of the image") from None
        stroke.clicks(self._hw)
        return self._do(stroke)

    def candidates(self) -> list[Mask]:
        """The masks that the first click can mean: up to three, the one that it gave first, then the largest first.

        Empty unless that click, a positive one, is all that was said.
        """
        first = self._only_click(self._history.done)
        if first is None:
            return []
        return [state.mask for state in meanings(self._predictor, self._history.states[0], first)]

    def choose(self, number: int) -> Mask:
        """Take another of `candidates` by its number; InputError where there is none. Undone like a click."""
        choice = Choice(number)
        first = self._only_click(self._history.done)
        if first is None:
            raise InputError("only a first click has several meanings; click once, then choose")
        count = len(meanings(self._predictor, self._history.states[0], first))
        if choice.number >= count:
            raise InputError(
                f"the click means {counted(count, 'mask')}, numbered from 0; there is none with the number {number}"
            )
        return self._do(choice)

    def load_mask(self, mask: Source, mask_is: MaskIs | None = None) -> Mask:
        """Make an existing mask (see `images.read_mask`) the previous mask, to be corrected by the next clicks.

        `mask_is`: "ids", "levels" or "probability", where the values could mean either. Earlier clicks stay. It can be
        undone like a click. Corrections of it are local, unless the session says otherwise.
        """
        return self._do(read_mask(mask, self._hw, mask_is=mask_is, notes=self.notes))

    def undo(self) -> Mask:
        """Take back the last click or loaded mask; nothing happens when there is none. Returns the mask."""
        self._history.undo()
        return self.mask

    def redo(self) -> Mask:
        """Do again what was undone last; nothing happens when there is none. Returns the mask."""
        self._history.redo()
        return self.mask

    @property
    def clicks(self) -> Clicks:
        """The clicks that count, oldest first: without those undone, and those that a later one took the place of."""
        return self._clicks(self._history.done)

    @property
    def mask(self) -> Mask:
        """HxW bool."""
        return self._state(self._history.done).mask

    @property
    def prob(self) -> Prob:
        """HxW float32 in [0, 1]. Not to be changed in place."""
        return self._state(self._history.done).prob

    def save(self, path: str | os.PathLike[str], cutout: bool = False) -> None:
        """Write the mask as PNG (0 and 255), or with `cutout` the object as RGBA PNG, transparent around it."""
        visualization.save(visualization.cutout(self.image, self.mask) if cutout else self.mask, path)

    def to_json(self) -> str:
        """The session as one JSON document for `Session.replay`. What was undone is left out."""
        height, width = self.image.shape[:2]
        image = {"path": self._origin.image, "width": width, "height": height, "sha256": _digest(self.image)}
        if self._origin.levels is not None:
            image["levels"] = list(self._origin.levels)
        actions = self._history.actions
        plain = self._local is None and all(isinstance(action, Click) for action in actions)
        document = {
            "fewclicks_session": 1 if plain else FORMAT,
            **({} if self._local is None else {"local": self._local}),
            "image": image,
            "predictor": {"method": self._origin.method, "options": dict(self._origin.options)},
            "actions": [_packed(action) for action in actions],
        }
        try:
            return json.dumps(document, indent=1, allow_nan=False, default=os.fspath)
        except (TypeError, ValueError) as error:
            raise InputError(f"the predictor's options do not fit into JSON ({error}); pass plain values") from None

    @classmethod
    def replay(
        cls, source: str | os.PathLike[str], image: Source | None = None, predictor: Predictor | None = None
    ) -> Session:
        """The session that `to_json` wrote (the text, or a file that holds it): on the same machine, bit for bit.

        `image` and `predictor` stand in for those named in the document. A method outside the package is found only if
        you have named it: by `fewclicks.allow("my_lab.my_method")`, or in `fewclicks.open`. InputError if the image is
        another one.
        """
        document, folder = _document(source)
        try:
            about, named = document["image"], document["predictor"]
            hw, done = (int(about["height"]), int(about["width"])), list(document["actions"])
            masks_bytes = 4 * hw[0] * hw[1] * sum(bool(action.keys() & MASKS) for action in done)
            options = {name: tuple(v) if isinstance(v, list) else v for name, v in named["options"].items()}
            levels = require_levels(about["levels"]) if about.get("levels") is not None else None
            local = _local(document)
            origin, digest = SessionSource(about["path"], named["method"], options, levels), about["sha256"]
            if not isinstance(origin.image, str | None):
                raise TypeError("the path of the image is no text")
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            raise InputError(f"the session document is damaged ({error!r}); save it again by to_json") from error
        if masks_bytes > MASKS_BYTES:
            raise InputError(f"the session holds masks of {masks_bytes:,} bytes, more than {MASKS_BYTES:,}; split it")
        if image is not None:
            origin = replace(origin, image=os.fspath(image) if isinstance(image, str | os.PathLike) else None)
        elif origin.image is None:
            raise InputError("the session was made from an array; pass it again as image=...")
        else:
            image = _located(origin.image, folder)
        if predictor is not None:
            origin = replace(origin, method=None, options={})
        session = cls(image, predictor or origin.build(), origin, local)
        if _digest(session.image) != digest:
            raise InputError("the image is not the one of the session, its pixels differ; pass the right one as image=")
        for action in _all_unpacked(done, hw, session.image):
            if isinstance(action, Choice):
                session.choose(action.number)
            else:
                session._do(action)
        return session

    def _do(self, action: Action) -> Mask:
        """Apply an action to the present state; what was undone can then no longer be redone."""
        done = self._history.done
        clicks = Clicks((*self._clicks(done), *self._said(action))).counting(self._hw)
        if isinstance(action, Click | Scribble) and clicks == self._clicks(done):
            return self.mask
        state = self._after(self._state(done), done, action, clicks)
        self._history.commit(action, state)
        return state.mask

    def _after(self, state: State, done: int, action: Action, clicks: Clicks) -> State:
        """The state after one more action than `done`; `clicks` are those that count then."""
        first, every = self._history.states[0], self._history.every[:done]
        match action:
            case BoxPrompt():
                return deque(look_in_box(self._predictor, first, action.pixels(self._hw), clicks), maxlen=1)[0]
            case Choice():
                return meanings(self._predictor, first, clicks)[action.number]
            case Click() | Scribble():
                begun = [said for said in every if isinstance(said, BoxPrompt | np.ndarray)]
                given = any(isinstance(said, BoxPrompt) or said.any() for said in begun)
                if not given and not clicks.has_positive:
                    return first
                after = self._predictor.step(state, clicks)
                local = given and isinstance(begun[-1], np.ndarray) if self._local is None else self._local
                if not (local and state.box is not None):
                    return after
                said = self._said(action)
                return keep_local(state, after, said, first=len(said) == len(clicks))
            case _:
                return replace(first, prob=action)

    def _said(self, action: Action) -> Clicks:
        """The clicks that an action says."""
        match action:
            case Click():
                return Clicks((action,))
            case Scribble():
                return action.clicks(self._hw)
        return Clicks()

    def _only_click(self, done: int) -> Clicks | None:
        """The first click, if nothing else was said that counts."""
        said = self._history.every[:done]
        if not said or not all(isinstance(action, Choice) for action in said[1:]):
            return None
        clicks = self._said(said[0]) if isinstance(said[0], Click) else Clicks()
        return clicks if clicks.has_positive else None

    @property
    def _hw(self) -> tuple[int, int]:
        return self.image.shape[0], self.image.shape[1]

    def _clicks(self, done: int) -> Clicks:
        """The clicks that count after `done` actions."""
        said = (click for action in self._history.every[:done] for click in self._said(action))
        return Clicks(tuple(said)).counting(self._hw)

    def _state(self, done: int) -> State:
        """The state after `done` actions."""
        return self._history.state(done, self._again)

    def _again(self, state: State, n: int) -> State:
        """Tell what action `n` makes of the state before it."""
        return self._after(state, n, self._history.every[n], self._clicks(n + 1))


def _box(*numbers: float) -> BoxPrompt:
    """The box of these numbers; InputError where they are none."""
    try:
        return BoxPrompt(*(float(number) for number in numbers))
    except InputError:
        raise
    except (TypeError, ValueError, OverflowError):
        raise InputError(
            f"a box is four numbers x0, y0, x1, y1, got {numbers!r:.80}; pass pixels of the image"
        ) from None


def _digest(image: Image) -> str:
    return hashlib.sha256(np.ascontiguousarray(image).data).hexdigest()


def _packed(action: Action) -> dict[str, Any]:
    """An action as JSON: masks of 0 and 1 as PNG, others as compressed float32, both without loss."""
    match action:
        case Click():
            return {"x": action.x, "y": action.y, "positive": action.positive}
        case Scribble():
            return {"scribble": [list(point) for point in action.points], "positive": action.positive}
        case BoxPrompt():
            return {"box": [action.x0, action.y0, action.x1, action.y1]}
        case Choice():
            return {"choose": action.number}
    binary = action > 0
    if np.array_equal(binary, action):
        file = io.BytesIO()
        PIL.Image.fromarray(binary).save(file, "PNG")
        return {"mask_png": base64.b64encode(file.getvalue()).decode()}
    return {"prob_float32_zlib": base64.b64encode(zlib.compress(action.astype("<f4").tobytes())).decode()}


def _unpacked(action: Mapping[str, Any], hw: tuple[int, int]) -> Action:
    """The inverse of `_packed`."""
    if "x" in action:
        return Click(float(action["x"]), float(action["y"]), bool(action["positive"]))
    if "scribble" in action:
        stroke = Scribble(tuple((float(x), float(y)) for x, y in action["scribble"]), bool(action["positive"]))
        stroke.clicks(hw)
        return stroke
    if "box" in action:
        x0, y0, x1, y1 = action["box"]
        box = BoxPrompt(float(x0), float(y0), float(x1), float(y1))
        box.pixels(hw)
        return box
    if "choose" in action:
        return Choice(action["choose"])
    if "mask_png" in action:
        return read_mask(io.BytesIO(base64.b64decode(action["mask_png"])), hw)
    packed = base64.b64decode(action["prob_float32_zlib"])
    values = np.frombuffer(bounded.inflate(packed, 4 * hw[0] * hw[1]), "<f4")
    return read_mask(values.reshape(hw), hw)


def _all_unpacked(actions: list[Any], hw: tuple[int, int], image: Image) -> list[Action]:
    """The actions of a document whose image is known; InputError where one is damaged, before the first is done."""
    try:
        if image.shape[:2] != hw:
            raise ValueError("the size is not that of the image")
        return [_unpacked(action, hw) for action in actions]
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise InputError(f"the session document is damaged ({error!r}); save it again by to_json") from error


def _document(source: str | os.PathLike[str]) -> tuple[dict[str, Any], Path]:
    """The JSON document, and the folder it lies in."""
    text: Any = source
    folder = Path()
    if not (isinstance(source, str) and source.lstrip().startswith("{")):
        path = Path(source)
        folder = path.parent
        try:
            text = bounded.read_bytes(path, bounded.JSON_BYTES)
        except (OSError, ValueError) as error:
            raise InputError(f"no session can be read from '{path}' ({error}); pass what to_json wrote") from None
    try:
        document = bounded.parse_json(text if isinstance(text, bytes) else str(text))
    except ValueError as error:
        raise InputError(f"the session is not JSON ({error}); pass what to_json wrote") from None
    version = document.get("fewclicks_session") if isinstance(document, dict) else None
    if version not in (1, FORMAT) or isinstance(version, bool):
        raise InputError(f"this is no session document of format 1 or {FORMAT}, but {version}; pass what to_json wrote")
    return document, folder


def _local(document: Mapping[str, Any]) -> bool | None:
    """Tell whether corrections stay local; those of format 1 never did."""
    local = document.get("local")
    if not isinstance(local, bool | None):
        raise TypeError("local is no truth value")
    return False if document["fewclicks_session"] == 1 else local


def _located(image: str, folder: Path) -> Path:
    """The path of the image as it was given, or from the folder of the document."""
    return folder / image if os.path.isfile(folder / image) else Path(image)
