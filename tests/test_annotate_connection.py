"""Clients that are slow, silent or many: real connections to uvicorn with the annotator's protocol."""

import asyncio
import contextlib
import socket
import threading
import time

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from fewclicks.annotate import connection, security
from fewclicks.annotate.connection import BoundedProtocol
from fewclicks.annotate.security import Guard, Policy

QUICK_S = 0.3
PATIENCE_S = 30.0


async def answer(scope, receive, send):
    """The length of the body; for GET ten megabytes."""
    request = Request(scope, receive)
    text = "x" * 10_000_000 if scope["method"] == "GET" else str(len(await request.body()))
    await PlainTextResponse(text)(scope, receive, send)


@pytest.fixture
def place(monkeypatch):
    """Where a server listens that is patient for a third of a second only."""
    for module, name in ((connection, "HEAD_S"), (connection, "STALL_S"), (security, "BODY_PAUSE_S")):
        monkeypatch.setattr(module, name, QUICK_S)
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    config = uvicorn.Config(
        Guard(answer, Policy()), http=BoundedProtocol, log_level="error", lifespan="off", timeout_keep_alive=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listening.getsockname()
    server.should_exit = True
    thread.join()


def connected(place):
    return socket.create_connection(place, timeout=PATIENCE_S)


def ended(client):
    """What came until the server ended the connection."""
    data = b""
    with contextlib.suppress(ConnectionError):
        while part := client.recv(2**16):
            data += part
    return data


def test_who_says_nothing_is_left(place):
    with connected(place) as client:
        assert ended(client) == b""


def test_a_head_that_trickles_is_left(place):
    with connected(place) as client, contextlib.suppress(ConnectionError):
        began = time.monotonic()
        for letter in b"POST / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 1000:
            client.sendall(bytes([letter]))
            time.sleep(QUICK_S / 5)
            assert time.monotonic() - began < PATIENCE_S / 2


def test_a_second_head_that_trickles_is_left(place):
    with connected(place) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nok")
        assert b"200 OK" in client.recv(1000)
        client.sendall(b"POST / HT")
        ended(client)


def test_a_body_that_trickles_is_given_up(place):
    with connected(place) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n")
        client.settimeout(QUICK_S / 5)
        said, began = b"", time.monotonic()
        while b"408" not in said:
            assert time.monotonic() - began < PATIENCE_S / 2
            with contextlib.suppress(TimeoutError):
                client.sendall(b"x")
                said += client.recv(1000)


def test_a_body_in_two_parts_and_two_requests_are_answered(place):
    with connected(place) as client:
        for _ in range(2):
            client.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\nabc")
            time.sleep(QUICK_S / 3)
            client.sendall(b"def")
            said = b""
            while not said.endswith(b"\r\n\r\n6"):
                said += client.recv(1000)
            assert b" 200 " in said


def test_who_takes_nothing_is_left(place):
    with connected(place) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(3 * QUICK_S)
        assert 0 < len(ended(client)) < 10_000_000


def test_connections_are_counted(place, monkeypatch):
    monkeypatch.setattr(connection, "HEAD_S", PATIENCE_S)
    monkeypatch.setattr(connection, "CONNECTIONS_EACH", 3)
    with contextlib.ExitStack() as stack:
        first = [stack.enter_context(connected(place)) for _ in range(3)]
        for _ in range(3):
            assert ended(stack.enter_context(connected(place))) == b""
        first[0].sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
        assert b"200 OK" in first[0].recv(1000)
