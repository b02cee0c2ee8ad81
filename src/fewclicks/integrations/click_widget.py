"""The widget of `fewclicks.widget`, which needs anywidget."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from fewclicks.api import open as open_session
from fewclicks.errors import FewClicksError, MissingExtra
from fewclicks.images.reading import Source
from fewclicks.predictor import Predictor
from fewclicks.types import Mask, Prob
from fewclicks.visualization import OUTLINE, TINT

try:
    import anywidget
    import traitlets
except ImportError:
    raise MissingExtra("the widget needs anywidget; run: pip install 'fewclicks[jupyter]'") from None

OPACITY = 110
"""Of the tint, of 255."""


class ClickWidget(anywidget.AnyWidget):
    """A photo to click on. `mask`, `prob` and `clicks` are those of its `session`."""

    _esm = Path(__file__).with_name("widget.js")
    photo = traitlets.Bytes().tag(sync=True)
    """The photo as a PNG or JPEG."""
    overlay = traitlets.Bytes().tag(sync=True)
    """The mask as a PNG to be laid over it."""
    dots: Any = traitlets.List().tag(sync=True)
    """[x, y, positive] of each click that counts."""
    message = traitlets.Unicode().tag(sync=True)
    """What went wrong, or ""."""

    def __init__(
        self, image: Source, predictor: str | os.PathLike[str] | Predictor = "default", **options: Any
    ) -> None:
        """Open a photo as `fewclicks.open` does."""
        self.session = open_session(image, predictor, **options)
        file = io.BytesIO()
        PIL.Image.fromarray(self.session.image).save(file, "JPEG", quality=92)
        super().__init__(photo=file.getvalue(), overlay=self._drawn())
        self.on_msg(self._told)

    @property
    def mask(self) -> Mask:
        """HxW bool."""
        return self.session.mask

    @property
    def prob(self) -> Prob:
        """HxW float32 in [0, 1]."""
        return self.session.prob

    def click(self, x: float, y: float, positive: bool = True) -> None:
        """Click as the mouse does, at a pixel of the photo."""
        self.session.click(x, y, positive)
        self._show()

    def load_mask(self, mask: Source) -> None:
        """Begin with a mask that is to be corrected."""
        self.session.load_mask(mask)
        self._show()

    def undo(self) -> None:
        """Take the last click or loaded mask back."""
        self.session.undo()
        self._show()

    def redo(self) -> None:
        """Do again what was undone last."""
        self.session.redo()
        self._show()

    def _told(self, _: object, content: Any, __: object) -> None:
        """Do what the page asks; what goes wrong is shown there."""
        kind = content.get("kind") if isinstance(content, dict) else None
        try:
            if kind == "click":
                self.click(float(content["x"]), float(content["y"]), bool(content["positive"]))
            elif kind in ("undo", "redo"):
                getattr(self, kind)()
            self.message = ""
        except (FewClicksError, KeyError, TypeError, ValueError) as error:
            self.message = str(error)

    def _show(self) -> None:
        self.dots = [[click.x, click.y, click.positive] for click in self.session.clicks]
        self.overlay = self._drawn()

    def _drawn(self) -> bytes:
        """The mask as RGBA: tinted, with a bright border."""
        mask = self.session.mask
        inner = np.zeros_like(mask)
        inner[1:-1, 1:-1] = mask[1:-1, 1:-1] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
        rgba = np.zeros((*mask.shape, 4), np.uint8)
        rgba[inner] = (*TINT, OPACITY)
        rgba[mask & ~inner] = (*OUTLINE, 255)
        file = io.BytesIO()
        PIL.Image.fromarray(rgba).save(file, "PNG", compress_level=1)
        return file.getvalue()
