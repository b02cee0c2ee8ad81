"""Two servers on one database: each tells its pages what the other has done, and no update is lost."""

import threading

import numpy as np
import pytest

from annotating import Api, client_of, make_folder, photo
from fewclicks.annotator.services import database_watch
from fewclicks.errors import StoreError


@pytest.fixture
def pair(tmp_path, monkeypatch):
    """Two servers on one folder, pages of the second that show photo 1, and what they are told."""
    monkeypatch.setattr(database_watch, "PAUSE_S", 3600)  # it looks when the test says so
    root = make_folder(tmp_path / "photos")
    with client_of(root) as first, client_of(root) as second:
        told = []
        hub = second.annotator.hub
        monkeypatch.setattr(hub, "shown", lambda: {1})
        monkeypatch.setattr(hub, "publish", lambda event, data, photo_id=None: told.append((event, hub.told(data))))

        def look():
            told.clear()
            second.annotator.watch.look()
            return [(event, data["id"] if isinstance(data, dict) else len(data)) for event, data in told]

        for api in (Api(first), Api(second)):
            while any(item["width"] is None for item in api("GET", "/photos")["items"]):
                pass
        second.annotator.news.begin(1)
        look()
        yield Api(first), Api(second), look, told


def test_the_second_server_tells_what_the_first_has_done(pair):
    first, _, look, told = pair
    assert look() == []
    here = first.new(1)["id"]
    first.new(2)
    assert look() == [("object", here), ("photo", 1), ("photo", 2)]
    assert look() == []
    change = first.click(here, 60, 40)
    assert look() == [("object", here), ("photo", 1)]
    assert told[0][1] == change["object"]
    first("PATCH", f"/objects/{here}", {"deleted": True})
    assert ("object", here) in look()
    assert told[0][1]["deleted"]
    first("PATCH", "/photos/3", {"state": "done"})
    assert look() == [("photo", 3)]
    assert told[0][1]["state"] == "done"
    first("POST", "/classes", {"name": "cat"}, 201)
    assert look() == [("classes", 2)]


def test_its_own_work_is_told_once(pair):
    _, second, look, told = pair
    told.clear()
    object_id = second.new(1)["id"]
    second.click(object_id, 60, 40)
    assert [data["version"] for event, data in told if event == "object"] == [1, 2]
    assert look() == [("photo", 1)]


def test_work_on_one_object_by_both_is_all_done(pair):
    first, second, look, told = pair
    object_id = first.new(1)["id"]
    failures = []

    def annotate(api, x):
        for n in range(6):
            change = api.click(object_id, x + n, 40)
            if change["object"]["version"] < 2:
                failures.append(change)

    threads = [threading.Thread(target=annotate, args=(api, x)) for api, x in ((first, 40), (second, 60))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(first("GET", f"/objects/{object_id}")["clicks"]) == 12
    assert np.array_equal(first.mask(object_id), second.mask(object_id))
    assert first.mask(object_id).shape == photo().shape[:2]
    late = second.act(object_id, "click", status=409, x=50, y=50, if_version=3)
    assert late["current"]["version"] == 13
    look()
    assert [data["version"] for event, data in told if event == "object"] in ([], [13])


def test_photos_that_nobody_shows_any_more_are_forgotten(tmp_path, monkeypatch):
    monkeypatch.setattr(database_watch, "PAUSE_S", 3600)
    with client_of(make_folder(tmp_path / "photos")) as client:
        looking, news = client.annotator.watch, client.annotator.news
        news.begin(1)
        looking.look()
        assert 1 in news._known, "its stream is perhaps just beginning"
        looking.look()
        assert news._known == {}


def test_a_database_that_is_away_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(database_watch, "PAUSE_S", 0.01)
    root = make_folder(tmp_path / "photos")
    with client_of(root) as client:
        looks, seen = [], threading.Event()

        def look():
            looks.append(1)
            if len(looks) == 1:
                raise StoreError("gone")
            seen.set()

        monkeypatch.setattr(client.annotator.watch, "look", look)
        assert seen.wait(120)
