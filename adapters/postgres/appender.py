"""The group-commit appender (docs/adr/0002): while one batch commits, the next one gathers. No timers.

One task, one connection, one SQL function a batch. A caller gets its verdict after the commit (invariant I11).
"""

import asyncio
import contextlib
import time
from collections import deque
from typing import Any

import psycopg
import structlog
from psycopg import AsyncConnection

from adapters.postgres.batch import Kind, Waiting, columns, take
from adapters.postgres.connect import connect
from adapters.postgres.metrics import observe_batch, observe_failure, watch_queue
from adapters.postgres.statements import load
from adapters.postgres.wakeup import Doorbell
from domain.faults import describe
from domain.limits import APPEND_OUTAGE_SECONDS_MAX, APPEND_QUEUE_COMMANDS_MAX
from domain.ports import Appended, Conflict, KeyReused, Repeated, Transaction, Verdict
from domain.refusals import Refusal

_SQL = load("log")
_log = structlog.get_logger()


class Appender:
    """Use as an async context manager; `append` may be called by any number of tasks of one event loop."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._connection: AsyncConnection[Any] | None = None
        self._queue: deque[Waiting] = deque()
        self._arrived = asyncio.Event()
        self._doorbell = Doorbell(conninfo, "stele_log")
        self._task: asyncio.Task[None] | None = None
        self._kinds: set[Kind] = set()
        """Kinds of events that are known to be listed in stele.kinds."""

    async def __aenter__(self) -> "Appender":
        watch_queue(self._queue.__len__)
        self._connection = await connect(self._conninfo, "appender", one_plan=True)
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
        """Raises Refusal `overloaded` at once when the queue is full, `log_unavailable` when Postgres stays away, and
        ValueError for events of one stream that do not follow each other.
        """
        if len(transaction.events) > 1:
            transaction.check_versions()
        if self._task is None or self._task.done():
            raise _unavailable("the hub is stopping")
        if len(self._queue) >= APPEND_QUEUE_COMMANDS_MAX:
            raise Refusal(
                "overloaded",
                f"{APPEND_QUEUE_COMMANDS_MAX} commands are waiting already; try again",
                retry_after_seconds=1.0,
            )
        waiting = Waiting(transaction, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._arrived.set()
        return await waiting.verdict

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            batch = take(self._queue)
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

    async def _commit(self, batch: list[Waiting]) -> None:
        try:
            verdicts = await self._execute([waiting.transaction for waiting in batch])
        except Exception as error:  # also what cannot even be sent: one command must not fail its neighbours
            observe_failure()
            if self._connection is None or self._connection.closed:
                await self._recover(batch)
            elif len(batch) == 1:
                self._fail(batch, error)
            else:
                _log.warning("append_batch_split", commands=len(batch), error=describe(error))
                for waiting in batch:
                    await self._commit([waiting])
            return
        again = [
            w for w, verdict in zip(batch, verdicts, strict=True) if w.sent_again and isinstance(verdict, Conflict)
        ]
        landed = await self._landed([waiting.transaction for waiting in again]) if again else {}
        late = {id(again[n - 1]): verdict for n, verdict in landed.items()}
        for waiting, verdict in zip(batch, verdicts, strict=True):
            if not waiting.verdict.done():
                waiting.verdict.set_result(late.get(id(waiting), verdict))
        self._doorbell.ring()

    async def _execute(self, transactions: list[Transaction]) -> list[Verdict]:
        if self._connection is None:
            raise psycopg.OperationalError("no connection")
        cursor = self._connection.cursor(binary=True)
        arguments, kinds = columns(transactions, self._kinds)
        began = time.perf_counter()
        try:
            async with asyncio.timeout(APPEND_OUTAGE_SECONDS_MAX):
                await cursor.execute(_SQL["append"], arguments, prepare=True)
                *failed, (_, _, base, head, *_) = await cursor.fetchall()
        except TimeoutError as error:  # it hangs: give the connection up and look what became of the batch
            await self._connection.close()
            raise psycopg.OperationalError("Postgres does not answer") from error
        if not failed:  # a kind that came only with a command that was not carried out is not in the log
            self._kinds |= kinds
        observe_batch(began, transactions, events=head - base, conflicts=sum(row[1] == "conflict" for row in failed))
        return _verdicts(transactions, {row[0]: _failed(row) for row in failed}, base, head)

    async def _recover(self, batch: list[Waiting]) -> None:
        """The connection broke and nobody knows whether the batch was committed: look, then send what is missing."""
        deadline = time.monotonic() + APPEND_OUTAGE_SECONDS_MAX
        while time.monotonic() < deadline:
            try:
                self._connection = await connect(self._conninfo, "appender", one_plan=True)
                landed = await self._landed([waiting.transaction for waiting in batch])
            except psycopg.Error:
                await asyncio.sleep(0.2)
                continue
            missing = []
            for n, waiting in enumerate(batch, start=1):
                if n not in landed:
                    waiting.sent_again = True  # the old session may still commit it: a conflict may be with itself
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

    def _fail(self, batch: list[Waiting], error: Exception) -> None:
        for waiting in batch:
            if not waiting.verdict.done():
                waiting.verdict.set_exception(error)


def _unavailable(why: str) -> Refusal:
    return Refusal(
        "log_unavailable",
        f"{why}; whether the command was carried out is not known: send it again with the same Idempotency-Key",
        retry_after_seconds=2.0,
    )


def _failed(row: tuple[Any, ...]) -> Verdict:
    _, name, first, last, kept, stream, expected, actual = row
    match name:
        case "repeated":
            return Repeated(first, last, kept)
        case "key_reused":
            return KeyReused()
        case _:
            return Conflict(stream, expected, actual)


def _verdicts(transactions: list[Transaction], failed: dict[int, Verdict], base: int, head: int) -> list[Verdict]:
    """Whoever did not fail has the next positions; without events, the head after the batch."""
    verdicts: list[Verdict] = []
    for n, transaction in enumerate(transactions, start=1):
        count = len(transaction.events)
        if failed and n in failed:
            verdicts.append(failed[n])
        elif count:
            verdicts.append(Appended(base + 1, base + count))
            base += count
        else:
            verdicts.append(Appended(head, head))
    return verdicts
