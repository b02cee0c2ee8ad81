"""napari's plug-in: clicks on an image become labels; the label under a click is corrected; slice by slice in a stack.

napari finds it by napari.yaml, and opens it from its menu Plugins: "Segment by clicks". Clicks are points of a layer of
their own, so that they can be seen, moved and deleted; labels are an ordinary Labels layer. Other labels stay.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from magicgui.widgets import CheckBox, Container, Label, PushButton, create_widget
from napari.layers import Image, Labels, Points
from napari.utils.notifications import show_warning
from napari.viewer import Viewer
from numpy.typing import NDArray

from fewclicks.api import load
from fewclicks.clicks import Clicks
from fewclicks.integrations.replay import Replay, Replays, click_inside
from fewclicks.predictor import Predictor
from fewclicks.types import Image as Photo
from fewclicks.types import Mask

CLICKS, OBJECTS = "clicks", "objects"
"""Names of the layers that are made."""
ON, OFF = "object", "background"
COLORS = {ON: "lime", OFF: "red"}
SIZE_RATIO = 0.015
"""Of points, as a share of the longer side of the image."""

Place = tuple[int, ...]
"""Where a slice lies: the coordinates along the axes before the last two; () for a plain image."""


class SegmentByClicks(Container):  # type: ignore[misc]
    """The widget: choose an image, begin, click. Shift-clicks, or the check box, are background."""

    def __init__(self, napari_viewer: Viewer, predictor: Predictor | None = None) -> None:
        self._viewer = napari_viewer
        self._predictor = predictor
        self._replays: Replays | None = None
        self._begins: dict[Place, Mask] = {}
        """The mask that the label had in a slice before it was clicked on there."""
        self._image: Image | None = None
        self._points: Points | None = None
        self._labels: Labels | None = None
        self._busy = False
        self.image = create_widget(annotation=Image, label="image")
        self.begin = PushButton(text="Begin")
        self.background = CheckBox(text="clicks are background (or Shift)")
        self.next_object = PushButton(text="Next object")
        self.next_slice = PushButton(text="Next slice with this mask")
        self.note = Label(value="Choose an image.")
        super().__init__(
            widgets=[self.image, self.begin, self.background, self.next_object, self.next_slice, self.note]
        )
        self.begin.changed.connect(self.start)
        self.background.changed.connect(self._say_sign)
        self.next_object.changed.connect(self.finish_object)
        self.next_slice.changed.connect(self.carry_to_next_slice)

    def start(self) -> None:
        """Make the layers of points and labels for the chosen image; labels that fit it are taken."""
        image = self.image.value
        if image is None:
            show_warning("there is no image layer; open an image first")
            return
        if self._points is not None and self._points in self._viewer.layers:
            self._viewer.layers.remove(self._points)
        self._image, self._replays = image, Replays(self._predictor or load())
        self._predictor = self._replays.predictor
        shape = _shape(image)
        frame = {"scale": image.scale, "translate": image.translate, "rotate": image.rotate, "shear": image.shear}
        chosen = self._viewer.layers.selection.active
        found = [layer for layer in self._viewer.layers if isinstance(layer, Labels) and layer.data.shape == shape]
        self._labels = chosen if chosen in found else (found or [None])[0]
        if self._labels is None:
            self._labels = self._viewer.add_labels(np.zeros(shape, np.int32), name=OBJECTS, **frame)
        size = max(3.0, SIZE_RATIO * max(shape[-2:]))
        self._points = self._viewer.add_points(
            ndim=len(shape), name=CLICKS, size=size, features={"sign": np.array([], object)}, **frame
        )
        self._points.mouse_drag_callbacks.insert(0, self._press)
        self._points.events.data.connect(self._clicked)
        self._labels.events.selected_label.connect(self._forget_clicks)
        self._begins = {}
        self._points.mode = "add"
        self._viewer.layers.selection.active = self._points
        self._say_sign()
        self.note.value = "Click on the object."

    def finish_object(self) -> None:
        """Go on with a label that is not used yet."""
        if self._labels is not None:
            self._labels.selected_label = int(self._labels.data.max()) + 1
            self._forget_clicks()

    def carry_to_next_slice(self) -> None:
        """Show the next slice, with the mask of this one as what the model corrects there."""
        place = self._place()
        if self._labels is None or place is None:
            return
        if not place:
            show_warning("this image has no slices")
            return
        mask = self._slice(place) == self._labels.selected_label
        following = (*place[:-1], place[-1] + 1)
        if not mask.any() or following[-1] >= self._labels.data.shape[len(place) - 1]:
            show_warning("there is no mask to carry on" if not mask.any() else "this is the last slice")
            return
        replay = self._replay(following)
        found = replay.predictor.step(replay.state(Clicks(), mask=mask.astype(np.float32)), Clicks()).mask
        carried = found if found.any() else mask
        step = self._labels.data_to_world((*following, 0, 0))
        self._viewer.dims.set_point(range(len(following)), step[: len(following)])
        self._begins[following] = carried
        self._write(following, carried)

    def _press(self, layer: Points, event: Any) -> None:
        """Before napari adds a point: what it will mean."""
        self._say_sign(OFF if "Shift" in event.modifiers or self.background.value else ON)

    def _say_sign(self, sign: Any = None) -> None:
        if self._points is not None:
            self._points.selected_data = set()  # else the color of what was clicked last changes too
            said = sign if sign in COLORS else (OFF if self.background.value else ON)
            self._points.feature_defaults = {"sign": [said]}
            self._points.current_face_color = COLORS[said]

    def _clicked(self, event: Any) -> None:
        """A point was added, moved or deleted: answer the clicks of the slice that is shown."""
        if self._busy or str(getattr(event, "action", "")).lower().endswith("ing"):
            return
        place = self._place()
        if self._points is None or self._labels is None or place is None:
            return
        begin = self._begins.setdefault(place, self._slice(place) == self._labels.selected_label)
        replay, clicks = self._replay(place), self._clicks(place)
        if not len(clicks):
            self._write(place, begin)
        elif clicks.has_positive or begin.any():
            state = replay.state(clicks, mask=begin.astype(np.float32) if begin.any() else None)
            self._write(place, state.mask)

    def _clicks(self, place: Place) -> Clicks:
        """The points of a slice, in their order."""
        clicks = Clicks()
        assert self._points is not None
        for point, sign in zip(self._points.data, self._points.features["sign"], strict=True):
            if tuple(round(number) for number in point[:-2]) == place:
                clicks += click_inside(point[-1], point[-2], sign != OFF, self._slice(place).shape)
        return clicks

    def _forget_clicks(self, event: Any = None) -> None:
        """Begin with another label: its own clicks, none yet."""
        self._begins = {}
        if self._points is not None and len(self._points.data):
            self._busy = True
            try:
                self._points.data = np.empty((0, self._points.ndim))
            finally:
                self._busy = False

    def _place(self) -> Place | None:
        """The slice that is shown; None, with a warning, where it is none along the last two axes."""
        dims, labels = self._viewer.dims, self._labels
        if labels is None:
            return None
        if dims.ndisplay != 2 or list(dims.displayed) != [dims.ndim - 2, dims.ndim - 1]:
            show_warning("fewclicks sees slices along the last two axes; show them, in 2D")
            return None
        at = labels.world_to_data(dims.point)
        shape = labels.data.shape[:-2]
        return tuple(int(min(max(round(x), 0), n - 1)) for x, n in zip(at[-labels.ndim :], shape, strict=False))

    def _slice(self, place: Place) -> NDArray[Any]:
        assert self._labels is not None
        return np.asarray(self._labels.data[place])

    def _replay(self, place: Place) -> Replay:
        image = self._image
        assert self._replays is not None
        assert image is not None
        return self._replays.of(place, lambda: photo_of(image, place))

    def _write(self, place: Place, mask: Mask) -> None:
        """Give the label to the pixels of a mask that no other label has; undone by napari's own undo."""
        assert self._labels is not None
        old, label = self._slice(place), self._labels.selected_label
        new = np.where(old == label, 0, old)
        new[mask & (new == 0)] = label
        rows, columns = np.nonzero(new != old)
        if rows.size:
            leading = tuple(np.full(rows.size, number) for number in place)
            self._labels.data_setitem((*leading, rows, columns), new[rows, columns])


def photo_of(image: Image, place: Place) -> Photo:
    """A slice of an image layer as HxWx3 uint8, gray values by the layer's contrast limits."""
    data = image.data[0] if image.multiscale else image.data
    pixels = np.asarray(data[place])
    if image.rgb and pixels.dtype == np.uint8:
        return np.ascontiguousarray(pixels[..., :3])
    low, high = (0.0, 1.0) if image.rgb and pixels.dtype.kind == "f" else map(float, image.contrast_limits)
    scaled = np.nan_to_num((pixels.astype(np.float32) - low) / max(high - low, 1e-9)).clip(0, 1)
    levels = np.round(scaled * 255).astype(np.uint8)
    return np.ascontiguousarray(levels[..., :3] if image.rgb else np.repeat(levels[..., None], 3, axis=-1))


def _shape(image: Image) -> tuple[int, ...]:
    data = image.data[0] if image.multiscale else image.data
    return tuple(data.shape[:-1] if image.rgb else data.shape)
