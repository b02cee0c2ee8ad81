"""labelme with our model among its own: python -m fewclicks.integrations.labelme [what labelme takes] PHOTO

labelme runs models by osam. `register` adds ours to osam's list, which is public, and a row to labelme's choice of
models, which is not; then labelme starts as it is. In labelme 6 the models are in the AI-Points and AI-Box modes.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fewclicks.api import load
from fewclicks.errors import MissingExtra
from fewclicks.integrations.osam_http import said
from fewclicks.integrations.replay import Replays
from fewclicks.methods.default import WEIGHTS
from fewclicks.predictor import Predictor

try:
    import osam.apis
    import osam.types
    from labelme.utils import img_qt_to_arr
    from labelme.widgets import AiAssistedAnnotationWidget
    from PyQt5.QtGui import QColor, QImage
except ImportError as error:
    cure = f"this needs labelme 6.3 ({error}); run: pip install 'labelme>=6.3,<7'"
    if __name__ == "__main__":
        print(f"fewclicks: {cure}", file=sys.stderr)
        raise SystemExit(2) from None
    raise MissingExtra(cure) from None

NAME, SHOWN = "fewclicks:latest", "fewclicks"
"""How osam and labelme call it."""


class FewClicks(osam.types.Model):  # type: ignore[misc]
    """Our predictor as a model of osam. All clicks are said each time; only what is new is computed."""

    name = NAME
    metadata = osam.types.ModelMetadata(
        license_name="Apache-2.0 (code)", license_url="https://www.apache.org/licenses/LICENSE-2.0", source_url=""
    )
    _blobs: ClassVar[dict[str, Any]] = {}
    make: ClassVar[Callable[[], Predictor]] = load
    """What makes the predictor; `load` of fewclicks if nothing else is set."""
    is_bgr: ClassVar[bool] = False
    """Whether photos come with blue first."""

    def __init__(self) -> None:
        self._replays = Replays(type(self).make())
        self._numbers = itertools.count(1)

    @classmethod
    def pull(cls, *_: Any, **__: Any) -> None:
        """Do nothing: the weights come with fewclicks."""

    @classmethod
    def get_size(cls) -> int:
        """Bytes of the weights: they are there."""
        return WEIGHTS.stat().st_size

    @classmethod
    def get_modified_at(cls) -> float:
        """When the weights were installed, in seconds since 1970."""
        return min(WEIGHTS.stat().st_mtime, time.time())

    def encode_image(self, image: NDArray[np.uint8]) -> osam.types.ImageEmbedding:
        """Take a photo; what osam keeps of it is a number, by which `generate` knows it again."""
        number = next(self._numbers)
        photo = self._photo(image)
        self._replays.of(number, lambda: photo)
        embedding = np.full((1, 1, 1), number, np.float32)
        return osam.types.ImageEmbedding(
            original_height=image.shape[0], original_width=image.shape[1], embedding=embedding
        )

    def generate(self, request: osam.types.GenerateRequest) -> osam.types.GenerateResponse:
        """Answer points (labels 1 and 0) and the corners of a box (2 and 3) by one mask, or none."""
        embedding, prompt = request.image_embedding, request.prompt
        if embedding is None:
            embedding = self.encode_image(request.image)
        replay = self._replays.of(int(embedding.embedding[0, 0, 0]), lambda: self._photo(request.image))
        asked = None if prompt is None else {"points": prompt.points, "point_labels": prompt.point_labels}
        state = replay.state(*said(asked, replay.hw))
        place = state.box
        found = []
        if place is not None:
            corners = {"xmin": place.x0, "ymin": place.y0, "xmax": place.x1 - 1, "ymax": place.y1 - 1}
            found = [
                osam.types.Annotation(
                    bounding_box=osam.types.BoundingBox(**corners),
                    mask=state.mask[place.slices].copy(),
                    score=float(state.prob[state.mask].mean()),
                )
            ]
        return osam.types.GenerateResponse(model=self.name, image_embedding=embedding, annotations=found)

    def _photo(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.ascontiguousarray(image[..., ::-1] if self.is_bgr else image)


def register() -> None:
    """Add the model to osam and to labelme's list, once."""
    FewClicks.is_bgr = _hands_blue_first()
    if FewClicks not in osam.apis.registered_model_types:
        osam.apis.registered_model_types.append(FewClicks)
    rows = AiAssistedAnnotationWidget._available_models
    if (NAME, SHOWN) not in rows:
        rows.append((NAME, SHOWN))


def _hands_blue_first() -> bool:
    """Tell whether labelme hands its models blue for red, as 6.3 does: it takes the bytes of Qt for RGB."""
    red = QImage(1, 1, QImage.Format_RGB32)
    red.fill(QColor(255, 0, 0))
    return int(img_qt_to_arr(red)[0, 0, 0]) != 255


def main() -> None:
    """Start labelme with the arguments of this process."""
    from labelme.__main__ import main as start

    register()
    start()


if __name__ == "__main__":
    main()
