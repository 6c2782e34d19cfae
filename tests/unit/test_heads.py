"""One watcher of each topic: who waits is woken when the topic moves, and only then."""

import asyncio

from adapters.sync.heads import Heads
from tests.unit.one_topic import TOPIC, Topic


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
