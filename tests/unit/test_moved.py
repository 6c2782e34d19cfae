"""A reader that waits for a position is woken when its topic moves; it does not ask again and again."""

import asyncio
import time

import pytest

from adapters.sync.heads import Heads
from domain.limits import POLL_SECONDS
from tests.unit.one_topic import TOPIC, Topic
from workers.serve import _moved


async def test_it_is_woken_by_the_ring(topic: Topic, heads: Heads) -> None:
    waiting = asyncio.create_task(_moved(heads, TOPIC, topic.now, 10.0))
    done, _ = await asyncio.wait({waiting}, timeout=0.05)
    assert not done
    topic.move(position=6)
    heads.ring(TOPIC)
    began = time.monotonic()
    await waiting
    assert time.monotonic() - began < POLL_SECONDS / 2, "it was the poll that woke it"


async def test_what_moved_before_it_began_to_wait_is_not_waited_for(topic: Topic, heads: Heads) -> None:
    before = topic.now
    topic.move(position=6)
    await heads.serving(TOPIC)
    async with asyncio.timeout(POLL_SECONDS / 2):
        await _moved(heads, TOPIC, before, 10.0)


@pytest.mark.parametrize("served", [True, False])
async def test_it_waits_no_longer_than_it_may(topic: Topic, heads: Heads, served: bool) -> None:
    async with asyncio.timeout(POLL_SECONDS / 2):
        await _moved(heads, TOPIC, topic.now if served else None, 0.01)
