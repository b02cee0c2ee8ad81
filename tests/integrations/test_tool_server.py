"""The HTTP of Label Studio, X-AnyLabeling and osam, with a model that draws discs."""

import base64
import io
import json

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

import fakes
from fewclicks.annotator.server.security import SecurityMiddleware, SecurityPolicy
from fewclicks.errors import InputError
from fewclicks.integrations import brush_rle
from fewclicks.integrations.photo_sources import PhotoSource
from fewclicks.integrations.tool_server import Credentials, application

HW = (60, 80)
CONFIG = """<View><!-- c --><Image name="img" value="$photo"/><BrushLabels name="brush" toName="img" smart="false">
<Label value="cat"/></BrushLabels><KeyPointLabels name="kp" toName="img" smartOnly="true"><Label value="cat"/>
</KeyPointLabels></View>"""
POLYGONS = CONFIG.replace("BrushLabels", "PolygonLabels")


@pytest.fixture
def photos(tmp_path):
    PIL.Image.fromarray(fakes.gradient(*HW)).save(tmp_path / "a b.png")
    return tmp_path


@pytest.fixture
def client(photos):
    spy = fakes.Spy(fakes.Discs(10, 0.0))
    made = TestClient(application(spy, [], PhotoSource(folder=photos), "v1"))
    made.spy = spy
    return made


def point(x, y, **more):
    value = {"x": 100 * x / HW[1], "y": 100 * y / HW[0], "width": 1, "keypointlabels": ["cat"]}
    return {"type": "keypointlabels", "value": value, "original_width": HW[1], "original_height": HW[0], **more}


def asked(*regions, config=CONFIG, address="/data/upload/1/a%20b.png", **task):
    tasks = [{"id": 7, "data": {"photo": address}, **task}]
    return {"tasks": tasks, "label_config": config, "params": {"context": {"result": list(regions)}}}


def brush(mask, label="cat"):
    value = {"format": "rle", "rle": brush_rle.encode(mask), "brushlabels": [label]}
    return {"type": "brushlabels", "value": value}


def mask_in(answer):
    return brush_rle.decode(answer.json()["results"][0]["result"][0]["value"]["rle"], HW)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 40))
def test_brush_masks_come_back(seed, height, width):
    mask = np.random.default_rng(seed).random((height, width)) > 0.7
    assert np.array_equal(brush_rle.decode(brush_rle.encode(mask), (height, width)), mask)


def test_a_large_brush_mask_comes_back_and_a_damaged_one_is_refused():
    mask = np.zeros((900, 1200), bool)
    mask[200:700, 100:1100] = True
    packed = brush_rle.encode(mask)
    assert np.array_equal(brush_rle.decode(packed, mask.shape), mask)
    for bad in ([], packed[:-3], packed[:40], [300], "x", [[1]], [-1] * 20, packed[3:]):
        with pytest.raises(InputError, match="brush mask is damaged"):
            brush_rle.decode(bad, mask.shape)


def test_what_a_browser_painted_is_read():
    # 1x2 pixels, painted by hand in the words of the format: literal values, sizes 3, 4, 8, 16, the alpha 255 and 7
    bits = f"{8:032b}{7:05b}{2:04b}{3:04b}{7:04b}{15:04b}" + "0" + "00" + f"{7:03b}"
    bits += "".join(f"{value:08b}" for value in (1, 2, 3, 255, 9, 9, 9, 7))
    packed = [int(bits[i : i + 8].ljust(8, "0"), 2) for i in range(0, len(bits), 8)]
    assert brush_rle.decode(packed, (1, 2)).tolist() == [[True, False]]


def test_label_studio_says_hello(client):
    assert client.get("/health").json() == {"status": "UP", "model_class": "fewclicks"}
    assert client.get("/").json()["status"] == "UP"
    assert client.post("/setup", json={"project": "1.2", "schema": CONFIG}).json() == {"model_version": "v1"}
    assert client.post("/webhook", json={"action": "ANNOTATION_CREATED"}).status_code == 201
    assert client.post("/predict", json=asked()).json()["results"][0]["result"] == []
    opened = {**asked(), "params": {"context": None}}
    assert client.post("/predict", json=opened).json()["results"] == [[]], "an empty prediction would be shown as one"
    many = {**opened, "tasks": [*opened["tasks"], {"id": 8, "data": {"photo": "gone.png"}}]}
    assert client.post("/predict", json=many).json()["results"] == [[], []]
    for config, cure in (("<View/>", "no <Image>"), ("<View", "no XML"), ("<!DOCTYPE x><View/>", "document type")):
        answer = client.post("/setup", json={"schema": config})
        assert answer.status_code == 400
        assert cure in answer.json()["detail"]


@pytest.mark.parametrize("sign", [{"is_positive": 0}, {"is_positive": False}, "value"])
def test_a_negative_click_in_each_dialect(client, sign):
    negative = point(20, 20, **(sign if isinstance(sign, dict) else {}))
    if sign == "value":
        negative["value"]["positive"] = False
    mask = mask_in(client.post("/predict", json=asked(point(40, 30, is_positive=True), negative)))
    assert mask[30, 40]
    assert [click.positive for click in client.spy.seen[-1][1]] == [True, False]


def test_the_stored_mask_is_what_a_click_corrects(client):
    stored = np.zeros(HW, bool)
    stored[20:40, 30:50] = True
    far = np.zeros(HW, bool)
    far[50:58, 2:8] = True
    drafts = [{"result": [brush(stored), brush(far), brush(np.ones(HW, bool), "dog")]}]
    client.post("/predict", json=asked(point(52, 30), drafts=drafts))
    state, clicks = client.spy.seen[-1]
    assert np.array_equal(state.prob > 0.5, stored)
    assert len(clicks) == 1
    client.post("/predict", json=asked(point(75, 3), drafts=drafts))
    assert not client.spy.seen[-1][0].prob.any(), "far from all masks a new object begins"
    client.post("/predict", json=asked(point(52, 30), annotations=[{"result": [brush(np.ones((3, 3), bool))]}]))
    assert not client.spy.seen[-1][0].prob.any(), "a mask of another photo is none to correct"
    assert len(client.spy.started) == 1, "the photo is read once"


def test_photos_are_kept_by_task_and_address(client, photos):
    PIL.Image.fromarray(fakes.gradient(*HW)).save(photos / "c.png")
    for task, name, read in (
        (7, "a b.png", 1),
        (7, "a b.png", 1),
        (8, "a b.png", 2),
        (7, "c.png", 3),
        (7, "a b.png", 3),
    ):
        client.post("/predict", json=asked(point(40, 30), address=f"/data/{name}", id=task))
        assert len(client.spy.started) == read
    assert len(client.spy.seen) == 3, "a click that was answered is not computed again"
    for task in range(20, 28):
        client.post("/predict", json=asked(point(40, 30), id=task))
    client.post("/predict", json=asked(point(40, 30)))
    assert len(client.spy.started) == 12, "of the tasks that were asked about longest ago nothing is kept"


def test_boxes_and_polygons(client):
    box = {
        "type": "rectanglelabels",
        "value": {"x": 25, "y": 25, "width": 50, "height": 50, "rectanglelabels": ["cat"]},
    }
    row = client.post("/predict", json=asked(box, point(40, 30), config=POLYGONS)).json()["results"][0]["result"][0]
    assert (row["type"], row["from_name"], row["to_name"]) == ("polygonlabels", "brush", "img")
    assert np.abs(np.array(row["value"]["points"]).mean(axis=0) - 50).max() < 10


def test_bad_requests_are_told_apart(client):
    for body, cure in (
        (b"[]", "no JSON object"), (b"{", ""), (b'{"tasks": 3}', "not as Label Studio asks"),
        (json.dumps(asked(point(1, 1), address="/elsewhere.png")).encode(), "--tool-url"),
        (json.dumps(asked({"type": "keypointlabels"})).encode(), "not as Label Studio sends it"),
        (json.dumps(asked(point(1, 1), address="/data/../../etc/passwd")).encode(), "--tool-url"),
    ):  # fmt: skip
        answer = client.post("/predict", content=body)
        assert answer.status_code == 400
        assert cure in answer.json()["detail"]


def test_only_the_named_server_is_asked():
    source = PhotoSource(url="http://127.0.0.1:9", token="abc")
    for address in ("http://127.0.0.1:10/a.png", "http://169.254.169.254/x", "file:///etc/passwd", "//other/x.png"):
        with pytest.raises(InputError, match="the only server"):
            source.read(address)
    with pytest.raises(InputError, match="does not give the photo"):
        source.read("/a.png")
    with pytest.raises(InputError, match="no address of a server"):
        PhotoSource(url="file:///etc")


def test_x_anylabeling_and_osam(client):
    photo = "data:image/png;base64," + encoded(fakes.gradient(*HW))
    assert "fewclicks" in client.get("/v1/models").json()["data"]
    marks = [{"type": "point", "data": [40, 30], "label": 1}, {"type": "point", "data": [10, 10], "label": 0}]
    body = {"model": "fewclicks", "image": photo, "params": {"marks": marks}}
    shape = client.post("/v1/predict", json=body).json()["data"]["shapes"][0]
    assert shape["shape_type"] == "polygon"
    assert np.abs(np.array(shape["points"]).mean(axis=0) - (40, 30)).max() < 2
    prompt = {"points": [[40, 30], [10, 10], [0, 0]], "point_labels": [1, 0, -1]}
    body = {"model": "sam2", "image": photo.partition(",")[2], "prompt": prompt}
    found = client.post("/api/generate", json=body).json()["annotations"][0]
    box, picture = found["bounding_box"], PIL.Image.open(io.BytesIO(base64.b64decode(found["mask"])))
    assert picture.size == (box["xmax"] - box["xmin"] + 1, box["ymax"] - box["ymin"] + 1)
    assert len(client.spy.started) == 2
    assert client.post("/api/generate", json={"image": photo}).json()["annotations"]
    for path, bad in (("/v1/predict", {"image": "%%"}), ("/v1/predict", {"image": photo, "params": {"marks": [3]}}),
                      ("/api/generate", {"image": photo, "prompt": {"points": [[1, 1]], "point_labels": [9]}}),
                      ("/api/generate", {})):  # fmt: skip
        assert client.post(path, json=bad).status_code == 400


def test_only_who_knows_the_token_is_answered(photos):
    token = "0123456789abcdefgh"
    app = application(fakes.Discs(), ["label-studio"], PhotoSource(folder=photos), "v1")
    client = TestClient(Credentials(SecurityMiddleware(app, SecurityPolicy(token=token))), base_url="http://127.0.0.1")
    basic = base64.b64encode(f"any:{token}".encode()).decode()
    assert client.get("/health").status_code == 401
    for headers in ({"Authorization": f"Basic {basic}"}, {"Token": token}, {"Authorization": f"Bearer {token}"}):
        assert client.get("/health", headers=headers).status_code == 200
        assert client.post("/predict", json=asked(), headers={**headers, "Origin": "http://evil"}).status_code == 403
    for headers in ({"Authorization": "Basic %%"}, {"Token": "wrong"}, {"Authorization": "Basic " + basic[:-9]}):
        assert client.get("/health", headers=headers).status_code == 401
    assert client.get("/v1/models", headers={"Token": token}).status_code == 404
    with pytest.raises(InputError, match="label-studio"):
        application(fakes.Discs(), ["cvat"], PhotoSource(), "v1")


def encoded(image):
    file = io.BytesIO()
    PIL.Image.fromarray(image).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()
