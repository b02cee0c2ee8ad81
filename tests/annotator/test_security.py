"""Who may ask the annotator what: hosts, origins, token, headers, sizes, rates."""

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from fewclicks.annotator.server import security
from fewclicks.annotator.server.bodies import BodyRoom
from fewclicks.annotator.server.security import LOOPBACK, RateLimiter, SecurityMiddleware, SecurityPolicy, is_loopback

OWN = "http://127.0.0.1:8000"


async def echo(request: Request) -> JSONResponse:
    return JSONResponse({"bytes": len(await request.body())})


async def fails(request: Request) -> PlainTextResponse:
    raise RuntimeError("the secret of /etc/passwd")


def client(policy=None, rates=None, base_url=OWN, room=None):
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    paths = ("/", "/docs", "/api/v1/folder", "/api/v1/predict", "/api/v1/healthz", "/api/v1/objects/1/actions")
    routes = [Route(path, echo, methods=methods) for path in paths] + [Route("/fails", fails)]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(SecurityMiddleware, policy=policy or SecurityPolicy(), rates=rates, room=room)],
    )
    return TestClient(app, base_url=base_url, follow_redirects=False)


def refused(answer, status):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document["status"] == status
    assert document["detail"]
    return document


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000", "LOCALHOST", "127.0.0.1"])
def test_our_own_names_are_answered(host):
    assert client().get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example:8000",
        "192.168.0.7:8000",
        "",
        "[",
        "localhost.",
        "a@127.0.0.1@b",
        "0.0.0.0",
    ],
)
def test_other_names_are_refused_so_that_no_name_can_be_rebound(host):
    for path in ("/", "/api/v1/folder"):
        refused(client().get(path, headers={"Host": host}), 403)


def test_two_hosts_are_refused():
    answer = client().get("/", headers=[("Host", "127.0.0.1:8000"), ("Host", "evil.example")])
    refused(answer, 403)


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://127.0.0.1:9000",
        "http://localhost:8000",
        "",
        "file://",
        "http://[",
        "http://127.0.0.1",
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "GET"])
def test_other_pages_may_not_use_the_server(method, origin):
    refused(client().request(method, "/api/v1/folder", headers={"Origin": origin}), 403)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "odd"])
def test_what_the_browser_says_of_the_page_is_believed(site):
    headers = {"Sec-Fetch-Site": site}
    refused(client().post("/api/v1/folder", headers=headers), 403)
    refused(client().get("/api/v1/folder", headers=headers), 403)
    assert client().get("/", headers=headers).status_code == 200, "a link to the annotator may stand anywhere"


def test_our_own_page_and_scripts_are_answered():
    assert client().post("/api/v1/folder", headers={"Origin": OWN, "Sec-Fetch-Site": "same-origin"}).status_code == 200
    assert client().post("/api/v1/folder").status_code == 200
    https = {"Host": "localhost", "Origin": "https://localhost"}  # behind a proxy that speaks TLS
    assert client().post("/api/v1/folder", headers=https).status_code == 200


def test_every_answer_has_the_headers():
    answers = [
        client().get("/"),
        client().get("/nothing"),
        client().get("/fails"),
        client().get("/", headers={"Host": "x"}),
    ]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"


def test_errors_of_our_own_say_an_id_and_no_more(caplog):
    document = refused(client().get("/fails"), 500)
    assert "secret" not in str(document)
    assert document["id"] in document["detail"]
    assert document["id"] in caplog.text
    assert "RuntimeError: the secret" in caplog.text


TOKEN = "correct-horse"
WITH_TOKEN = SecurityPolicy(hosts=LOOPBACK | {"workstation"}, token=TOKEN, cookie="fewclicks_8000")


def test_without_the_token_nothing_is_told():
    http = client(WITH_TOKEN)
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": "Bearer ä".encode()},
    ):
        refused(http.get("/api/v1/folder", headers=headers), 401)
        refused(http.post("/api/v1/folder", headers=headers), 401)
    for path in ("/", "/docs", "/?token=wrong", "/?token=", "/nothing"):
        answer = http.get(path)
        assert answer.status_code == 401
        assert "with its token" in answer.text
        assert "set-cookie" not in answer.headers
    assert http.get("/api/v1/healthz").status_code == 200


def test_the_token_of_the_address_becomes_a_cookie():
    http = client(WITH_TOKEN)
    answer = http.get(f"/?token={TOKEN}")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert http.get("/api/v1/folder").status_code == 200, "the client keeps the cookie"
    assert client(WITH_TOKEN).get(f"/?token={TOKEN}&next=//evil.example").headers["location"] == "/"
    assert client(WITH_TOKEN).get(f"{OWN}//evil.example?token={TOKEN}").headers["location"] == "/evil.example"


def test_scripts_send_the_token_in_a_header():
    http = client(WITH_TOKEN)
    assert http.post("/api/v1/folder", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert http.post(f"/api/v1/folder?token={TOKEN}").status_code == 401, "a form of another page could do that"


def test_with_a_token_addresses_in_numbers_are_hosts_but_names_are_not():
    headers = {"Authorization": f"Bearer {TOKEN}"}
    for host in ("192.168.0.7:8000", "[fe80::1]:8000", "workstation:8000"):
        assert client(WITH_TOKEN).get("/", headers=headers | {"Host": host}).status_code == 200
    refused(client(WITH_TOKEN).get("/", headers=headers | {"Host": "evil.example"}), 403)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("127.9.9.9", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.0.7", False),
        ("example.org", False),
    ],
)
def test_what_loopback_is(host, expected):
    assert is_loopback(host) is expected


def test_bodies_are_bounded():
    http = client()
    assert http.post("/api/v1/folder", content=b"x" * 2**20).json() == {"bytes": 2**20}
    document = refused(http.post("/api/v1/folder", content=b"x" * (2**20 + 1)), 413)
    assert document["limit_bytes"] == 2**20
    assert http.post("/api/v1/objects/1/actions", content=b"x" * (2**20 + 1)).status_code == 200
    assert http.post("/api/v1/predict", content=b"x" * (9 * 2**20)).status_code == 200
    refused(http.post("/api/v1/folder", content=iter([b"x"])), 411)
    refused(http.post("/api/v1/folder", headers={"Content-Length": "-1"}), 413)


def test_a_body_that_does_not_come_is_given_up(monkeypatch):
    monkeypatch.setattr(security, "BODY_PAUSE_S", 0.01)
    sent = []

    async def receive():
        await asyncio.sleep(3600)

    async def send(message):
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"content-length", b"5")]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "headers": headers,
        "query_string": b"",
        "client": None,
        "server": None,
        "scheme": "http",
    }
    asyncio.run(SecurityMiddleware(Route("/", echo, methods=["POST"]).app, SecurityPolicy())(scope, receive, send))
    assert sent[0]["status"] == 408


def test_there_is_room_for_so_many_bytes_of_bodies():
    http = client(room=BodyRoom(total=2**20, each=2**20, patience_s=0.05))
    assert http.post("/api/v1/predict", content=b"x" * 2**20).status_code == 200
    refused(http.post("/api/v1/predict", content=b"x" * (2**20 + 1)), 503)
    assert http.post("/api/v1/predict", content=b"x" * 2**20).status_code == 200, "the room was given back"


def test_floods_are_slowed_down():
    http = client(rates=RateLimiter(per_s=0.001, burst=3))
    assert [http.get("/").status_code for _ in range(5)] == [200, 200, 200, 429, 429]
    assert http.get("/").headers["retry-after"] == "1"


def test_rates_refill_and_are_per_client():
    rates = RateLimiter(per_s=2, burst=2)
    assert [rates.allow("a", 0) for _ in range(3)] == [True, True, False]
    assert rates.allow("b", 0)
    assert [rates.allow("a", 1) for _ in range(3)] == [True, True, False]
    assert [rates.allow("a", 99) for _ in range(3)] == [True, True, False], "no more than the burst is saved up"


def test_rates_forget_old_clients(monkeypatch):
    monkeypatch.setattr(security, "CLIENTS", 10)
    rates = RateLimiter()
    for number in range(50):
        rates.allow(str(number), 0)
    assert len(rates._buckets) == 10


def test_too_many_at_once(monkeypatch):
    monkeypatch.setattr(security, "IN_FLIGHT", 0)
    refused(client().get("/"), 503)
