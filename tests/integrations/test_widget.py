"""The notebook's widget without a notebook: what the page sends, and what it is shown."""

import io

import numpy as np
import PIL.Image
import pytest

import fakes
import fewclicks

pytest.importorskip("anywidget", reason="anywidget is not installed; run: pip install 'fewclicks[jupyter]'")


@pytest.fixture
def widget():
    return fewclicks.widget(fakes.gradient(60, 80), fakes.Discs(10, 0.0))


def shown(widget):
    """Where the overlay is not transparent."""
    return np.asarray(PIL.Image.open(io.BytesIO(widget.overlay)))[..., 3] > 0


def test_what_is_clicked_is_shown(widget):
    assert not shown(widget).any()
    assert PIL.Image.open(io.BytesIO(widget.photo)).size == (80, 60)
    widget._told(None, {"kind": "click", "x": 40, "y": 30, "positive": True}, [])
    assert widget.mask[30, 40]
    assert np.array_equal(shown(widget), widget.mask)
    widget._told(None, {"kind": "click", "x": 20, "y": 30, "positive": False}, [])
    assert widget.dots == [[40.0, 30.0, True], [20.0, 30.0, False]]
    two = widget.mask.copy()
    for kind, count in (("undo", 1), ("redo", 2), ("undo", 1), ("undo", 0), ("undo", 0)):
        widget._told(None, {"kind": kind}, [])
        assert len(widget.dots) == count
        if count == 2:
            assert np.array_equal(widget.mask, two)
    assert not widget.mask.any()


def test_a_mask_is_corrected(widget):
    mask = np.zeros((60, 80), bool)
    mask[10:30, 10:30] = True
    widget.load_mask(mask)
    assert np.array_equal(shown(widget), mask)
    widget.undo()
    assert not widget.mask.any()


@pytest.mark.parametrize(
    "sent", [{"kind": "click", "x": 900, "y": 1, "positive": True}, {"kind": "click"}, 3, {"kind": "__del__"}]
)
def test_what_is_wrong_is_said_and_changes_nothing(widget, sent):
    widget._told(None, sent, [])
    assert not widget.mask.any()
    assert bool(widget.message) == (isinstance(sent, dict) and sent.get("kind") == "click")
    widget._told(None, {"kind": "click", "x": 40, "y": 30, "positive": True}, [])
    assert widget.message == ""
