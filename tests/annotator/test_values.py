"""Values that no database and no C library takes, sent to every operation of the OpenAPI document: 4xx, never 500."""

import json
import uuid
from importlib import import_module
from pkgutil import iter_modules

import pytest

from annotating import Api, client_of, make_folder
from fewclicks.annotator.server import routes
from fewclicks.annotator.server.app import bare
from fewclicks.annotator.server.security import RateLimiter
from fewclicks.annotator.server.values import JSON_PARTS, CheckedRoute

DOCUMENT = bare().openapi()
BAD_JSON = [str(2**63), str(-(2**63) - 1), "9" * 400, "1e999", "-1e999", "NaN", "Infinity", '"a\\u0000b"', '"\\ud800"',
            '"\\udc00\\ud800"', "[" * 300 + "]" * 300, '"\x00"', "-", "01"]  # fmt: skip
"""Values as JSON, or what somebody takes for it."""
BAD_TEXT = ["%00", "a%00b", "%ff", "%ED%A0%80", "%C0%80"]
"""Texts in an address."""
BAD_NUMBERS = [str(2**63), str(2**64), "-1e999", "NaN", "Infinity", "9" * 5000, "%D9%A1" * 30]
MARK = '"the bad value"'


def resolved(schema):
    while "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def samples(schema):
    """Values that fit a schema: one for each of its kinds."""
    schema = resolved(schema)
    for key in ("oneOf", "anyOf"):
        if key in schema:
            return [found for part in schema[key] for found in samples(part)]
    if "const" in schema:
        return [schema["const"]]
    if "enum" in schema:
        return schema["enum"][:1]
    plain = {"integer": 1, "number": 1, "boolean": True, "null": None, "string": "0123456789abcdef0123456789abcdef"}
    if schema.get("type") == "array":
        return [[samples(part)[0] for part in schema.get("prefixItems", [schema.get("items", {})])]]
    if "properties" in schema:
        fields = {name: samples(part) for name, part in schema["properties"].items()}
        count = max(map(len, fields.values()))
        return [{name: found[n % len(found)] for name, found in fields.items()} for n in range(count)]
    return [plain.get(schema.get("type"), {"a": 1})]


def leaves(value, path=()):
    """Where a bad value can stand: in place of each part, of the whole, and beside the fields."""
    yield path
    if isinstance(value, dict):
        for name, part in value.items():
            yield from leaves(part, (*path, name))
        yield (*path, "beside")
    if isinstance(value, list):
        for number, part in enumerate(value):
            yield from leaves(part, (*path, number))


def with_mark(value, path):
    if not path:
        return "the bad value"
    value = dict(value) if isinstance(value, dict) else list(value)
    if path[0] != "beside":
        value[path[0]] = with_mark(value[path[0]], path[1:])
    else:
        value["beside"] = "the bad value"
    return value


def operations():
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def bad_bodies(operation):
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        if kind != "application/json":
            continue
        for sample in samples(content["schema"]):
            for at in leaves(sample):
                text = json.dumps(with_mark(sample, at))
                yield from (text.replace(MARK, bad) for bad in BAD_JSON)


def bad_addresses(path, operation, known):
    parameters = [part for part in operation.get("parameters", []) if part["in"] in ("path", "query")]
    good = {part["name"]: known.get(part["name"], samples(part["schema"])[0]) for part in parameters}
    for part in parameters:
        kinds = {resolved(one).get("type") for one in part["schema"].get("anyOf", [part["schema"]])}
        for bad in BAD_TEXT + (BAD_NUMBERS if kinds & {"integer", "number"} else []):
            values = good | {part["name"]: bad}
            address = path
            for one in parameters:
                if one["in"] == "path":
                    address = address.replace(f"{{{one['name']}}}", str(values[one["name"]]))
            query = [f"{one['name']}={values[one['name']]}" for one in parameters if one["in"] == "query"]
            yield address + ("?" + "&".join(query) if query else "")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    root = make_folder(tmp_path_factory.mktemp("values") / "photos")
    with client_of(root, rates=RateLimiter(1e9, 1e9)) as client:
        yield client


@pytest.mark.slow
def test_no_operation_takes_a_bad_value_or_fails_at_it(served):
    api = Api(served)
    known = {
        "object_id": api.new()["id"],
        "import_id": str(uuid.uuid4()),
        "job_id": str(uuid.uuid4()),
        "photo_id": 1,
        "class_id": 1,
        "person_id": 1,
        "comment_id": 1,
        "removed_id": 1,
        "number": 0,
        "level": 0,
        "column": 0,
        "row": 0,
    }
    before, tried = api("GET", "/photos/1"), 0
    for method, path, operation in operations():
        for address in bad_addresses(path, operation, known):
            refused(served.request(method, address), f"{method} {address}")
            tried += 1
        address = path.format(**known)
        for body in bad_bodies(operation):
            answer = served.request(method, address, content=body, headers={"Content-Type": "application/json"})
            refused(answer, f"{method} {address} {body}")
            tried += 1
    assert tried > 1000
    assert api("GET", "/photos/1") == before, "nothing has happened"


def refused(answer, what):
    assert 400 <= answer.status_code < 500, f"{what[:300]}: {answer.status_code} {answer.text[:300]}"
    assert answer.headers["content-type"] == "application/problem+json", what
    assert answer.json()["detail"], what


@pytest.mark.parametrize("path", ["/%00", "/js/%00.js", "/%ff", "/docs/%00", "/a?b=%00", "/%C0%AE%C0%AE/etc/passwd"])
def test_the_files_of_the_page_are_asked_for_by_names_only(served, path):
    refused(served.get(path), path)


@pytest.mark.parametrize(
    "path", ["/" + "a" * 5000, "/..%2f..%2fetc/passwd", "/js/..%5c..%5c", "/js/" + "%F0%9F%A6%8A" * 99]
)
def test_odd_names_of_files_are_not_there(served, path):
    assert served.get(path).status_code == 404


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("If-None-Match", b"\xff\x00"),
        ("Range", b"bytes=999999999999999999999999-"),
        ("Range", b"bytes=-"),
        ("Cookie", b"fewclicks=\xff; a=\x80"),
        ("Content-Type", b"application/json; charset=\xff"),
        ("Authorization", b"Bearer \xff"),
        ("Accept-Encoding", b"\xff"),
        ("If-Modified-Since", b"Thu, 99 Zzz 99999 99:99:99 GMT"),
    ],
)
def test_odd_headers_do_no_harm(served, name, value):
    for method, path in (("GET", "/"), ("GET", "/api/v1/photos/1/view"), ("POST", "/api/v1/classes")):
        answer = served.request(
            method, path, headers=[(name.encode(), value)], content=b"{}" if method == "POST" else b""
        )
        assert answer.status_code < 500, answer.text


def test_many_small_parts_are_refused_before_they_are_read(served):
    text = b"[" + b"[]," * (JSON_PARTS // 2 + 1) + b"[]]"
    answer = served.post("/api/v1/classes", content=text, headers={"Content-Type": "application/json"})
    refused(answer, "many parts")
    assert f"{JSON_PARTS:,}" in answer.json()["detail"]


def test_every_route_is_checked():
    routers = [vars(import_module(f"{routes.__name__}.{found.name}")).get("router")
               for found in iter_modules(routes.__path__)]  # fmt: skip
    found = [route for router in routers if router for route in router.routes]
    assert len(found) > 25
    assert all(isinstance(route, CheckedRoute) for route in found)
