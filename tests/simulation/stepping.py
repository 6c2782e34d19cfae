"""Processes that can be stopped at every one of their waits: to let another one run, or to be killed just there."""

import types
from collections.abc import Callable, Collection, Coroutine, Generator, Sequence
from typing import Any, TypeVar
from uuid import UUID

from adapters.memory.entries import MemoryEntryStore, Shelf
from adapters.memory.log import MemoryLog
from domain.events import Recorded
from projections.engine import Engine
from projections.ports import EntryKey, Generation
from projections.projection import AnyProjection, Entry

T = TypeVar("T")


@types.coroutine
def pause() -> Generator[None, None, None]:
    """Another process may run now, and this one may be killed."""
    yield


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run to the end, through every pause."""
    while True:
        try:
            coroutine.send(None)
        except StopIteration as done:
            result: T = done.value
            return result


class SteppedLog(MemoryLog):
    """Pauses before each page."""

    async def read(self, after: int, limit: int, agent_id: UUID | None = None) -> list[Recorded]:
        await pause()
        return await super().read(after, limit, agent_id)


class SteppedStore(MemoryEntryStore):
    """Pauses before each call, when nothing has happened, and after it, when its answer may be lost."""

    async def _paused(self, call: Coroutine[Any, Any, T]) -> T:
        try:
            await pause()
        except GeneratorExit:
            call.close()
            raise
        result = await call
        await pause()
        return result

    async def open(self, topic: str, version: int) -> Generation:
        return await self._paused(super().open(topic, version))

    async def load(self, generation: int, keys: Collection[EntryKey]) -> list[Entry]:
        return await self._paused(super().load(generation, keys))

    async def save(self, generation: Generation, changed: Sequence[Entry], position: int) -> Generation:
        return await self._paused(super().save(generation, changed, position))

    async def stop(self, generation: Generation, position: int, error: str) -> None:
        await self._paused(super().stop(generation, position, error))

    async def create_aside(self, topic: str, version: int) -> Generation:
        return await self._paused(super().create_aside(topic, version))

    async def take_over(self, built: Generation) -> tuple[int, ...] | None:
        return await self._paused(super().take_over(built))

    async def drop(self, generation: int) -> None:
        await self._paused(super().drop(generation))


class Process:
    """A projector or a builder of one release, alive from its making until it is killed or ends."""

    def __init__(self, log: MemoryLog, shelf: Shelf, projection: AnyProjection, work: "Work") -> None:
        self.store = SteppedStore(shelf)
        self.limit = 1
        """Events in its next page."""
        self._running = work(Engine(log, self.store), self.store, projection, lambda: self.limit)

    def step(self) -> bool:
        """Go on to the next pause; False at the end. Raises what the process dies of."""
        try:
            self._running.send(None)
        except StopIteration:
            return False
        return True

    def kill(self) -> None:
        self._running.close()
        drive(self.store.close())


Work = Callable[[Engine, SteppedStore, AnyProjection, Callable[[], int]], Coroutine[Any, Any, None]]


async def follow(engine: Engine, store: SteppedStore, projection: AnyProjection, limit: Callable[[], int]) -> None:
    """As workers/projector.py: advance, take over when there is nothing more to advance, drop what was replaced."""
    generation = await store.open(projection.topic, projection.version)
    while True:
        before = generation.position
        generation = await engine.advance(projection, generation, limit=limit())
        if generation.position != before:
            continue
        if not generation.live and (replaced := await store.take_over(generation)) is not None:
            generation = await store.open(projection.topic, projection.version)
            for old in replaced:
                await store.drop(old)
        else:
            await pause()


async def rebuild(engine: Engine, store: SteppedStore, projection: AnyProjection, limit: Callable[[], int]) -> None:
    """As workers/build.py: fold beside the live generation, take over once it is caught up with, drop that one."""
    generation = await store.create_aside(projection.topic, projection.version)
    while (replaced := await store.take_over(generation)) is None:
        generation = await engine.advance(projection, generation, limit=limit())
    for old in replaced:
        await store.drop(old)
