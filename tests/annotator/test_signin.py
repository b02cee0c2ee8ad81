"""Who is in: tokens, sessions that end, one-time tickets, and whose name an action gets."""

import os
import re
import socket
import sys
import threading
import time
from dataclasses import replace
from urllib.parse import urlsplit

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from annotating import OWN, Api, client_of, make_folder
from fewclicks.annotator.server import accounts
from fewclicks.annotator.server.accounts import is_own_peer, several_people
from fewclicks.annotator.server.proxies import Proxies
from fewclicks.annotator.server.security import SecurityMiddleware, SecurityPolicy
from fewclicks.annotator.server.serve import Place, policy_for
from fewclicks.annotator.server.sessions import IDLE_S, LIFE_S, SESSIONS_EACH, TICKET_S, Sessions
from fewclicks.annotator.server.signin import SignIn
from fewclicks.annotator.server.signin_page import WORDS
from fewclicks.annotator.server.tokens import read_people
from fewclicks.cli import main
from fewclicks.errors import InputError

ANNA, BEN, SHARED = "the-token-of-anna-0", "the-token-of-ben-00", "a-shared-token-0000"
POLICY = SecurityPolicy(token=SHARED, people={"Anna": ANNA, "Ben": BEN}, cookie="fewclicks_8000")


async def who(request):
    return JSONResponse({"person": request.state.person, "named": request.state.named})


def client(policy=POLICY, sessions=None, base_url=OWN, peer=("127.0.0.1", 50000)):
    sign_in = SignIn(sessions or policy.sessions(), policy.cookie) if policy.needs_token else None
    routes = [Route("/", who), Route("/api/v1/who", who)]
    app = Starlette(routes=routes, middleware=[Middleware(SecurityMiddleware, policy=policy, sign_in=sign_in)])
    return TestClient(app, base_url=base_url, follow_redirects=False, client=peer)


def person(http, **headers):
    answer = http.get("/api/v1/who", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["person"]


@pytest.mark.parametrize(
    ("accepted", "language", "enter"),
    [
        ("de-AT,de;q=0.9,en;q=0.8", "de", "Anmelden"),
        ("en-GB,en;q=0.9,de;q=0.5", "en", "Sign in"),
        ("fr,de;q=0.3,en;q=0.7", "en", "Sign in"),
        ("fr", "en", "Sign in"),
        ("de;q=0", "en", "Sign in"),
        ("de;q=often, *;q=0.1", "en", "Sign in"),
        ("", "en", "Sign in"),
    ],
)
def test_the_page_that_asks_speaks_the_language_of_the_browser(accepted, language, enter):
    answer = client().get("/", headers={"Accept-Language": accepted})
    assert answer.status_code == 401
    assert f'<html lang="{language}">' in answer.text
    assert f">{enter}</button>" in answer.text
    assert answer.headers["Vary"] == "Accept-Language"


def test_every_language_of_the_page_that_asks_has_all_its_words():
    keys = {language: list(words) for language, words in WORDS.items()}
    assert len({tuple(each) for each in keys.values()}) == 1
    for words in WORDS.values():
        assert all(text and "{" not in text.replace("{address}", "") for text in words.values())


def bearer(token, **headers):
    return {"Authorization": f"Bearer {token}", **headers}


def test_the_person_is_that_of_the_token():
    assert person(client(), **bearer(ANNA)) == "Anna"
    assert person(client(), **bearer(BEN, **{"X-Fewclicks-Person": "Anna"})) == "Ben", "a name that is given is fixed"
    http = client()
    assert http.get(f"/?token={ANNA}").status_code == 303
    assert person(http) == "Anna"
    assert http.get(f"/?token={BEN}").status_code == 303
    assert person(http) == "Ben", "another token opens another session"


def test_whom_no_token_names_may_say_a_name():
    header = {"X-Fewclicks-Person": "J%C3%BCrgen%20%F0%9F%A6%8A"}
    assert person(client(), **bearer(SHARED)) == ""
    assert person(client(), **bearer(SHARED, **header)) == "Jürgen 🦊"
    assert person(client(SecurityPolicy()), **header) == "Jürgen 🦊", "also where no token is needed"


@pytest.mark.parametrize("name", ["%00", "a%0Ab", "%ff", "x" * 101, "%ED%A0%80", "a%E2%80%A8b"])
def test_what_is_no_name_is_refused(name):
    answer = client(SecurityPolicy()).get("/api/v1/who", headers={"X-Fewclicks-Person": name})
    assert answer.status_code == 400
    assert "name" in answer.json()["detail"]


def clocked(**people):
    """Sessions, and a clock that is moved by hand."""
    now = [0.0]
    return Sessions(people or {"": SHARED}, clock=lambda: now[0]), now


def test_a_session_ends_without_use_and_after_a_month():
    sessions, now = clocked()
    secret = sessions.open("")
    while now[0] < LIFE_S:
        assert sessions.find(secret) is not None
        now[0] += IDLE_S - 1
    assert sessions.find(secret) is None
    secret = sessions.open("")
    now[0] += IDLE_S + 1
    assert sessions.find(secret) is None


def test_sessions_are_bounded_for_each_token_by_itself():
    sessions, _ = clocked(Anna=ANNA, Ben=BEN)
    ben, anna = sessions.open("Ben"), [sessions.open("Anna") for _ in range(SESSIONS_EACH)]
    assert sessions.find(anna[0])
    sessions.open("Anna")
    assert sessions.find(anna[0]), "it was used just now"
    assert sessions.find(anna[1]) is None
    assert sessions.find(ben).person == "Ben", "nobody is put out by another"


def test_a_ticket_is_good_once_and_soon():
    sessions, now = clocked()
    ticket, late = sessions.ticket(), sessions.ticket()
    assert sessions.find(sessions.redeem(ticket)) is not None
    assert sessions.redeem(ticket) is None
    now[0] += TICKET_S + 1
    assert sessions.redeem(late) is None
    assert sessions.redeem("never given") is None


def test_the_browser_is_opened_by_a_ticket_that_leaves_the_address():
    sessions = POLICY.sessions()
    http, ticket = client(sessions=sessions), sessions.ticket()
    assert http.get(f"/?ticket={ticket}").headers["location"] == "/"
    assert http.get("/").status_code == 200
    again = client(sessions=sessions).get(f"/?ticket={ticket}")
    assert again.status_code == 401
    assert "used already" in again.text
    assert http.get(f"/?ticket={ticket}").status_code == 303, "who is in stays in, and the address is cleaned"
    assert http.get("/?token=wrong").status_code == 303


def test_another_user_of_the_machine_cannot_redeem_the_ticket(monkeypatch):
    sessions = POLICY.sessions()
    ticket = sessions.ticket()
    monkeypatch.setattr("fewclicks.annotator.server.signin.is_own_peer", lambda host, port: False)
    assert client(sessions=sessions).get(f"/?ticket={ticket}").status_code == 401
    monkeypatch.setattr("fewclicks.annotator.server.signin.is_own_peer", lambda host, port: True)
    assert client(sessions=sessions).get(f"/?ticket={ticket}").status_code == 303, "it was not used up"


def test_nobody_redeems_the_ticket_through_a_proxy(monkeypatch):
    """Another user of the machine may ask the proxy, and nothing tells whose that connection is."""
    policy = replace(POLICY, proxies=Proxies.named(["127.0.0.1"]))
    sessions = policy.sessions()
    ticket = sessions.ticket()
    monkeypatch.setattr("fewclicks.annotator.server.signin.is_own_peer", lambda host, port: True)
    for name, value in (("For", "127.0.0.1"), ("Proto", "http"), ("Proto", "odd"), ("Host", "127.0.0.1:8000")):
        http = client(policy, sessions)
        assert http.get(f"/?ticket={ticket}", headers={f"X-Forwarded-{name}": value}).status_code == 401
    assert http.get(f"/?ticket={ticket}").status_code == 303


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists the sockets with their owners")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::"])
def test_whose_a_connection_is(host, monkeypatch):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listening:
        try:
            listening.bind((host, 0))
        except OSError:
            pytest.skip(f"this machine has no {host}")
        listening.listen()
        other = "127.0.0.1" if host == "::" else host  # by IPv4 to a socket of both
        with socket.create_connection((other, listening.getsockname()[1])), listening.accept()[0] as seen:
            host, port = seen.getpeername()[:2]
            assert is_own_peer(host, port)
            monkeypatch.setattr(os, "getuid", lambda: 4321)
            monkeypatch.delenv("SUDO_UID", raising=False)
            assert not is_own_peer(host, port)
    assert is_own_peer("192.0.2.1", 1), "of other machines nothing is known"
    assert is_own_peer("nobody", 1)


def test_a_session_is_ended_by_its_user(tmp_path):
    with client_of(make_folder(tmp_path / "photos"), policy=POLICY) as http:
        api = Api(http)
        assert http.get(f"/?token={ANNA}").status_code == 303
        assert api("GET", "/session") == {"person": "Anna", "named": True, "signed_in": True, "role": "admin"}
        other = dict(http.cookies)
        http.cookies.clear()
        assert http.get(f"/?token={ANNA}").status_code == 303
        assert http.cookies["fewclicks_8000"] != other["fewclicks_8000"] != ANNA
        assert api("DELETE", "/session", status=204).headers["set-cookie"].startswith('fewclicks_8000=""')
        api("GET", "/session", status=401)
        http.cookies.update(other)
        api("GET", "/session")
        api("DELETE", "/session?everywhere=true", status=204)
        http.cookies.update(other)
        api("GET", "/session", status=401)
        said = api("GET", "/session", headers=bearer(SHARED, **{"X-Fewclicks-Person": "Cleo"}))
        assert said == {"person": "Cleo", "named": False, "signed_in": False, "role": "admin"}
        api("DELETE", "/session", status=204, headers=bearer(SHARED))


def test_the_page_that_asks_for_the_token():
    http, own = client(), {"Origin": OWN, "Sec-Fetch-Site": "same-origin"}
    page = http.get("/")
    assert page.status_code == 401
    assert "form-action 'self'" in page.headers["content-security-policy"]
    assert "refresh" not in page.text
    assert http.post("/login", data={"token": "wrong"}, headers=own).status_code == 401
    assert http.post("/login", data={"token": ANNA}, headers={"Origin": "http://evil.example"}).status_code == 403
    assert http.post("/login", content=b"token=" + b"x" * 5000, headers=own).status_code == 413
    answer = http.post("/login", data={"token": f" {ANNA} "}, headers=own)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert person(http) == "Anna"


def test_a_link_from_another_page_brings_its_cookie_at_the_second_try():
    page = client().get("/", headers={"Sec-Fetch-Site": "cross-site"})
    assert 'http-equiv="refresh"' in page.text
    assert "refresh" not in client().get("/?token=wrong", headers={"Sec-Fetch-Site": "cross-site"}).text


@pytest.mark.slow
def test_streams_end_with_the_session(tmp_path):
    """Over real connections: the test client does not stream."""
    from serving import running

    token = "a-token-of-sixteen-letters"
    root = make_folder(tmp_path / "photos")
    with running(root, "--host-name", "photos.example", FEWCLICKS_TOKEN=token) as served:
        assert served.client.get(f"/?token={token}").status_code == 303
        ends = []

        def listen():
            own = httpx2.Client(base_url=served.client.base_url, cookies=served.client.cookies, timeout=60)
            with own, own.stream("GET", "/api/v1/photos/1/events") as stream:
                for line in stream.iter_lines():
                    ends.append(line)  # noqa: PERF402 - each is seen at once
            ends.append("end")

        thread = threading.Thread(target=listen)
        thread.start()
        for _ in range(2400):
            if ends:
                break
            time.sleep(0.05)
        assert "end" not in ends
        served.api("DELETE", "/session", status=204)
        thread.join(120)
        assert ends[-1] == "end"
        code, err = served.end()
        assert (code, err.strip()) == (0, "Stopped."), "no secret in the log either"


def test_what_is_opened_is_a_ticket_and_not_the_token(tmp_path):
    from serving import running

    opened = tmp_path / "opened"
    script = tmp_path / "browser"
    script.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}.part && mv {opened}.part {opened}\n', "utf-8")
    script.chmod(0o700)
    token = "a-token-of-sixteen-letters"
    root = make_folder(tmp_path / "photos")
    with running(root, "--host", "0.0.0.0", browser=True, FEWCLICKS_TOKEN=token, BROWSER=str(script)) as served:
        for _ in range(2400):
            if opened.exists():
                break
            time.sleep(0.05)
        address = opened.read_text("utf-8")
        assert token not in address
        found = served.client.get(f"/?{urlsplit(address).query}")
        assert (found.status_code, found.headers["location"]) == (303, "/")
        assert served.client.get("/").status_code == 200
        assert re.search(rf"\?token={token}", served.said), "the printed address is for other browsers"


@pytest.mark.parametrize(
    ("accounts_", "several"),
    [
        ("root:x:0:0::/root:/bin/bash", False),
        ("root:x:0:0::/root:/bin/bash\nnode:x:1000:1000::/srv:/bin/bash", False),
        ("anna:x:1000:1000::/srv:/bin/bash\nben:x:1001:1001::/srv:/bin/zsh", True),
        ("anna:x:1000:1000::/srv:/bin/bash\nbuild:x:1001:1001::/srv:/usr/sbin/nologin", False),
        ("postgres:x:101:101::/var:/bin/bash\nnobody:x:65534:65534::/:/bin/sh", False),
        ("a line of nonsense:::\nanna:x:many:1:::", False),
    ],
)
def test_whether_several_people_use_a_machine(tmp_path, accounts_, several):
    (tmp_path / "passwd").write_text(accounts_, "utf-8")
    (tmp_path / "proc").mkdir()
    assert several_people(tmp_path / "passwd", tmp_path / "proc", own=0) is several
    assert several_people(tmp_path / "passwd", tmp_path / "none", own=1000) is several


def test_who_runs_something_uses_the_machine(tmp_path, monkeypatch):
    (tmp_path / "passwd").write_text("", "utf-8")
    monkeypatch.setattr(accounts, "_running", lambda place: iter([0, 1001, 165_536]))
    assert several_people(tmp_path / "passwd", own=1000)
    assert not several_people(tmp_path / "passwd", own=0), "root of a container, and one user"


def test_when_a_token_is_needed(monkeypatch, tmp_path):
    monkeypatch.delenv("FEWCLICKS_TOKEN", raising=False)

    def needed(shared=False, **place):
        return policy_for(Place(**place), 8000, shared=lambda: shared).needs_token

    assert not needed()
    assert needed(shared=True)
    for place in ({"host": "0.0.0.0"}, {"names": ("photos.example",)}, {"proxies": ("10.0.0.1",)}):
        assert needed(**place)
        assert not needed(**place, no_token=True)
    monkeypatch.setenv("FEWCLICKS_TOKEN", "a-token-of-sixteen-letters")
    assert needed()
    assert not needed(no_token=True)
    open_to_all = policy_for(Place(host="0.0.0.0", no_token=True), 8000)
    assert open_to_all.knows("192.168.0.7:8000")
    assert not open_to_all.knows("evil.example")


def people_file(tmp_path, text, mode=0o600):
    file = tmp_path / "people"
    file.write_text(text, "utf-8")
    file.chmod(mode)
    return file


def test_people_have_tokens_of_their_own(tmp_path):
    text = f"# our team\n\nAnna Maria  {ANNA}\nBen {BEN}\n"
    assert read_people(people_file(tmp_path, text)) == {"Anna Maria": ANNA, "Ben": BEN}
    policy = policy_for(Place(tokens=tmp_path / "people"), 8000, shared=lambda: False)
    assert policy.people["Ben"] == BEN
    assert policy.needs_token


@pytest.mark.parametrize(
    ("text", "mode", "says"),
    [
        (f"Anna {ANNA}", 0o644, "chmod 600"),
        ("", 0o600, "there is nobody in"),
        (ANNA, 0o600, "line 1 .* no name"),
        ("Anna short", 0o600, "too weak"),
        ("Anna aaaaaaaaaaaaaaaaaaaaaa", 0o600, "too weak"),
        (f"Anna {ANNA}\nBen {ANNA}", 0o600, "line 2"),
        (f"Anna {ANNA}\nAnna {BEN}", 0o600, "line 2"),
        ("\udcff", 0o600, "UTF-8"),
    ],
)
def test_a_file_of_people_that_is_not_one(tmp_path, text, mode, says):
    file = people_file(tmp_path, "", mode)
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=says):
        read_people(file)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--tokens", "nowhere"), "cannot be read"),
        (("--tokens", "nowhere", "--no-token"), "leave one of them out"),
        (("--proxy", "proxy.example"), "is no address of a proxy"),
    ],
)
def test_what_cannot_start_says_why(tmp_path, arguments, says, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_folder(tmp_path / "photos")
    with pytest.raises(SystemExit) as end:
        main(["annotate", "photos", "--no-browser", *arguments])
    assert end.value.code == 2
    assert says in capsys.readouterr().err


@pytest.mark.slow
def test_without_a_token_it_says_what_that_means(tmp_path):
    from serving import running

    with running(make_folder(tmp_path / "photos"), "--host", "0.0.0.0", "--no-token") as served:
        assert served.client.get("/").status_code == 200
        _, err = served.end()
        assert "everybody whose machine reaches this one" in err
