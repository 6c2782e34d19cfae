"""The group-commit appender (docs/adr/0002): while one batch commits, the next one gathers. No timers.

One task, one connection, one SQL function a batch. A caller gets its verdict after the commit (invariant I11).
"""

import asyncio
import contextlib
import time
from collections import deque
from typing import Any
from uuid import UUID

import psycopg
import structlog
from msgspec import Struct
from psycopg import AsyncConnection

from adapters.postgres.connect import connect
from adapters.postgres.statements import load
from adapters.postgres.wakeup import Doorbell
from domain.limits import APPEND_BATCH_EVENTS_MAX, APPEND_OUTAGE_SECONDS_MAX, APPEND_QUEUE_COMMANDS_MAX
from domain.ports import Appended, Conflict, KeyReused, Repeated, Transaction, Verdict
from domain.refusals import Refusal

_SQL = load("log")
_log = structlog.get_logger()


class _Waiting(Struct):
    transaction: Transaction
    verdict: asyncio.Future[Verdict]


class Appender:
    """Use as an async context manager; `append` may be called by any number of tasks of one event loop."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._connection: AsyncConnection[Any] | None = None
        self._queue: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self._doorbell = Doorbell(conninfo, "stele_log")
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Appender":
        self._connection = await connect(self._conninfo, "appender")
        self._task = asyncio.create_task(self._run(), name="appender")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._fail(list(self._queue), _unavailable("the hub is stopping"))
        await self._doorbell.close()
        if self._connection is not None:
            await self._connection.close()

    async def append(self, transaction: Transaction) -> Verdict:
        """Raises Refusal `overloaded` at once when the queue is full, `log_unavailable` when Postgres stays away."""
        if self._task is None or self._task.done():
            raise _unavailable("the hub is stopping")
        if len(self._queue) >= APPEND_QUEUE_COMMANDS_MAX:
            raise Refusal(
                "overloaded",
                f"{APPEND_QUEUE_COMMANDS_MAX} commands are waiting already; try again",
                retry_after_seconds=1.0,
            )
        waiting = _Waiting(transaction, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._arrived.set()
        try:
            async with asyncio.timeout(2 * APPEND_OUTAGE_SECONDS_MAX):
                return await waiting.verdict
        except TimeoutError:
            raise _unavailable("Postgres does not answer") from None

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            batch = _take(self._queue)
            if not self._queue:
                self._arrived.clear()
            try:
                await self._commit(batch)
            except asyncio.CancelledError:
                self._fail(batch, _unavailable("the hub is stopping"))
                raise
            except Exception as error:  # the task must outlive any batch; its callers get the error
                _log.exception("append_failed", commands=len(batch))
                self._fail(batch, error)

    async def _commit(self, batch: list[_Waiting]) -> None:
        try:
            verdicts = await self._execute([waiting.transaction for waiting in batch])
        except Exception as error:  # also what cannot even be sent: one command must not fail its neighbours
            if self._connection is None or self._connection.closed:
                await self._recover(batch)
            elif len(batch) == 1:
                self._fail(batch, error)
            else:
                _log.warning("append_batch_split", commands=len(batch), error=str(error))
                for waiting in batch:
                    await self._commit([waiting])
            return
        for waiting, verdict in zip(batch, verdicts, strict=True):
            if not waiting.verdict.done():
                waiting.verdict.set_result(verdict)
        self._doorbell.ring()

    async def _execute(self, transactions: list[Transaction]) -> list[Verdict]:
        if self._connection is None:
            raise psycopg.OperationalError("no connection")
        cursor = self._connection.cursor(binary=True)
        try:
            async with asyncio.timeout(APPEND_OUTAGE_SECONDS_MAX):
                await cursor.execute(_SQL["append"], _columns(transactions), prepare=True)
        except TimeoutError as error:  # it hangs: give the connection up and look what became of the batch
            await self._connection.close()
            raise psycopg.OperationalError("Postgres does not answer") from error
        verdicts: dict[int, Verdict] = {}
        for n, name, first, last, kept, stream, expected, actual in await cursor.fetchall():
            match name:
                case "appended":
                    verdicts[n] = Appended(first, last)
                case "repeated":
                    verdicts[n] = Repeated(first, last, kept)
                case "key_reused":
                    verdicts[n] = KeyReused()
                case _:
                    verdicts[n] = Conflict(stream, expected, actual)
        return [verdicts[n] for n in range(1, len(transactions) + 1)]

    async def _recover(self, batch: list[_Waiting]) -> None:
        """The connection broke and nobody knows whether the batch was committed: look, then send what is missing."""
        deadline = time.monotonic() + APPEND_OUTAGE_SECONDS_MAX
        while time.monotonic() < deadline:
            try:
                self._connection = await connect(self._conninfo, "appender")
                landed = await self._landed([waiting.transaction for waiting in batch])
            except psycopg.Error:
                await asyncio.sleep(0.2)
                continue
            missing = []
            for n, waiting in enumerate(batch, start=1):
                if n not in landed:
                    missing.append(waiting)
                elif not waiting.verdict.done():
                    waiting.verdict.set_result(landed[n])
            self._queue.extendleft(reversed(missing))
            self._arrived.set()
            return
        self._fail([*batch, *self._queue], _unavailable("Postgres cannot be reached"))
        self._queue.clear()

    async def _landed(self, transactions: list[Transaction]) -> dict[int, Appended]:
        """The commands of a batch that are in the log, by their number. A batch is committed whole."""
        if self._connection is None:
            return {}
        firsts = [(n, t) for n, t in enumerate(transactions, start=1) if t.events]
        cursor = self._connection.cursor(binary=True)
        await cursor.execute(
            _SQL["landed"],
            [
                [t.agent_id for _, t in firsts],
                [t.events[0].stream_id for _, t in firsts],
                [t.events[0].version for _, t in firsts],
                [t.events[0].event_id for _, t in firsts],
            ],
        )
        found = {firsts[place - 1]: position for place, position in await cursor.fetchall()}
        return {n: Appended(position, position + len(t.events) - 1) for (n, t), position in found.items()}

    def _fail(self, batch: list[_Waiting], error: Exception) -> None:
        for waiting in batch:
            if not waiting.verdict.done():
                waiting.verdict.set_exception(error)


def _unavailable(why: str) -> Refusal:
    return Refusal(
        "log_unavailable",
        f"{why}; whether the command was carried out is not known: send it again with the same Idempotency-Key",
        retry_after_seconds=2.0,
    )


def _take(queue: deque[_Waiting]) -> list[_Waiting]:
    """The next batch: commands in their order, none of which touches what another of the batch writes or its key.

    What has to wait for its turn stays in the queue, and whoever waits for it as well; behind a whole batch of them
    nobody is looked for, so that a stream that everybody wants costs no more than that.
    """
    batch: list[_Waiting] = []
    deferred: list[_Waiting] = []
    written: set[UUID] = set()
    read: set[UUID] = set()
    keys: set[tuple[UUID, str]] = set()
    events = 0
    while queue and events < APPEND_BATCH_EVENTS_MAX and len(deferred) < APPEND_BATCH_EVENTS_MAX:
        waiting = queue.popleft()
        if waiting.verdict.cancelled():
            continue
        transaction = waiting.transaction
        writes = {event.stream_id for event in transaction.events}
        reads = {expectation.stream_id for expectation in transaction.expectations}
        key = (transaction.agent_id, transaction.key) if transaction.key is not None else None
        clash = not written.isdisjoint(reads | writes) or not read.isdisjoint(writes) or key in keys
        if key is not None:
            keys.add(key)
        written |= writes
        read |= reads
        if clash:
            deferred.append(waiting)
        else:
            batch.append(waiting)
            events += len(transaction.events) or 1
    queue.extendleft(reversed(deferred))
    return batch


def _columns(transactions: list[Transaction]) -> list[list[Any]]:
    """The arguments of stele.append_v1: three tables, column by column, commands numbered from 1."""
    commands, expectations, events = [], [], []
    for n, t in enumerate(transactions, start=1):
        commands.append((t.agent_id, t.key, t.fingerprint, t.result))
        expectations += [(n, x.stream_id, x.version) for x in t.expectations]
        events += [
            (
                n,
                e.event_id,
                e.stream_id,
                e.version,
                e.payload.type,
                e.payload.schema_version,
                e.data,
                e.occurred_at,
                e.actor,
                e.causation_id,
                e.correlation_id,
                e.traceparent,
            )
            for e in t.events
        ]
    return [*_transpose(commands, 4), *_transpose(expectations, 3), *_transpose(events, 12)]


def _transpose(rows: list[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]
