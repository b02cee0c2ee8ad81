import base64
import json
import os
import zlib

import numpy as np
import PIL.Image
import pytest

import fewclicks
from fakes import Discs, Spy, gradient, photos
from fewclicks import session as session_module
from fewclicks.clicks import Click, Clicks
from fewclicks.errors import InputError, UnknownName
from fewclicks.images.reading import read_mask
from fewclicks.session import Session
from fewclicks.transforms import ZoomIn

PHOTO = gradient(120, 160)
METHOD = """
from fakes import Discs

def build(radius_px=30, size=None):
    assert size is None or isinstance(size, tuple)
    return Discs(radius_px)
"""


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    PIL.Image.fromarray(PHOTO).save(path)
    return path


@pytest.fixture
def method(tmp_path, monkeypatch):
    """A method outside the package, found by its dotted name."""
    (tmp_path / "my_lab").mkdir()
    (tmp_path / "my_lab" / "__init__.py").touch()
    (tmp_path / "my_lab" / "discs.py").write_text(METHOD)
    monkeypatch.syspath_prepend(tmp_path)
    return "my_lab.discs"


def clicked(session):
    """A session after a history of everything."""
    session.click(30, 40)
    session.click(90.25, 60.125)
    session.load_mask(np.random.default_rng(0).random((120, 160), np.float32))
    session.click(50, 50, positive=False)
    session.load_mask(PHOTO[..., 0] > 100)
    session.click(100, 20)
    session.click(10, 10)
    session.undo()
    return session


def test_clicks_give_the_masks_of_the_predictor():
    session = Session(PHOTO, Discs())
    state, clicks = Discs().start(PHOTO), Clicks()
    for x, y, positive in ((30, 40, True), (90, 60, True), (35, 42, False)):
        clicks += Click(x, y, positive)
        state = Discs().step(state, clicks)
        assert np.array_equal(session.click(x, y, positive), state.mask)
    assert session.clicks == clicks
    assert np.array_equal(session.prob, state.prob)
    assert np.array_equal(session.mask, state.mask)


def test_before_any_click_the_mask_is_empty():
    session = Session(PHOTO, Discs())
    assert not session.mask.any()
    assert session.mask.shape == (120, 160)
    assert len(session.clicks) == 0


def test_undo_and_redo_are_exact_and_end_at_the_ends():
    session = Session(PHOTO, ZoomIn(Discs()))
    probs = [session.prob]
    for n in range(4):
        session.click(30 + 20 * n, 50, positive=n != 2)
        probs.append(session.prob)
    for prob in [*probs[3::-1], probs[0]]:
        session.undo()
        assert np.array_equal(session.prob, prob)
    for prob in [*probs[1:], probs[4]]:
        assert np.array_equal(session.redo(), prob > 0.5)
        assert np.array_equal(session.prob, prob)
    session.undo()
    session.undo()
    session.click(5, 5)
    assert len(session.clicks) == 3
    before = session.prob
    session.redo()
    assert np.array_equal(session.prob, before), "a new click forgets what was undone"


def test_a_loaded_mask_is_corrected():
    spy = Spy()
    session = Session(PHOTO, spy)
    mask = PHOTO[..., 0] > 100
    assert np.array_equal(session.load_mask(mask), mask)
    session.click(80, 110, positive=False)
    state, clicks = spy.seen[-1]
    assert np.array_equal(state.prob, mask.astype(np.float32))
    assert clicks == Clicks((Click(80, 110, False),))
    assert np.array_equal(session.undo(), mask)
    assert not session.undo().any()
    assert np.array_equal(session.redo(), mask)


def test_loading_a_mask_keeps_the_clicks_and_can_be_undone(tmp_path):
    session = Session(PHOTO, Discs())
    before = session.click(30, 40)
    PIL.Image.fromarray((PHOTO[..., 0] > 100).astype(np.uint8) * 255).save(tmp_path / "mask.png")
    assert np.array_equal(session.load_mask(tmp_path / "mask.png"), PHOTO[..., 0] > 100)
    assert len(session.clicks) == 1
    assert np.array_equal(session.undo(), before)


@pytest.mark.parametrize(
    ("x", "y", "cure"),
    [
        (-1, 5, "outside"),
        (160, 5, "0 <= x < 160"),
        (5, 120, "0 <= y < 120"),
        (float("nan"), 5, "finite"),
        (5, float("inf"), "finite"),
        ("left", 5, "two numbers"),
        (None, 5, "two numbers"),
    ],
)
def test_clicks_that_cannot_be_used_change_nothing(x, y, cure):
    session = Session(PHOTO, Discs())
    session.click(30, 40)
    before = session.prob
    with pytest.raises(InputError, match=cure):
        session.click(x, y)
    assert len(session.clicks) == 1
    assert session.prob is before


def test_other_bad_input():
    session = Session(PHOTO, Discs())
    with pytest.raises(InputError, match="160x120"):
        session.load_mask(np.zeros((10, 10)))
    with pytest.raises(InputError, match="uint8"):
        Session(PHOTO / 255, Discs())
    assert len(session.clicks) == 0


def test_save(tmp_path):
    session = Session(PHOTO, Discs())
    mask = session.click(80, 60)
    session.save(tmp_path / "mask.png")
    session.save(str(tmp_path / "cutout.png"), cutout=True)
    assert np.array_equal(np.asarray(PIL.Image.open(tmp_path / "mask.png")), mask * np.uint8(255))
    assert np.array_equal(read_mask(tmp_path / "cutout.png", (120, 160)), mask)
    with pytest.raises(InputError, match="create it"):
        session.save(tmp_path / "gone" / "mask.png")


def test_replay_is_bit_exact(photo, method, tmp_path):
    session = clicked(fewclicks.open(photo, method, radius_px=25, size=(3, 4)))
    text = session.to_json()
    (tmp_path / "session.json").write_text(text)
    for source in (text, tmp_path / "session.json", str(tmp_path / "session.json")):
        again = Session.replay(source)
        assert np.array_equal(again.prob, session.prob)
        assert again.clicks == session.clicks
        assert json.loads(again.to_json()) == json.loads(text)
    assert np.array_equal(again.undo(), session.undo())
    assert len(json.loads(text)["actions"]) == 6, "what was undone is left out"


def test_replay_on_photos_with_a_method():
    pytest.importorskip("fewclicks.methods.grow")
    for image in photos(2):
        session = fewclicks.open(image, "grow")
        height, width = image.shape[:2]
        session.click(width / 2, height / 2)
        session.click(width / 4, height / 4, positive=False)
        again = Session.replay(session.to_json(), image=image)
        assert np.array_equal(again.prob, session.prob)
        assert again.mask.any()


def test_replay_finds_the_photo_beside_the_document(photo, method, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    session = clicked(fewclicks.open("photo.png", method))
    (tmp_path / "session.json").write_text(session.to_json())
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert np.array_equal(Session.replay(os.path.join("..", "session.json")).prob, session.prob)


def test_replay_with_arrays_and_predictor_objects():
    session = clicked(fewclicks.open(PHOTO, Discs()))
    text = session.to_json()
    assert np.array_equal(Session.replay(text, image=PHOTO, predictor=Discs()).prob, session.prob)
    with pytest.raises(InputError, match="image="):
        Session.replay(text, predictor=Discs())
    with pytest.raises(InputError, match="predictor="):
        Session.replay(text, image=PHOTO)
    with pytest.raises(InputError, match="pixels differ"):
        Session.replay(text, image=PHOTO[::-1].copy(), predictor=Discs())


def test_documents_that_cannot_be_replayed(tmp_path):
    good = json.loads(clicked(fewclicks.open(PHOTO, Discs())).to_json())
    for broken in (
        "{",
        "{}",
        "[]",
        "",
        tmp_path / "gone.json",
        json.dumps(good | {"fewclicks_session": 99}),
        json.dumps(good | {"actions": [{"x": 3}]}),
        json.dumps(good | {"actions": [{"mask_png": "iVBORw0K"}]}),
        json.dumps(good | {"actions": [{"prob_float32_zlib": "AAAA"}]}),
        json.dumps(good | {"actions": None}),
        json.dumps({"fewclicks_session": 1}),
    ):
        with pytest.raises(InputError):
            Session.replay(broken, image=PHOTO, predictor=Discs())


def test_options_that_do_not_fit_into_json(photo, method):
    session = fewclicks.open(photo, method, radius_px=np.float32(3))
    with pytest.raises(InputError, match="JSON"):
        session.to_json()


def test_history_is_bounded_and_undo_still_exact(monkeypatch):
    monkeypatch.setattr(session_module, "HISTORY_BYTES", 4 * 120 * 160 * 4)
    predictor = ZoomIn(Discs(), size=64)
    session, probs = Session(PHOTO, predictor), []
    for n in range(12):
        probs.append(session.prob)
        if n == 6:
            session.load_mask(PHOTO[..., 0] > 100)
        else:
            session.click(10 * n + 3, 50, positive=n % 3 != 1)
        assert len(session._history.states) <= 4
    for prob in probs[::-1]:
        session.undo()
        assert np.array_equal(session.prob, prob)
        assert len(session._history.states) <= 4
    for prob in probs[1:]:
        session.redo()
        assert np.array_equal(session.prob, prob)


def test_load_and_open_name_the_cure(photo, method, tmp_path):
    with pytest.raises(UnknownName, match="did you mean 'grow'"):
        fewclicks.load("grwo")
    with pytest.raises(InputError, match="no weights at"):
        fewclicks.load(tmp_path / "gone.onnx")
    with pytest.raises(InputError, match="no weights at"):
        fewclicks.load("gone/model")
    with pytest.raises(InputError, match="colour"):
        fewclicks.load(method, colour=3)
    with pytest.raises(InputError, match="radius_px"):
        fewclicks.open(photo, Discs(), radius_px=3)
    assert fewclicks.load(method, radius_px=7) == Discs(7)


def test_a_path_of_weights_is_the_default_method_on_them(tmp_path, monkeypatch):
    from fewclicks import config

    built = []
    build = staticmethod(lambda weights: built.append(weights) or Discs())
    module = type("Module", (), {"build": build, "describe": None})  # as networks have it
    monkeypatch.setattr(config, "find", lambda kind, name, **_: {("methods", "default"): module}[kind, name])
    (tmp_path / "model.onnx").touch()
    monkeypatch.chdir(tmp_path)
    for weights in ("model.onnx", tmp_path / "model.onnx", tmp_path, str(tmp_path)):
        fewclicks.load(weights)
        assert built[-1] == os.fspath(weights)


@pytest.mark.parametrize(
    "change",
    [
        {"image": []}, {"image": {"path": ["a"], "width": 3, "height": 4, "sha256": ""}}, {"predictor": 7},
        {"actions": [3.5]}, {"actions": [{"x": 10**400, "y": 1, "positive": True}]},
        {"actions": [{"mask_png": "AAAA"}]},
        {"actions": [{"prob_float32_zlib": base64.b64encode(zlib.compress(bytes(2**22))).decode()}]},
    ],
)  # fmt: skip
def test_documents_that_nobody_saved_are_refused(change):
    session = fewclicks.open(gradient(24, 32), "grow")
    document = {**json.loads(session.to_json()), **change}
    with pytest.raises(InputError):
        fewclicks.Session.replay(json.dumps(document), image=gradient(24, 32))


def test_a_deeply_nested_document_is_refused():
    with pytest.raises(InputError, match="is not JSON"):
        fewclicks.Session.replay('{"a":' * 100_000)
