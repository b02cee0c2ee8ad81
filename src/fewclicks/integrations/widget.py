"""A widget for notebooks (Jupyter, VS Code, Colab, marimo): click on the object, undo, take the mask.

    import fewclicks
    widget = fewclicks.widget("photo.jpg")
    widget              # the last line of a cell shows it
    widget.mask         # HxW bool, of what was clicked so far

A left click is on the object; a right click, or one with Shift or Alt, is off it. Ctrl+Z takes the last one back.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from fewclicks.images.reading import Source
from fewclicks.predictor import Predictor

if TYPE_CHECKING:
    from fewclicks.integrations.click_widget import ClickWidget


def widget(image: Source, predictor: str | os.PathLike[str] | Predictor = "default", **options: Any) -> ClickWidget:
    """Show a photo in a notebook, to be clicked on; the arguments are those of `fewclicks.open`.

    MissingExtra where anywidget is not installed.
    """
    from fewclicks.integrations.click_widget import ClickWidget

    return ClickWidget(image, predictor, **options)
