"""A reader that waits for a position is woken when its topic moves; it does not ask again and again."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from adapters.memory.entries import Shelf
from adapters.memory.log import MemoryLog
from adapters.memory.topics import MemoryTopics
from adapters.sync.heads import Heads
from domain.limits import POLL_SECONDS
from projections.ports import Serving
from tests.unit.world import MovableClock
from workers.serve import _moved

TOPIC = "people"


class Topic(MemoryTopics):
    """One topic, whose place the test sets."""

    def __init__(self) -> None:
        super().__init__(Shelf(), MemoryLog(MovableClock()))
        self.now = Serving(1, version=1, position=5, floor=0, epoch="1f2e3d4c", log_head=9)

    async def serving(self, topic: str) -> Serving | None:
        return self.now if topic == TOPIC else None


@pytest.fixture
def topic() -> Topic:
    return Topic()


@pytest.fixture
async def heads(topic: Topic) -> AsyncIterator[Heads]:
    heads = Heads(topic)
    watching = asyncio.create_task(heads.run())
    await heads.serving(TOPIC)
    yield heads
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def test_it_is_woken_by_the_ring(topic: Topic, heads: Heads) -> None:
    waiting = asyncio.create_task(_moved(heads, TOPIC, topic.now, 10.0))
    done, _ = await asyncio.wait({waiting}, timeout=0.05)
    assert not done
    topic.now = replace(topic.now, position=6)
    heads.ring(TOPIC)
    began = time.monotonic()
    await waiting
    assert time.monotonic() - began < POLL_SECONDS / 2, "it was the poll that woke it"


async def test_what_moved_before_it_began_to_wait_is_not_waited_for(topic: Topic, heads: Heads) -> None:
    before, topic.now = topic.now, replace(topic.now, position=6)
    await heads.serving(TOPIC)
    async with asyncio.timeout(POLL_SECONDS / 2):
        await _moved(heads, TOPIC, before, 10.0)


@pytest.mark.parametrize("served", [True, False])
async def test_it_waits_no_longer_than_it_may(topic: Topic, heads: Heads, served: bool) -> None:
    async with asyncio.timeout(POLL_SECONDS / 2):
        await _moved(heads, TOPIC, topic.now if served else None, 0.01)
