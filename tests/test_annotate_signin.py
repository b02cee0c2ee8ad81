"""Who is in: tokens, sessions that end, one-time tickets, and whose name an action gets."""

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from annotating import OWN
from fewclicks.annotate.security import Guard, Policy
from fewclicks.annotate.signin import SignIn

ANNA, BEN, SHARED = "the-token-of-anna-0", "the-token-of-ben-00", "a-shared-token-0000"
POLICY = Policy(token=SHARED, people={"Anna": ANNA, "Ben": BEN}, cookie="fewclicks_8000")


async def who(request):
    return JSONResponse({"person": request.state.person, "named": request.state.named})


def client(policy=POLICY, sessions=None, base_url=OWN):
    sign_in = SignIn(sessions or policy.sessions(), policy.cookie) if policy.needs_token else None
    routes = [Route("/", who), Route("/api/v1/who", who)]
    app = Starlette(routes=routes, middleware=[Middleware(Guard, policy=policy, sign_in=sign_in)])
    return TestClient(app, base_url=base_url, follow_redirects=False)


def person(http, **headers):
    answer = http.get("/api/v1/who", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["person"]


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
    assert person(client(Policy()), **header) == "Jürgen 🦊", "also where no token is needed"


@pytest.mark.parametrize("name", ["%00", "a%0Ab", "%ff", "x" * 101, "%ED%A0%80", "a%E2%80%A8b"])
def test_what_is_no_name_is_refused(name):
    answer = client(Policy()).get("/api/v1/who", headers={"X-Fewclicks-Person": name})
    assert answer.status_code == 400
    assert "name" in answer.json()["detail"]
