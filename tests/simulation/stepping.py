"""Processes that can be stopped at every one of their waits: to let another one run, or to be killed just there."""

import types
from collections.abc import Awaitable, Callable, Collection, Coroutine, Generator, Sequence
from typing import Any, TypeVar
from uuid import UUID

from projections.engine import Run
from projections.ports import Builds, Difference, EntryKey, EventSource, Generation, Scanned, WhatIsLeft
from projections.projection import AnyProjection, Entry

T = TypeVar("T")
Pause = Callable[[], Awaitable[None]]
"""Another process may run now, and this one may be killed."""


@types.coroutine
def pause() -> Generator[None, None, None]:
    """For processes that are driven by hand."""
    yield


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run to the end, through every pause."""
    while True:
        try:
            coroutine.send(None)
        except StopIteration as done:
            result: T = done.value
            return result


class SteppedLog:
    """Implements projections.ports.EventSource. Pauses before each page."""

    def __init__(self, log: EventSource, pause: Pause) -> None:
        self._log = log
        self._pause = pause

    async def read_but(self, types: Collection[str], after: int, limit: int) -> Scanned:
        await self._pause()
        return await self._log.read_but(types, after, limit)


class SteppedStore:
    """Implements projections.ports.Builds. Pauses before each call, when nothing has happened, and after it, when its
    answer may be lost.
    """

    def __init__(self, store: Builds, pause: Pause) -> None:
        self._store = store
        self._pause = pause
        self.before: str | None = None
        """The call that it pauses before."""

    async def _paused(self, call: Coroutine[Any, Any, T]) -> T:
        self.before = call.__name__  # type: ignore[attr-defined]  # it is that of an async def
        try:
            await self._pause()
        except BaseException:
            call.close()
            raise
        finally:
            self.before = None
        result = await call
        await self._pause()
        return result

    async def open(self, topic: str, version: int) -> Generation:
        return await self._paused(self._store.open(topic, version))

    async def load(self, generation: int, keys: Collection[EntryKey]) -> list[Entry]:
        return await self._paused(self._store.load(generation, keys))

    async def save(
        self, generation: Generation, changed: Sequence[Entry], position: int, *, new: bool = False
    ) -> Generation:
        return await self._paused(self._store.save(generation, changed, position, new=new))

    async def erase(
        self, generation: Generation, agent_id: UUID, person_id: UUID, position: int, what_is_left: WhatIsLeft
    ) -> Generation:
        return await self._paused(self._store.erase(generation, agent_id, person_id, position, what_is_left))

    async def still(self, generation: Generation) -> None:
        await self._paused(self._store.still(generation))

    async def stop(self, generation: Generation, position: int, error: str) -> None:
        await self._paused(self._store.stop(generation, position, error))

    async def live(self, topic: str) -> Generation | None:
        return await self._paused(self._store.live(topic))

    async def create_aside(self, topic: str, version: int) -> Generation:
        return await self._paused(self._store.create_aside(topic, version))

    async def resume_aside(self, topic: str, version: int) -> Generation:
        return await self._paused(self._store.resume_aside(topic, version))

    async def differences(self, live: Generation, built: Generation) -> Difference | None:
        return await self._paused(self._store.differences(live, built))

    async def take_over(self, built: Generation, *, same_as: int | None = None) -> tuple[int, ...] | None:
        return await self._paused(self._store.take_over(built, same_as=same_as))

    async def drop(self, generation: int) -> None:
        await self._paused(self._store.drop(generation))

    async def sweep(self) -> list[int]:
        return await self._paused(self._store.sweep())


Limit = Callable[[], int]
"""Events in the next page."""
Work = Callable[[EventSource, Builds, AnyProjection, Limit, Pause], Coroutine[Any, Any, None]]


async def follow(log: EventSource, store: Builds, projection: AnyProjection, limit: Limit, pause: Pause) -> None:
    """As workers/projector.py: advance, take over when there is nothing more to advance, sweep what was replaced."""
    while True:
        pages = Run(log, store, projection, await store.open(projection.topic, projection.version))
        try:
            await _advance(pages, store, limit, pause)
        finally:
            pages.close()


async def _advance(pages: Run, store: Builds, limit: Limit, pause: Pause) -> None:
    while True:
        generation = await pages.advance(limit=limit())
        if not pages.at_end:
            continue
        if not generation.live and await store.take_over(generation) is not None:
            await store.sweep()
            return
        await pause()


async def rebuild(log: EventSource, store: Builds, projection: AnyProjection, limit: Limit, _: Pause) -> None:
    """As workers/build.py: go on with what is there, fold beside the live one, compare, take over, drop that one."""
    pages = Run(log, store, projection, await store.resume_aside(projection.topic, projection.version))
    try:
        while not pages.at_end:
            await pages.advance(limit=limit())
        same_as = await _same(store, pages.generation)
        while (replaced := await store.take_over(pages.generation, same_as=same_as)) is None:
            await pages.advance(limit=limit())
    finally:
        pages.close()
    for old in replaced:
        await store.drop(old)


async def _same(store: Builds, built: Generation) -> int | None:
    live = await store.live(built.topic)
    if live is None or live.version != built.version or live.position > built.position:
        return None
    return live.id if await store.differences(live, built) is None else None
