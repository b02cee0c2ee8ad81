"""People: who may sign in and do what, who has which photo, what reviewers say, who is here. On every database."""

import json
import threading
import uuid

import pytest

from annotating import API, Api, client_of, make_folder
from fewclicks.annotator.server.security import SecurityPolicy
from fewclicks.annotator.server.signin import TRIES, TRIES_S, Tries
from fewclicks.annotator.services.checking import check
from fewclicks.annotator.store.objects import Store
from fewclicks.annotator.store.photos import PhotoEdit
from fewclicks.errors import Conflict, InputError

OWNER = "the-token-of-the-owner-1234"
POLICY = SecurityPolicy(token=OWNER)
PASSWORD = "correct horse battery"


def new_id():
    return str(uuid.uuid4())


@pytest.fixture(scope="module")
def team(tmp_path_factory):
    """A server that asks who one is, its owner, and a function that adds somebody and gives their API."""
    with client_of(make_folder(tmp_path_factory.mktemp("team") / "photos"), policy=POLICY) as client:
        yield client


class As(Api):
    """The API as somebody with a token uses it."""

    def __init__(self, client, token):
        super().__init__(client)
        self.headers = {"Authorization": f"Bearer {token}"}

    def __call__(self, method, path, json=None, status=200, **more):
        self.client.cookies.clear()
        return super().__call__(method, path, json, status, headers={**self.headers, **more.pop("headers", {})}, **more)


@pytest.fixture(scope="module")
def owner(team):
    return As(team, OWNER)


@pytest.fixture(scope="module")
def people(team, owner):
    """Their APIs by name: Ann annotates, Rob reviews."""
    tokens = {
        name: owner("POST", "/people", {"name": name, "role": role}, 201)["token"]
        for name, role in (("Ann", "annotator"), ("Bea", "annotator"), ("Rob", "reviewer"))
    }
    return {name: As(team, token) for name, token in tokens.items()}


def test_everybody_is_who_their_link_says_and_may_do_what_their_role_says(people, owner):
    ann, rob = people["Ann"], people["Rob"]
    found = ann("GET", "/session", headers={"X-Fewclicks-Person": "Rob"})
    assert (found["person"], found["named"], found["role"]) == ("Ann", True, "annotator")
    assert owner("GET", "/session")["role"] == "admin"
    for who, method, path, body in (
        (ann, "POST", "/people", {"name": "Eve"}),
        (rob, "POST", "/people", {"name": "Eve", "role": "admin"}),
        (ann, "POST", "/classes", {"name": "cat"}),
        (ann, "DELETE", "/classes/1", None),
        (ann, "POST", "/import", {}),
        (ann, "PATCH", "/photos/3", {"state": "accepted"}),
        (ann, "PATCH", "/photos/3", {"state": "returned"}),
        (ann, "PATCH", "/photos/3", {"assignee": "Bea"}),
        (ann, "PATCH", "/photos", {"ids": [3], "evenly": ["Ann"]}),
    ):
        assert "nly" in who(method, path, body, 403)["detail"]
    assert rob("POST", "/classes", {"name": "cat"}, 201)["key"] == "2"
    (line,) = [line for line in owner("GET", "/journal") if line["kind"] == "class" and line["person"]]
    assert (line["person"], line["change"]["after"]["name"]) == ("Rob", "cat")


def test_a_photo_is_done_sent_back_with_a_pinned_comment_done_again_and_accepted(people):
    ann, rob = people["Ann"], people["Rob"]
    thing = ann.new(1)["id"]
    ann.click(thing, 60, 40)
    assert ann("GET", f"/objects/{thing}")["person"] == "Ann"
    assert ann("PATCH", "/photos/1", {"state": "done"})["state"] == "done"
    pin = new_id()
    said = {"photo_id": 1, "text": "The handle is missing.", "x": 70, "y": 30, "object_id": thing}
    made = rob("PUT", f"/comments/{pin}", said)
    assert rob("PUT", f"/comments/{pin}", said) == made, "sent twice, it is written once"
    assert (made["person"], made["x"], made["object_id"]) == ("Rob", 70, thing)
    back = rob("PATCH", "/photos/1", {"state": "returned"})
    assert (back["state"], back["comments"]) == ("returned", 1)
    ann("PATCH", "/photos/1", {"state": "begun"}, 403)
    assert ann("PATCH", f"/comments/{pin}", {"resolved": True})["resolved_by"] == "Ann"
    ann("PATCH", f"/comments/{pin}", {"text": "It is fine."}, 403)
    assert ann("PATCH", "/photos/1", {"state": "done"})["state"] == "done"
    assert ann("PATCH", "/photos/1", {"state": "begun"})["state"] == "returned", "it was not accepted yet"
    assert ann("PATCH", "/photos/1", {"state": "done"})["state"] == "done"
    assert rob("PATCH", "/photos/1", {"state": "accepted"})["state"] == "accepted"
    assert "accepted" in ann.act(thing, "click", 403, x=80, y=50)["detail"]
    ann("POST", f"/objects/{thing}/undo", {"action_id": new_id()}, 403)
    ann("PUT", f"/objects/{new_id()}", {"photo_id": 1, "class_id": 1}, 403)
    ann("PATCH", "/photos/1", {"state": "done"}, 403)
    rob.click(thing, 80, 50, positive=False)  # fixed in place
    assert rob("GET", "/photos/1")["photo"]["state"] == "accepted"
    lines = [line for line in ann("GET", "/photos/1/journal") if line["kind"] == "photo"]
    told = [(line["person"], line["change"]["after"]["state"]) for line in lines]
    assert told == [("Ann", "done"), ("Rob", "returned"), ("Ann", "done"), ("Ann", "returned"), ("Ann", "done"),
                    ("Rob", "accepted")]  # fmt: skip
    assert rob("GET", "/photos?state=accepted")["items"][0]["id"] == 1
    assert rob("GET", "/folder")["counts"]["accepted"] == 1
    assert rob("PATCH", "/photos/1", {"state": "begun"})["state"] == "begun"


def test_photos_are_assigned_evenly_and_taken_once(people):
    ann, bea, rob = people["Ann"], people["Bea"], people["Rob"]
    given = rob("PATCH", "/photos", {"ids": [1, 2, 3], "evenly": ["Ann", "Bea"], "add_tags": ["first"]})
    assert [(photo["assignee"], photo["tags"]) for photo in given] == [("Ann", ["first"])] * 2 + [("Bea", ["first"])]
    rob("PATCH", "/photos", {"ids": [1, 99], "assignee": ""}, 404)
    assert rob("GET", "/photos/1")["photo"]["assignee"] == "Ann", "all of them or none"
    assert ann("PATCH", "/photos/2", {"assignee": ""})["assignee"] == "", "one's own is given back"
    ann("PATCH", "/photos/3", {"assignee": "Ann"}, 403)
    assert bea("POST", "/photos/next")["id"] == 2
    assert bea("POST", "/photos/next", status=204).content == b""
    found = rob("GET", "/progress")
    shares = {one["person"]: sum(one["counts"].values()) for one in found["people"]}
    assert shares == {"Ann": 1, "Bea": 2}
    assert sum(found["counts"].values()) == 3


def test_passwords_open_sessions_and_end_them(team, owner):
    made = owner("POST", "/people", {"name": "Zoë", "password": PASSWORD, "link": False, "role": "reviewer"}, 201)
    assert (made["token"], made["password"], made["link"]) == (None, True, False)
    assert PASSWORD not in json.dumps(owner("GET", "/people"))
    assert "argon2" not in json.dumps(owner("GET", "/people"))
    form, own = {"Content-Type": "application/x-www-form-urlencoded"}, {"Origin": str(team.base_url)}

    def login(name, password):
        team.cookies.clear()
        body = f"name={name}&token={password}".encode()
        return team.post("/login", content=body, headers={**form, **own}).status_code

    assert "Your name" in team.get("/").text
    assert login("Zo%C3%AB", "wrong") == 401
    assert login("Ann", PASSWORD.replace(" ", "+")) == 401, "she has none"
    assert login("Zo%C3%AB", PASSWORD.replace(" ", "+")) == 303
    assert team.get(f"{API}/session").json()["person"] == "Zoë"
    assert team.patch(f"{API}/people/{made['id']}", json={"role": "admin"}).status_code == 403
    assert team.patch(f"{API}/people/{made['id']}", json={"password": "another long one 1"}).status_code == 200
    assert team.get(f"{API}/session").status_code == 401, "another password ends what the old one opened"
    assert login("zo%C3%AB", "another+long+one+1") == 303
    opened = dict(team.cookies)
    owner("PATCH", f"/people/{made['id']}", {"active": False})
    team.cookies.update(opened)
    assert team.get(f"{API}/session").status_code == 401
    assert login("Zo%C3%AB", "another+long+one+1") == 401
    team.cookies.clear()
    for bad in ({"name": "Ann"}, {"name": "ann"}, {"name": " "}, {"name": "x" * 101}, {"name": "a", "link": False},
                {"name": "a", "password": "short"}, {"name": "a", "password": "aaaaaaaaaaaaaaa"}):  # fmt: skip
        owner("POST", "/people", bad, 400)


def test_a_new_link_ends_the_old_one(team, owner):
    made = owner("POST", "/people", {"name": "Liv"}, 201)
    old = As(team, made["token"])
    assert old("GET", "/session")["person"] == "Liv"
    new = As(team, owner("PATCH", f"/people/{made['id']}", {"link": True})["token"])
    old("GET", "/session", status=401)
    assert new("GET", "/session")["person"] == "Liv"
    owner("PATCH", f"/people/{new_id()}", {"active": False}, 404)


def test_comments_that_cannot_be(people, owner):
    ann = people["Ann"]
    for bad, status in (
        ({"photo_id": 3, "text": " "}, 400),
        ({"photo_id": 3, "text": "x" * 2001}, 400),
        ({"photo_id": 99, "text": "x"}, 404),
        ({"photo_id": 3, "text": "x", "x": 3}, 400),
        ({"photo_id": 3, "text": "x", "x": 1e9, "y": 3}, 400),
        ({"photo_id": 3, "text": "x", "object_id": new_id()}, 404),
        ({"photo_id": 3}, 422),
    ):
        ann("GET", "/photos/3")
        ann("PUT", f"/comments/{new_id()}", bad, status)
    ann("PATCH", f"/comments/{new_id()}", {"resolved": True}, 404)
    key = new_id()
    ann("PUT", f"/comments/{key}", {"photo_id": 3, "text": "two\nlines"})
    people["Rob"]("PATCH", f"/comments/{key}", {"deleted": True})
    assert ann("GET", "/photos/3/comments") == []
    assert ann("GET", "/photos/3/comments?deleted=true")[0]["text"] == "two\nlines"
    assert ann("PATCH", f"/comments/{key}", {"deleted": False})["deleted"] is False
    assert ann("GET", "/photos/3")["photo"]["comments"] == 1


def test_a_soft_lock_is_held_taken_over_and_ends_with_its_page(people):
    ann, bea = people["Ann"], people["Bea"]
    thing, first, second = new_id(), new_id(), new_id()
    ann("POST", "/presence", {"page": first, "photo_id": 3, "object_id": thing}, 204)
    held = bea("POST", "/presence", {"page": second, "photo_id": 3, "object_id": thing}, 409)
    assert held["detail"].startswith("Ann is editing this object")
    ann("PUT", f"/objects/{thing}", {"photo_id": 3, "class_id": 1})
    # The API holds to it too: who holds it may act, others are told who does.
    assert "Ann is editing" in bea("PATCH", f"/objects/{thing}", {"name": "mine"}, 409)["detail"]
    step = {"action_id": str(uuid.uuid4())}
    assert "Ann is editing" in bea("PATCH", f"/objects/{thing.replace('-', '').upper()}", {"z": 3}, 409)["detail"]
    assert "Ann is editing" in bea("POST", f"/objects/{thing}/undo", step, 409)["detail"]
    other = new_id()
    bea("PUT", f"/objects/{other}", {"photo_id": 3, "class_id": 1})
    merge = {"action_id": str(uuid.uuid4()), "others": [thing]}
    assert "Ann is editing" in bea("POST", f"/objects/{other}/merge", merge, 409)["detail"]
    ann("PATCH", f"/objects/{thing}", {"name": "hers"})
    assert [(one["person"], one["object_id"]) for one in bea("GET", "/presence")] == [("Ann", thing)]
    bea("POST", "/presence", {"page": second, "photo_id": 3, "object_id": thing, "force": True}, 204)
    assert {one["person"]: one["object_id"] for one in ann("GET", "/presence")} == {"Ann": None, "Bea": thing}
    bea("PATCH", f"/objects/{thing}", {"name": "mine"})
    bea("POST", "/presence", {"page": second, "photo_id": 3}, 204)


def test_pages_of_one_person_or_of_nobody_named_do_not_lock_each_other_out(place):
    with Store(place) as store:
        store.add_photos(["a.png"])
        for person in ("Ann", "", "Ann\n" + "x" * 200):
            store.presence.hold(f"first of {person[:4]}", 1, f"thing of {person}"[:36], person)
            store.presence.hold(f"second of {person[:4]}", 1, f"thing of {person}"[:36], person)
        store.presence.hold("first of Ann", 1, "thing", "Ann")
        store.presence.hold("second of Ann", 1, "thing", "Ann", force=True)
        for stranger in ("Bea", ""):
            with pytest.raises(Conflict, match="Ann is editing"):
                store.presence.hold("third", 1, "thing", stranger)
        store.presence.hold("third", 1, "thing", "Bea", force=True)
        held = [(one.id, one.person) for one in store.presence.present() if one.object_id == "thing"]
        assert held == [("third", "Bea")], "both pages of Ann have lost it"
        with pytest.raises(Conflict, match="Bea is editing"):
            store.presence.hold("first of Ann", 1, "thing", "Ann")


def test_the_store_of_every_database_keeps_all_of_it(place):
    with Store(place) as store:
        store.add_photos(["a.png", "b.png"])
        store.change_photo(1, hw=(80, 120))
        member = store.people.add("Ann", "reviewer", link="0" * 64, person="Root")
        assert store.people.members() == [member]
        assert store.people.change(member.id, role="admin", active=False).role == "admin"
        with pytest.raises(InputError, match="already"):
            store.people.add("ann", "admin")
        store.presence.arrive("page", 1, "Ann")
        store.presence.hold("page", 1, "thing", "Ann")
        with pytest.raises(Conflict, match="Ann is editing"):
            store.presence.hold("other", 1, "thing", "Bea")
        store.presence.arrive("page", 1, "Ann")
        assert [one.object_id for one in store.presence.present()] == ["thing"], "a pulse changes nothing"
        store.presence.leave("page")
        assert store.presence.present() == []
        edit = PhotoEdit(state="returned", note="blurred\nhere", tags=("night", "night", "rain"), assignee="Ann")
        info = store.change_photo(1, edit=edit, person="Rob")
        assert (info.state, info.tags, info.assignee) == ("returned", ("night", "rain"), "Ann")
        kinds = [(event.kind, event.person) for event in store.events.of_photo(1)]
        assert kinds == [("photo", "Rob")]
        assert [event.kind for event in store.events.of_folder()] == ["person", "person"]
    assert [str(fault) for fault in check(place)] == []


@pytest.mark.slow
def test_two_who_ask_at_once_get_different_photos(place):
    with Store(place) as store:
        store.add_photos([f"{n}.png" for n in range(4)])
        names, found = [f"{n}.png" for n in range(4)], []

        def ask(who):
            with Store(place) as own:
                found.extend(own.take_next(names, who).id for _ in range(2))

        threads = [threading.Thread(target=ask, args=(who,)) for who in ("Ann", "Bea")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(found) == [1, 2, 3, 4]
        assert store.take_next(names, "Ann") is None


@pytest.mark.slow
def test_passwords_are_tried_a_few_times_only():
    now = [0.0]
    tries = Tries(lambda: now[0])
    assert [tries.allow("Ann", "here") for _ in range(TRIES + 1)] == [True] * TRIES + [False]
    assert tries.allow("Ann", "elsewhere")
    assert tries.allow("Bea", "here")
    now[0] += TRIES_S
    assert tries.allow("ann", "here")
