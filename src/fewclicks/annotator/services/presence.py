"""Who is here: a page is present as long as it listens to the events of a photo."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Executor
from itertools import count
from time import monotonic

from fewclicks.annotator.store.objects import Store
from fewclicks.errors import FewClicksError

log = logging.getLogger(__name__)

AGAIN_S = 14.0
"""It is said again so often that the page is still there: with each pulse of its stream."""
_turns = count()
_latest: dict[str, int] = {}
"""The latest stream of each page: the end of an earlier one does not mean that the page has gone."""


async def present(
    store: Store, pool: Executor, stream: AsyncGenerator[bytes], page: str, photo_id: int, person: str
) -> AsyncGenerator[bytes]:
    """Pass a stream of events on, and have others see meanwhile that the page shows the photo."""
    turn = _latest[page] = next(_turns)
    said = -AGAIN_S
    try:
        async for part in stream:
            if monotonic() - said > AGAIN_S:
                said = monotonic()
                await _tried(pool, lambda: store.presence.arrive(page, photo_id, person))
            yield part
    finally:
        if _latest.get(page) == turn:
            del _latest[page]
            await asyncio.shield(_tried(pool, lambda: store.presence.leave(page)))


async def _tried(pool: Executor, work: Callable[[], None]) -> None:
    """Do it in a thread; where the database does not answer, or the server stops, nobody is seen."""
    try:
        await asyncio.get_running_loop().run_in_executor(pool, work)
    except (FewClicksError, RuntimeError) as error:
        log.info("%s", error)
