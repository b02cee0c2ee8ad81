"""Bodies are counted before they are held: room, turns, and who must leave."""

import asyncio

import pytest

from fewclicks.annotator.server import bodies
from fewclicks.annotator.server.bodies import BodyRoom


def test_bodies_wait_until_there_is_room_and_go_in_turn():
    async def story():
        room = BodyRoom(total=100, each=100)
        first = await room.take("a", 80)
        large, small = asyncio.create_task(room.take("b", 90)), asyncio.create_task(room.take("c", 10))
        await asyncio.sleep(0)
        assert room.held_bytes == 80
        assert not small.done(), "it would fit, but the large one was there before"
        room.give_back(first)
        await asyncio.wait([large, small])
        assert room.held_bytes == 100
        room.give_back(large.result())
        room.give_back(small.result())
        assert room.held_bytes == 0

    asyncio.run(story())


def test_one_client_does_not_take_all_the_room():
    async def story():
        room = BodyRoom(total=100, each=50)
        await room.take("a", 50)
        again = asyncio.create_task(room.take("a", 10))
        await asyncio.sleep(0)
        assert await room.take("b", 50) is not None
        assert not again.done()
        again.cancel()
        await asyncio.wait([again])

    asyncio.run(story())


def test_who_waits_too_long_or_behind_too_many_is_refused(monkeypatch):
    monkeypatch.setattr(bodies, "WAITING", 1)

    async def story():
        room = BodyRoom(total=100, each=100, patience_s=0.05)
        held = await room.take("a", 100)
        waits = asyncio.create_task(room.take("b", 1))
        await asyncio.sleep(0)
        assert await room.take("c", 1) is None
        assert await waits is None
        room.give_back(held)
        assert await room.take("d", 100) is not None, "who has left leaves no gap"

    asyncio.run(story())


@pytest.mark.parametrize(("come", "gives_way"), [(100, False), (50, True)])
def test_who_is_slow_gives_way_only_to_those_who_wait(monkeypatch, come, gives_way):
    monkeypatch.setattr(bodies, "HURRY_PAUSE_S", 0.0)

    async def story():
        room = BodyRoom(total=100, each=100)
        held = await room.take("a", 100)
        held.note(come)
        await asyncio.sleep(0.01)
        assert not room.must_end(held)
        waits = asyncio.create_task(room.take("b", 100))
        await asyncio.sleep(0)
        assert room.must_end(held) is gives_way, "what has come is being worked on"
        room.give_back(held)
        await waits

    asyncio.run(story())


def test_a_body_under_way_when_the_server_stops_is_answered_with_a_sentence():
    """Not by a stack trace in the log: uvicorn cancels what is not done in time."""
    import asyncio

    from fewclicks.annotator.server.security import SecurityMiddleware, SecurityPolicy

    sent = []

    async def waits(scope, receive, send):
        await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    async def stopped():
        scope = {
            "type": "http", "method": "POST", "path": "/api/v1/import", "query_string": b"", "scheme": "http",
            "headers": [(b"host", b"127.0.0.1"), (b"content-length", b"5")], "server": ("127.0.0.1", 80),
            "client": ("127.0.0.1", 5),
        }  # fmt: skip
        task = asyncio.ensure_future(SecurityMiddleware(waits, SecurityPolicy())(scope, asyncio.Event().wait, send))
        await asyncio.sleep(0.01)
        task.cancel()
        await task

    asyncio.run(stopped())
    assert sent[0]["status"] == 503
    assert b"stopping" in sent[1]["body"]
