"""Both logs keep the promises of the port; the one in Postgres keeps them when things break as well."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, LiteralString
from uuid import uuid4

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg.errors import InsufficientPrivilege

from adapters.memory.log import MemoryLog
from adapters.postgres.appender import Appender
from adapters.postgres.connect import connect, pool
from adapters.postgres.log import PostgresLog
from adapters.postgres.migrate import migrate
from domain.limits import APPEND_QUEUE_COMMANDS_MAX
from domain.ports import Appended, Conflict, Log, Repeated, Transaction, Verdict
from domain.refusals import Refusal
from tests.conformance.log import LogContract
from tests.conformance.log_events import (
    AGENT,
    append_several,
    at_once,
    command,
    everything,
    happened,
    read_along,
    stream,
)


class _Clock:
    def now(self) -> datetime:
        return datetime(2025, 6, 1, tzinfo=UTC)


class TestMemoryLog(LogContract):
    @pytest.fixture
    def log(self) -> Log:
        return MemoryLog(_Clock())

    async def test_events_are_recorded_at_the_time_of_the_clock(self, log: Log) -> None:
        await log.append(command(happened(stream("a"))))
        assert [event.recorded_at for event in await everything(log)] == [_Clock().now()]


class TestPostgresLog(LogContract):
    @pytest.fixture
    async def appender(self, database: str) -> AsyncIterator[Appender]:
        await migrate(database)
        async with Appender(database) as appender:
            yield appender

    @pytest.fixture
    async def log(self, database: str, appender: Appender) -> AsyncIterator[Log]:
        async with pool(database, "test", 4) as reading:
            yield PostgresLog(reading, appender)

    async def test_I3_several_processes_write_one_order(self, log: Log, database: str) -> None:
        async with Appender(database) as second, Appender(database) as third:
            logs = [log, _writer(second), _writer(third)]
            writing = asyncio.gather(*(append_several(logs[n % 3], 8) for n in range(30)))
            assert len(await read_along(log, writing)) == 240

    async def test_I11_commits_wait_for_the_disk(self, log: Log, database: str) -> None:
        async with await connect(database, "test") as connection:
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                row = await (await connection.execute(f"SHOW {setting}".encode())).fetchone()
                assert row == ("on",), setting

    async def test_I11_a_batch_whose_connection_breaks_before_the_commit_is_sent_again(
        self, log: Log, database: str
    ) -> None:
        async with await connect(database, "test", None) as other:
            async with other.transaction():
                await other.execute("SELECT position FROM stele.head FOR UPDATE")
                writing = asyncio.gather(*(log.append(command(happened(uuid4()))) for _ in range(20)))
                await _until(other, _WAITING)
                await other.execute(_KILL)
            assert await writing == [Appended(n, n) for n in range(1, 21)]
        assert await log.head() == 20

    async def test_I11_a_batch_whose_answer_is_lost_after_the_commit_is_not_written_again(
        self, log: Log, database: str
    ) -> None:
        a, b, c, d = map(stream, "abcd")
        await log.append(command(happened(d)))
        deaf = _Deaf(database)
        async with deaf:
            verdicts = await at_once(
                _writer(deaf),
                command(happened(a), happened(b)),
                command(happened(d)),
                command(happened(c), key="k"),
                command(key="refused", result=b"no"),
            )
        assert deaf.lost == 4
        assert verdicts == [
            Appended(2, 3),
            Conflict(d, 0, 1),
            Appended(4, 4),
            Repeated(4, 4, b"no"),
        ]
        assert await log.head() == 4

    @pytest.mark.parametrize("actor", ["\0", "\ud800"], ids=["NUL", "half of a surrogate pair"])
    async def test_a_command_that_cannot_be_written_fails_alone(self, log: Log, actor: str) -> None:
        requests = [command(happened(uuid4(), actor=actor if n == 3 else "fine")) for n in range(6)]
        verdicts = await asyncio.gather(*map(log.append, requests), return_exceptions=True)
        assert isinstance(verdicts.pop(3), psycopg.Error | UnicodeError)
        assert verdicts == [Appended(n, n) for n in range(1, 6)]

    async def test_a_version_is_taken_once_even_when_nobody_expects_anything(self, log: Log) -> None:
        a, b = stream("a"), stream("b")
        first, neighbour, second = await asyncio.gather(
            log.append(Transaction(AGENT, (happened(a, label="first"),), ())),
            log.append(command(happened(b))),
            log.append(Transaction(AGENT, (happened(a, label="second"),), ())),
            return_exceptions=True,
        )
        assert (first, neighbour) == (Appended(1, 1), Appended(2, 2))
        assert second == Conflict(a, 0, 1)
        assert await log.head() == 2

    async def test_I12_a_full_queue_refuses_at_once_and_loses_nothing(self, log: Log) -> None:
        waiting = [asyncio.create_task(log.append(command())) for _ in range(APPEND_QUEUE_COMMANDS_MAX)]
        one_more = asyncio.create_task(log.append(command(happened(stream("a")))))
        with pytest.raises(Refusal, match="overloaded") as refused:
            await one_more
        assert refused.value.retry_after_seconds is not None
        assert set(await asyncio.gather(*waiting)) == {Appended(0, 0)}

    async def test_a_command_nobody_waits_for_any_more_does_not_hold_up_the_others(self, log: Log) -> None:
        abandoned = asyncio.create_task(log.append(command(happened(stream("a")))))
        kept = asyncio.create_task(log.append(command(happened(stream("b")))))
        await asyncio.sleep(0)
        abandoned.cancel()
        assert isinstance(await kept, Appended)

    async def test_an_appender_that_has_stopped_refuses(self, database: str, appender: Appender) -> None:
        async with Appender(database) as stopped:
            pass
        with pytest.raises(Refusal, match="log_unavailable"):
            await asyncio.wait_for(stopped.append(command()), 5)

    async def test_I3_times_are_recorded_in_the_order_of_the_positions(self, log: Log, database: str) -> None:
        async with await connect(database, "test", None) as other:
            async with other.transaction():
                await other.execute("SELECT position FROM stele.head FOR UPDATE")
                waiting = asyncio.create_task(log.append(command(happened(stream("a")))))
                await asyncio.sleep(0.05)
                row = await (await other.execute("SELECT clock_timestamp()")).fetchone()
            await waiting
        [event] = await everything(log)
        assert row is not None
        assert event.recorded_at > row[0], "it got its position after the other writer had let go"

    @pytest.mark.parametrize(
        "change", ["UPDATE stele.log SET actor = 'nobody'", "DELETE FROM stele.log", "TRUNCATE stele.log"]
    )
    async def test_the_log_in_the_database_is_append_only(self, log: Log, database: str, change: str) -> None:
        await log.append(command(happened(stream("a"))))
        before = await everything(log)
        async with await connect(database, "test", None) as connection:
            with pytest.raises(InsufficientPrivilege, match="append-only"):
                await connection.execute(change.encode())
        assert await everything(log) == before


_WAITING = """SELECT count(*) > 0 FROM pg_stat_activity
    WHERE application_name = 'stele appender' AND datname = current_database() AND wait_event_type = 'Lock'"""
_KILL = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'stele appender' AND datname = current_database()"""


async def _until(connection: AsyncConnection[Any], condition: LiteralString) -> None:
    async with asyncio.timeout(5):
        while await (await connection.execute(condition)).fetchone() != (True,):
            await asyncio.sleep(0.002)


class _Deaf(Appender):
    """Its connection breaks after the first commit, before the verdicts have come back."""

    lost = 0

    async def _execute(self, transactions: list[Transaction]) -> list[Verdict]:
        verdicts = await super()._execute(transactions)
        if not self.lost and self._connection is not None:
            self.lost = len(transactions)
            await self._connection.close()
            raise psycopg.OperationalError("the answer is lost")
        return verdicts


def _writer(appender: Appender) -> Log:
    """A log that is only written to; its pool stays closed."""
    return PostgresLog(pool("", "unused", 1), appender)
