"""What histories happen in: a log and entries in memory, or in a real Postgres, and processes that can be stopped."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar
from uuid import UUID

import psycopg
from msgspec import Struct

from adapters.memory.entries import MemoryEntryStore, Shelf
from adapters.memory.log import MemoryLog
from adapters.postgres.appender import Appender
from adapters.postgres.connect import connect, pool
from adapters.postgres.entries import PostgresEntryStore
from adapters.postgres.log import PostgresLog
from domain.events import Recorded
from projections.ports import EntryKey
from projections.projection import AnyProjection, Entry
from tests.simulation.said import Saying, say
from tests.simulation.stepping import SteppedLog, SteppedStore, Work, drive, pause
from tests.unit.world import MovableClock

T = TypeVar("T")


class Built(Struct, frozen=True):
    """A generation as it is at this moment. `position` is None when its checkpoint is lost."""

    id: int
    version: int
    live: bool
    position: int | None
    entries: dict[EntryKey, Entry]


class Process(Protocol):
    """A projector or a builder of one release, alive from its making until it is killed or ends."""

    limit: int
    """Events in its next page."""

    @property
    def before(self) -> str | None:
        """The call to the store that it pauses before, if it does."""

    def step(self) -> bool:
        """Go on to the next pause; False at the end. Raises what the process dies of."""

    def kill(self) -> None: ...


class World(Protocol):
    def say(self, saying: Saying) -> None: ...
    def events(self) -> list[Recorded]: ...
    def process(self, release: AnyProjection, work: Work) -> Process: ...
    def builds(self) -> list[Built]: ...
    def lose_entries(self) -> None: ...
    def close(self) -> None: ...


# --- in memory --------------------------------------------------------------------------------


class _Driven:
    def __init__(self, log: MemoryLog, shelf: Shelf, release: AnyProjection, work: Work) -> None:
        self.limit = 1
        self._store = MemoryEntryStore(shelf)
        self._stepped = SteppedStore(self._store, pause)
        self._running = work(SteppedLog(log, pause), self._stepped, release, lambda: self.limit, pause)

    @property
    def before(self) -> str | None:
        return self._stepped.before

    def step(self) -> bool:
        try:
            self._running.send(None)
        except StopIteration:
            return False
        return True

    def kill(self) -> None:
        self._running.close()
        drive(self._store.close())


class MemoryWorld:
    def __init__(self) -> None:
        self._log = MemoryLog(MovableClock())
        self._shelf = Shelf()

    def say(self, saying: Saying) -> None:
        drive(say(self._log, saying))

    def events(self) -> list[Recorded]:
        return drive(self._log.read(0, 10_000))

    def process(self, release: AnyProjection, work: Work) -> Process:
        return _Driven(self._log, self._shelf, release, work)

    def builds(self) -> list[Built]:
        return [
            Built(b.id, b.version, b.live, None if b.lost else b.position, dict(b.entries))
            for b in self._shelf.builds.values()
        ]

    def lose_entries(self) -> None:
        self._shelf.lose()

    def close(self) -> None:
        return


# --- in Postgres ------------------------------------------------------------------------------


class _Task:
    """A task of the world's event loop, which runs only while it is stepped."""

    def __init__(self, world: "PostgresWorld", release: AnyProjection, work: Work) -> None:
        self.limit = 1
        self._world = world
        self._waits, self._go = asyncio.Event(), asyncio.Event()
        self._connection = world.run(connect(world.conninfo, "simulated", "stele_projector"))
        self._stepped = SteppedStore(PostgresEntryStore(self._connection), self._pause)
        running = work(SteppedLog(world.log, self._pause), self._stepped, release, lambda: self.limit, self._pause)
        self._task = world.run(self._begin(running))

    @property
    def before(self) -> str | None:
        return self._stepped.before

    async def _begin(self, running: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return asyncio.create_task(running)

    async def _pause(self) -> None:
        self._waits.set()
        await self._go.wait()
        self._go.clear()

    def step(self) -> bool:
        return self._world.run(self._step())

    async def _step(self) -> bool:
        self._waits.clear()
        self._go.set()
        waiting = asyncio.create_task(self._waits.wait())
        await asyncio.wait({self._task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._task.done():
            self._task.result()
        return not self._task.done()

    def kill(self) -> None:
        self._world.run(self._kill())

    async def _kill(self) -> None:
        """As `kill -9`: the connection is cut, and Postgres finds out."""
        pid = self._connection.info.backend_pid
        self._connection.pgconn.finish()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._world.gone(pid)


class PostgresWorld:
    def __init__(self, conninfo: str) -> None:
        self.conninfo = conninfo
        self._loop = asyncio.Runner()
        self._reading = pool(conninfo, "simulation", 2)
        self._appender = Appender(conninfo)
        self.run(self._reading.open())
        self.run(self._appender.__aenter__())
        self.log = PostgresLog(self._reading, self._appender)
        self._owner = psycopg.connect(conninfo, autocommit=True)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._loop.run(coroutine)

    async def gone(self, pid: int) -> None:
        async with asyncio.timeout(10):
            while self._owner.execute("SELECT FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone() is not None:
                await asyncio.sleep(0.001)

    def say(self, saying: Saying) -> None:
        self.run(say(self.log, saying))

    def events(self) -> list[Recorded]:
        return self.run(self.log.read(0, 10_000))

    def process(self, release: AnyProjection, work: Work) -> Process:
        return _Task(self, release, work)

    def builds(self) -> list[Built]:
        rows = self._owner.execute(
            "SELECT g.id, g.version, g.live, e.agent_id, e.key, e.space_id, e.position, e.value"
            " FROM stele.generations g LEFT JOIN stele.entries e ON e.generation = g.id ORDER BY g.id"
        ).fetchall()
        found: dict[int, tuple[int, bool, dict[EntryKey, Entry]]] = {}
        positions: dict[int, int] = {}
        for id, version, live, agent_id, key, space_id, position, value in rows:
            entries = found.setdefault(id, (version, live, {}))[2]
            if key == "":
                positions[id] = position
            elif key is not None:
                entries[agent_id, key] = Entry(UUID(bytes=agent_id.bytes), key, space_id, position, value)
        return [Built(id, version, live, positions.get(id), e) for id, (version, live, e) in found.items()]

    def lose_entries(self) -> None:
        self._owner.execute("TRUNCATE stele.entries")

    def close(self) -> None:
        self._owner.close()
        self.run(self._appender.__aexit__(None, None, None))
        self.run(self._reading.close())
        self._loop.close()


class Databases:
    """As many empty databases as examples need, copied from one."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._made = 0

    @contextmanager
    def template(self, migrated: str) -> Iterator[None]:
        """`migrated` is the name of a database that nobody is connected to."""
        self._template = migrated
        yield
        for n in range(self._made):
            self._execute(f'DROP DATABASE IF EXISTS "{self._template}_{n}" WITH (FORCE)')

    def new(self) -> str:
        name = f"{self._template}_{self._made}"
        self._made += 1
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{self._template}"')
        return self._server.replace("/postgres?", f"/{name}?")

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(statement.encode())
