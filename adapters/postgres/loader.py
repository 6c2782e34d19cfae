"""Loading streams for many callers at once: while one query is under way, the next one gathers. No timers."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from adapters.postgres import arrays
from adapters.postgres.rows import recorded
from adapters.postgres.statements import load
from domain.aggregate import Link, Snapshot
from domain.events import Recorded
from domain.limits import LOAD_STREAMS_MAX, LOADERS_MAX, STREAM_PAGE_EVENTS_MAX

_SQL = load("log")
_SNAPSHOT_COLUMNS = 6


class _Waiting(Struct):
    agent_id: UUID
    wanted: Sequence[tuple[UUID, int]]
    answer: asyncio.Future[list[Snapshot | Recorded]]


class Loader:
    """`load` may be called by any number of tasks of one event loop."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection[Any]]) -> None:
        self._pool = pool
        self._queue: deque[_Waiting] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    async def load(self, agent_id: UUID, wanted: Sequence[tuple[UUID, int]]) -> list[Snapshot | Recorded]:
        """As domain.ports.Log.load. Raises psycopg.Error, or psycopg_pool.PoolTimeout."""
        waiting = _Waiting(agent_id, wanted, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._start()
        return await waiting.answer

    def _start(self) -> None:
        if self._queue and len(self._tasks) < LOADERS_MAX:
            task = asyncio.create_task(self._run(), name="loader")
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._start()  # for whoever came after it had looked into the queue

    async def _run(self) -> None:
        """Serve the queue on one connection. A query that fails, or a connection that cannot be had, is told to those
        that it was for.
        """
        taken: list[_Waiting] = []
        try:
            async with self._pool.connection() as connection:
                while taken := self._take():
                    await _fetch(connection, taken)
        except Exception as error:
            for waiting in taken or self._take():
                if not waiting.answer.done():
                    waiting.answer.set_exception(error)

    def _take(self) -> list[_Waiting]:
        taken: list[_Waiting] = []
        streams = 0
        while self._queue and (not taken or streams + len(self._queue[0].wanted) <= LOAD_STREAMS_MAX):
            waiting = self._queue.popleft()
            if not waiting.answer.cancelled():
                taken.append(waiting)
                streams += len(waiting.wanted)
        return taken


async def _fetch(connection: AsyncConnection[Any], taken: list[_Waiting]) -> None:
    agents, streams, versions, whose = [], [], [], []
    for number, waiting in enumerate(taken):
        for stream_id, version in waiting.wanted:
            agents.append(waiting.agent_id)
            streams.append(stream_id)
            versions.append(version)
            whose.append(number)
    async with connection.cursor(binary=True) as cursor:
        await cursor.execute(
            _SQL["load"],
            [arrays.uuids(agents), arrays.uuids(streams), arrays.int4s(versions), STREAM_PAGE_EVENTS_MAX],
            prepare=True,
        )
        rows = await cursor.fetchall()
    answers: list[list[Snapshot | Recorded]] = [[] for _ in taken]
    for n, *row in rows:
        answers[whose[n - 1]] += items(row)
    for waiting, answer in zip(taken, answers, strict=True):
        if not waiting.answer.done():
            waiting.answer.set_result(answer)


def items(row: list[Any]) -> list[Snapshot | Recorded]:
    """A snapshot where the row begins with one, and an event where it has one."""
    version, position, event_id, correlation_id, fold, state = row[:_SNAPSHOT_COLUMNS]
    event = row[_SNAPSHOT_COLUMNS:]
    items: list[Snapshot | Recorded] = []
    if state is not None:
        items.append(Snapshot(event[3], version, position, Link(event_id, correlation_id), fold, state))
    if event[0] is not None:
        items.append(recorded(event))
    return items
