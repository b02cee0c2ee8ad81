"""Behind a proxy: who is believed what X-Forwarded-* says, and the whole way through a real nginx with TLS."""

import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from annotating import make_folder
from fewclicks.annotator.server.proxies import Proxies
from fewclicks.annotator.server.security import LOOPBACK, RateLimiter, SecurityMiddleware, SecurityPolicy
from fewclicks.errors import InputError

NAME = "photos.example"
BEHIND = SecurityPolicy(hosts=LOOPBACK | {NAME}, proxies=Proxies.named(["10.0.0.0/8", "2001:db8::1"]))


async def seen(request):
    return JSONResponse({"client": request.client.host, "scheme": request.url.scheme, "host": request.headers["host"]})


def client(peer, policy=BEHIND, rates=None):
    routes = [Route("/", seen, methods=["GET", "POST"]), Route("/api/v1/seen", seen, methods=["GET", "POST"])]
    app = Starlette(routes=routes, middleware=[Middleware(SecurityMiddleware, policy=policy, rates=rates)])
    return TestClient(app, base_url="http://127.0.0.1:8000", follow_redirects=False, client=(peer, 50000))


def forwarded(client_="203.0.113.9", scheme="https", host=NAME):
    return {"X-Forwarded-For": client_, "X-Forwarded-Proto": scheme, "X-Forwarded-Host": host}


def test_only_a_named_proxy_is_believed():
    assert client("10.1.2.3").get("/", headers=forwarded()).json() == {
        "client": "203.0.113.9",
        "scheme": "https",
        "host": NAME,
    }
    for peer, policy in (
        ("192.0.2.1", BEHIND),
        ("127.0.0.1", BEHIND),
        ("10.1.2.3", SecurityPolicy()),
        ("testclient", BEHIND),
    ):
        said = client(peer, policy).get("/", headers=forwarded()).json()
        assert said == {"client": peer, "scheme": "http", "host": "127.0.0.1:8000"}


@pytest.mark.parametrize(
    ("said", "client_"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9", "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9, 10.9.9.9", "203.0.113.9"),
        ("203.0.113.9:1234", "203.0.113.9"),
        ("[2001:db8::7]:1234", "2001:db8::7"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("6.6.6.6, nobody", "10.1.2.3"),
        ("", "10.1.2.3"),
        ("10.0.0.7", "10.0.0.7"),
    ],
)
def test_the_client_is_the_last_that_is_no_proxy(said, client_):
    assert client("10.1.2.3").get("/", headers={"X-Forwarded-For": said}).json()["client"] == client_


def test_rates_are_those_of_the_client_behind_the_proxy():
    http = client("10.1.2.3", rates=RateLimiter(per_s=0.001, burst=2))
    first, second = forwarded("203.0.113.1"), forwarded("203.0.113.2")
    assert [http.get("/", headers=first).status_code for _ in range(3)] == [200, 200, 429]
    assert http.get("/", headers=second).status_code == 200
    stranger = client("192.0.2.1", rates=RateLimiter(per_s=0.001, burst=2))
    said = [stranger.get("/", headers={"X-Forwarded-For": f"203.0.113.{n}"}).status_code for n in range(3)]
    assert said == [200, 200, 429], "it is no proxy, whatever it says"


def test_a_page_is_our_own_by_scheme_too():
    http, path = client("10.1.2.3"), "/api/v1/seen"
    assert http.post(path, headers=forwarded() | {"Origin": f"https://{NAME}"}).status_code == 200
    assert http.post(path, headers=forwarded() | {"Origin": f"http://{NAME}"}).status_code == 403
    assert http.post(path, headers=forwarded(scheme="http") | {"Origin": f"https://{NAME}"}).status_code == 403


def test_both_names_must_be_ours():
    http = client("10.1.2.3")
    assert http.get("/", headers=forwarded(host="evil.example")).status_code == 403
    assert http.get("/", headers=forwarded() | {"Host": "evil.example"}).status_code == 403


def test_the_cookie_is_secure_where_the_browser_speaks_tls():
    policy = SecurityPolicy(hosts=BEHIND.hosts, proxies=BEHIND.proxies, token="a-token-of-sixteen-letters")
    secure = client("10.1.2.3", policy).get(f"/?token={policy.token}", headers=forwarded())
    assert "Secure" in secure.headers["set-cookie"]
    plain = client("192.0.2.1", policy).get(f"/?token={policy.token}", headers=forwarded())
    assert "Secure" not in plain.headers["set-cookie"]


@pytest.mark.parametrize("name", ["proxy.example", "10.0.0.0/33", "", "10.0.0.1:80"])
def test_what_is_no_address_of_a_proxy(name):
    with pytest.raises(InputError, match="is no address of a proxy"):
        Proxies.named([name])


NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/opt/homebrew/bin")
CONFIGURATION = """
{user} daemon off; pid {place}/nginx.pid; error_log {place}/error.log info; worker_processes 1;
events {{}}
http {{
  client_body_temp_path {place}/body; proxy_temp_path {place}/proxy; fastcgi_temp_path {place}/f;
  uwsgi_temp_path {place}/u; scgi_temp_path {place}/s;
  log_format paths '$remote_addr $request_method $uri $status';
  server {{
    listen 127.0.0.1:{port} ssl; server_name {name};
    ssl_certificate {place}/cert.pem; ssl_certificate_key {place}/key.pem;
    access_log {place}/access.log paths;
{location}
  }}
}}
"""


def documented(port):
    """The part of the configuration that stands in docs/annotator.md, for another port."""
    text = (Path(__file__).parents[2] / "docs" / "annotator.md").read_text("utf-8")
    found = re.search(r"    location / \{.*?\n    \}", text, re.DOTALL).group()
    return found.replace("127.0.0.1:8000", f"127.0.0.1:{port}")


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def behind(tmp_path_factory):
    """A server behind nginx: its address inside, the one outside, and the folder of nginx with its logs."""
    if NGINX is None or shutil.which("openssl") is None:
        pytest.skip("there is no nginx or no openssl; on Debian: apt install nginx openssl")
    from serving import running

    place = tmp_path_factory.mktemp("nginx")
    place.chmod(0o755)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", place / "key.pem", "-out", place / "cert.pem", "-subj", f"/CN={NAME}",
         "-addext", f"subjectAltName=DNS:{NAME}"], check=True, capture_output=True,
    )  # fmt: skip
    arguments = ["--host-name", NAME, "--proxy", "127.0.0.1"]
    with running(make_folder(place / "photos"), *arguments, FEWCLICKS_TOKEN="a-token-of-sixteen-letters") as served:
        inside, port = served.client.base_url.port, free_port()
        user = "user root root;" if os.getuid() == 0 else ""
        text = CONFIGURATION.format(user=user, place=place, port=port, name=NAME, location=documented(inside))
        (place / "nginx.conf").write_text(text, "utf-8")
        nginx = subprocess.Popen([NGINX, "-e", place / "error.log", "-p", place, "-c", place / "nginx.conf"])
        try:
            for _ in range(200):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                assert nginx.poll() is None, (place / "error.log").read_text("utf-8")
                time.sleep(0.05)
            yield port, place
        finally:
            nginx.send_signal(signal.SIGTERM)
            nginx.wait()


def through(behind):
    """A browser outside, which trusts the certificate: its name is that of the server, wherever that is."""
    port, place = behind
    trusted = ssl.create_default_context(cafile=str(place / "cert.pem"))
    http = httpx2.Client(base_url=f"https://127.0.0.1:{port}", verify=trusted, timeout=60)
    http.headers["Host"] = f"{NAME}:{port}"
    return http


def ask(http, method, path, **more):
    return http.request(method, path, extensions={"sni_hostname": NAME}, **more)


TOKEN = "a-token-of-sixteen-letters"


def test_a_browser_signs_in_through_nginx_and_works(behind):
    port, _ = behind
    own = {"Origin": f"https://{NAME}:{port}", "Sec-Fetch-Site": "same-origin"}
    with through(behind) as http:
        assert ask(http, "GET", "/api/v1/folder").status_code == 401
        page = ask(http, "GET", "/")
        assert page.status_code == 401
        assert 'name="token"' in page.text
        wrong = ask(http, "POST", "/login", data={"token": "wrong"}, headers=own)
        assert (wrong.status_code, "not the token" in wrong.text) == (401, True)
        answer = ask(http, "POST", "/login", data={"token": TOKEN}, headers=own)
        assert answer.status_code == 303
        cookie = answer.headers["set-cookie"]
        assert {"HttpOnly", "Secure", "SameSite=strict"} <= set(cookie.split("; "))
        assert TOKEN not in cookie
        assert ask(http, "GET", "/").status_code == 200
        http.headers.update(own)
        assert ask(http, "POST", "/api/v1/classes", json={"name": "through nginx"}).status_code == 201
        http.headers["Origin"] = f"http://{NAME}:{port}"
        assert ask(http, "POST", "/api/v1/classes", json={"name": "not TLS"}).status_code == 403
        http.headers["Origin"] = f"https://{NAME}:{port}"
        text, kind = b"[" + b" " * (2 * 2**20), {"Content-Type": "application/json"}
        large = ask(http, "POST", "/api/v1/predict", content=text, headers=kind)
        assert large.status_code == 422, "nginx lets as much through as the annotator takes"
        assert ask(http, "DELETE", "/api/v1/session").status_code == 204
        assert ask(http, "GET", "/api/v1/folder").status_code == 401


def test_the_token_stands_in_no_log_of_nginx(behind):
    _, place = behind
    with through(behind) as http:
        answer = ask(http, "GET", f"/?token={TOKEN}")
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert ask(http, "GET", "/").status_code == 200
    for log in place.glob("*.log"):
        assert TOKEN not in log.read_text("utf-8"), log


def test_events_come_through_nginx_at_once(behind):
    with through(behind) as http, through(behind) as other:
        for one in (http, other):
            one.headers["Authorization"] = f"Bearer {TOKEN}"
        extensions = {"sni_hostname": NAME}
        with http.stream("GET", "/api/v1/photos/1/events", extensions=extensions) as stream:
            lines = stream.iter_lines()
            assert next(lines).startswith(":")
            assert ask(other, "PATCH", "/api/v1/photos/2", json={"state": "done"}).status_code == 200
            data = next(line for line in lines if line.startswith("data: ") and '"id":2' in line)
            assert json.loads(data.removeprefix("data: "))["state"] == "done"


def test_what_a_client_says_to_nginx_of_itself_does_not_count(behind):
    with through(behind) as http:
        for n in range(3):
            ask(http, "GET", "/api/v1/healthz", headers={"X-Forwarded-For": f"6.6.6.{n}", "X-Forwarded-Proto": "http"})
        answer = ask(http, "GET", f"/?token={TOKEN}", headers={"X-Forwarded-Proto": "http"})
        assert "Secure" in answer.headers["set-cookie"], "nginx says so itself"
        assert ask(http, "GET", "/", headers={"X-Forwarded-Host": "evil.example"}).status_code == 200
