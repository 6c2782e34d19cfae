"""Builds states of the past and keeps them for a while (docs/adr/0012): topics folded aside up to a position.

The serving process starts it at the first question about the past and asks by a line of JSON, `{"topic", "position"}`;
each is answered by a line, `{"failed": null}` or the reason. What it builds is claimed by its connection: when it ends,
whoever builds next drops what is left of it.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable

import structlog

from adapters.postgres.as_of import PostgresStates, StateShelf
from adapters.postgres.connect import Pool, connect, pool
from adapters.postgres.entries import PostgresEntryStore
from adapters.postgres.log import PostgresLog
from domain.faults import describe
from domain.limits import AS_OF_KEPT_EVENTS_MAX, AS_OF_KEPT_MAX, AS_OF_SECONDS, POLL_SECONDS
from domain.ports import Vault
from projections.engine import ProjectionStopped, Run
from projections.opened import Opened
from projections.past import NotBuilt
from projections.ports import Generation
from projections.projection import AnyProjection
from projections.topics import TOPICS
from workers.keys import vault
from workers.process import run, run_until
from workers.settings import Settings, required

_NICENESS = 10
"""The past can wait: what is live has the processor first."""
_ATTEMPTS_MAX = 3
_log = structlog.get_logger()


def main(settings: Settings) -> None:
    os.nice(_NICENESS)
    conninfo = required(settings.postgres_url, "STELE_POSTGRES_URL")
    run("as_of", lambda stop: _main(settings, conninfo, stop), level=settings.log_level)


async def _main(settings: Settings, conninfo: str, stop: asyncio.Event) -> None:
    async with (
        await connect(conninfo, "as of", "stele_projector") as building,
        await connect(conninfo, "as of drop", "stele_projector") as dropping,
        pool(conninfo, "as of", 2) as reading,
    ):
        await building.execute("SET synchronous_commit = off")  # what a crash takes is built again
        dropper = Dropper(StateShelf(dropping), PostgresEntryStore(dropping))
        builder = Builder(
            StateShelf(building), PostgresEntryStore(building), reading, dropper, lambda: vault(settings, reading)
        )
        await run_until(stop, _answer(builder), dropper.run())


async def _answer(builder: "Builder") -> None:
    """Until the input ends."""
    requests = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(requests), sys.stdin)
    async for line in requests:
        asked = json.loads(line)
        failed = None
        began = time.monotonic()
        try:
            await builder.build(TOPICS[asked["topic"]], asked["position"])
        except NotBuilt as error:
            failed = str(error)
        except ProjectionStopped as stopped:  # without the error's words: they may quote an event of another agent
            failed = f"stopped at position {stopped.position}: {describe(stopped.__cause__ or stopped)}"
        _log.info("as_of", **asked, seconds=round(time.monotonic() - began, 3), failed=failed)
        print(json.dumps({"failed": failed}), flush=True)


class Dropper:
    """Drops generations on a connection of its own: that waits for readers with old snapshots, a build must not."""

    def __init__(self, shelf: StateShelf, store: PostgresEntryStore) -> None:
        self._shelf = shelf
        self._store = store
        self._queue: asyncio.Queue[int] = asyncio.Queue()
        self.busy = False
        """Something is being built."""
        self.kept: set[int] = set()
        """The generations that this process has built and not begun to drop."""
        self.dropped: list[int] = []
        """Their claims are left to give back."""

    async def drop(self, generation: int) -> None:
        """Nobody finds it from now on. Waits while as many are being dropped as are kept."""
        await self._shelf.forget(generation)
        self.kept.discard(generation)
        self._queue.put_nowait(generation)
        if self._queue.qsize() > AS_OF_KEPT_MAX:
            await self._queue.join()

    async def run(self) -> None:
        """Drop what was given and what nobody reads any more. Ends when nothing was kept for as long as that."""
        idle_since = time.monotonic()
        while time.monotonic() - idle_since < AS_OF_SECONDS:
            if self.kept or self.busy:
                idle_since = time.monotonic()
            try:
                generation = await asyncio.wait_for(self._queue.get(), POLL_SECONDS)
            except TimeoutError:
                await self._look_for_old()
                continue
            await self._store.drop(generation)
            self.dropped.append(generation)
            self._queue.task_done()

    async def _look_for_old(self) -> None:
        found = {state.generation: state for state in await self._shelf.kept()}
        for generation in sorted(self.kept):
            if generation not in found or found[generation].unused_seconds > AS_OF_SECONDS:
                await self.drop(generation)  # not found: somebody was erased


class Builder:
    """Folds topics aside, one after the other."""

    def __init__(
        self,
        shelf: StateShelf,
        store: PostgresEntryStore,
        reading: Pool,
        dropper: Dropper,
        new_vault: Callable[[], Vault],
    ) -> None:
        self._new_vault = new_vault
        self._shelf = shelf
        self._store = store
        self._states = PostgresStates(reading)
        self._log = PostgresLog(reading)
        self._dropper = dropper

    async def build(self, projection: AnyProjection, position: int) -> None:
        """Have the topic as of `position` for readers to find. Raises NotBuilt, ProjectionStopped."""
        self._dropper.busy = True
        try:
            await self._build(projection, position)
        finally:
            self._dropper.busy = False

    async def _build(self, projection: AnyProjection, position: int) -> None:
        for _ in range(_ATTEMPTS_MAX):
            if await self._states.find(projection.topic, projection.version, position) is not None:
                return
            head = await self._log.head()
            if position > head:
                raise NotBuilt(f"the log ends at {head}, before {position}")
            await self._make_room(position)
            generation = await self._store.create_aside(projection.topic, projection.version)
            try:
                await self._fold(projection, await self._shelf.begin(generation, position), position)
            except BaseException:
                await self._dropper.drop(generation.id)
                raise
            if await self._shelf.finish(generation.id):
                self._dropper.kept.add(generation.id)
                return
            await self._dropper.drop(generation.id)
        raise NotBuilt(f"people were erased {_ATTEMPTS_MAX} times while this was built")

    async def _fold(self, projection: AnyProjection, generation: Generation, position: int) -> None:
        # A vault of its own, made after the state was begun: an older one may remember a key that is destroyed, and an
        # erasure from now on forgets the state.
        log = Opened(self._log, self._new_vault())
        run = Run(log, self._store, projection, generation, start=asyncio.create_task)
        try:
            while run.generation.position < position:
                await run.advance(up_to=position)
        finally:
            run.close()

    async def _make_room(self, position: int) -> None:
        """The longest unused states go until one of so many events has its place among those of all processes."""
        while self._dropper.dropped:
            await self._shelf.release(self._dropper.dropped.pop())
        kept = await self._shelf.kept()
        mine = [state for state in kept if state.generation in self._dropper.kept]
        events = sum(state.position for state in kept) + position
        for count, oldest in enumerate(mine):
            if len(kept) - count < AS_OF_KEPT_MAX and events <= AS_OF_KEPT_EVENTS_MAX:
                return
            await self._dropper.drop(oldest.generation)
            events -= oldest.position
