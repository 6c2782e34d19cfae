"""Where each topic is: one watcher a process, so that idle subscriptions cost no queries."""

import asyncio
import contextlib

import structlog

from adapters.sync.metrics import HEADS_UNREADABLE
from domain.faults import describe
from domain.limits import POLL_SECONDS
from projections.ports import Serving, Topics
from projections.topics import TOPICS

_log = structlog.get_logger()


class Heads:
    """`ring(topic)` hints that a topic moved; without hints the poll finds it."""

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self._rung: set[str] = set(TOPICS)
        self._bell = asyncio.Event()
        self._known: dict[str, Serving] = {}
        self._moved: dict[str, asyncio.Event] = {topic: asyncio.Event() for topic in TOPICS}

    def ring(self, topic: str) -> None:
        self._rung.add(topic)
        self._bell.set()

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                rung, self._rung = self._rung, set()
                for topic in rung & TOPICS.keys():
                    await self._look(topic)
            except Exception as error:  # Postgres may be away; subscriptions wait until it is back
                HEADS_UNREADABLE.inc()
                _log.warning("heads_unreadable", error=describe(error))
            try:
                await asyncio.wait_for(self._bell.wait(), POLL_SECONDS)
            except TimeoutError:
                self._rung |= TOPICS.keys()
            self._bell.clear()

    async def _look(self, topic: str) -> None:
        self._learn(topic, await self._topics.serving(topic))

    def _learn(self, topic: str, serving: Serving | None) -> None:
        before = self._known.get(topic)
        if serving is None or (
            before is not None and before.generation == serving.generation and before.position == serving.position
        ):
            return
        self._known[topic] = serving
        self._moved[topic].set()
        self._moved[topic] = asyncio.Event()

    def known(self, topic: str) -> Serving | None:
        return self._known.get(topic)

    async def serving(self, topic: str) -> Serving:
        """What the topic's readers see, as soon as a projector has seen it."""
        while True:
            serving = await self._topics.serving(topic)
            if serving is not None:
                self._learn(topic, serving)  # who has asked must not be told at once that the topic moved since
                return serving
            await self.wait(topic)

    async def wait(self, topic: str) -> None:
        """Until the topic moves, or the poll interval is over."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._moved[topic].wait(), POLL_SECONDS)

    async def moved_past(self, topic: str, generation: int, position: int) -> None:
        """Until the topic is served by another generation or has passed `position`."""
        while True:
            serving, moved = self._known.get(topic), self._moved[topic]
            if serving is not None and (serving.generation != generation or serving.position > position):
                return
            await moved.wait()
