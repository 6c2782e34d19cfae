"""Properties are tried without regard to the clock: a busy machine fails no test. And a topic that somebody watches."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import settings

from adapters.sync.heads import Heads
from tests.unit.one_topic import TOPIC, Topic

settings.register_profile("unhurried", deadline=None, print_blob=True)
settings.load_profile("unhurried")


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
