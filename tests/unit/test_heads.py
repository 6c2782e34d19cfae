"""One watcher of each topic: who waits is woken when the topic moves, and only then."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from adapters.memory.entries import Shelf
from adapters.memory.log import MemoryLog
from adapters.memory.topics import MemoryTopics
from adapters.sync.heads import Heads
from projections.ports import Serving
from tests.unit.world import MovableClock

TOPIC = "people"


class Topic(MemoryTopics):
    """One topic, whose place the test sets."""

    def __init__(self) -> None:
        super().__init__(Shelf(), MemoryLog(MovableClock()))
        self.now: Serving | None = Serving(1, version=1, position=5, floor=0, epoch="1f2e3d4c", log_head=9)

    async def serving(self, topic: str) -> Serving | None:
        return self.now if topic == TOPIC else None

    def move(self, **changed: int) -> None:
        assert self.now is not None
        self.now = replace(self.now, **changed)


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


async def waits(heads: Heads, generation: int, position: int) -> bool:
    """Whether nobody is told within a few turns of the loop that the topic has moved past this place."""
    waiting = asyncio.create_task(heads.moved_past(TOPIC, generation, position))
    for _ in range(20):
        await asyncio.sleep(0)
    moved = waiting.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    return not moved


async def test_a_topic_that_stands_still_wakes_nobody(heads: Heads, topic: Topic) -> None:
    heads.ring(TOPIC)
    assert await waits(heads, generation=1, position=5)


async def test_a_ring_finds_that_the_topic_moved(heads: Heads, topic: Topic) -> None:
    topic.move(position=6)
    assert await waits(heads, generation=1, position=5), "nobody has looked yet"
    heads.ring(TOPIC)
    assert not await waits(heads, generation=1, position=5)
    assert await waits(heads, generation=1, position=6)


async def test_another_generation_is_a_move(heads: Heads, topic: Topic) -> None:
    topic.move(generation=2)
    heads.ring(TOPIC)
    assert not await waits(heads, generation=1, position=5)


async def test_who_has_just_asked_is_not_told_that_the_topic_moved_since(heads: Heads, topic: Topic) -> None:
    topic.move(generation=2)
    serving = await heads.serving(TOPIC)
    assert await waits(heads, serving.generation, serving.position)


async def test_a_topic_that_is_not_served_just_now_keeps_everybody_waiting(heads: Heads, topic: Topic) -> None:
    topic.now = None
    heads.ring(TOPIC)
    assert await waits(heads, generation=1, position=5)
