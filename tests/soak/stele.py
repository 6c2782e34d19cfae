"""The run on Stele: writers, readers, and everything that can go wrong, on a Postgres and a NATS of its own."""

import asyncio
import contextlib
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psycopg
from msgspec import Struct
from psycopg_pool import PoolTimeout

from adapters.embedded.nats import EmbeddedNats
from adapters.embedded.postgres import EmbeddedPostgres
from adapters.postgres.connect import pool
from adapters.postgres.log import PostgresLog
from adapters.postgres.migrate import migrate
from tests.keys import MASTER
from tests.soak import readers
from tests.soak.admin import connect
from tests.soak.audit import Audit
from tests.soak.chaos import Chaos
from tests.soak.marks import set_up
from tests.soak.outcome import Outcome, said
from tests.soak.processes import Kept
from tests.soak.watch import Watch
from workers import parts

READERS = ("paging", "hint and poll", "relay", "projector")
_TICK_SECONDS = 0.25
_DRAIN_SECONDS_MAX = 120.0
_FALLS_MAX = 10
"""More of them are no start-up while Postgres was away."""
_SETTINGS = (
    "ALTER SYSTEM SET checkpoint_timeout = '30s'",  # a recovery takes a second, not a minute of the run
    "ALTER SYSTEM SET autovacuum_naptime = '1s'",  # with a kill every 20 s, a usual autovacuum would never begin
    "SELECT pg_reload_conf()",
)


class Plan(Struct, frozen=True):
    """A run ends when the log has so many `events`, or after so many `seconds`."""

    events: int
    seconds: float
    seed: int
    writers: int = 4
    pause_seconds: float = 1.2
    """On average between two misfortunes."""
    hangs: bool = True
    """Also misfortunes that take seconds each."""
    lag_events: int = 40_000
    """Writers stand still while a reader is so far behind: only a reader near the head can be overtaken by a commit."""


class Servers(Struct):
    """What runs for the whole soak, in a folder of its own."""

    postgres: EmbeddedPostgres
    nats: EmbeddedNats
    folder: Path

    @staticmethod
    def under(folder: Path) -> "Servers":
        return Servers(EmbeddedPostgres(folder / "pg"), EmbeddedNats(folder / "nats"), folder)


Show = Callable[[int, dict[str, int]], None]
"""The head, and every reader's position."""


class Run:
    def __init__(self, plan: Plan, servers: Servers, show: Show) -> None:
        self._plan = plan
        self._servers = servers
        self._show = show
        self._watches = {name: Watch(name) for name in READERS}
        self._faults: list[str] = []
        self._acks = servers.folder / "acks"
        self._logs = servers.folder / "logs"
        self._held = False
        self._kept: dict[str, Kept] = {}

    async def run(self) -> Outcome:
        self._acks.mkdir()
        self._logs.mkdir()
        nats = self._servers.nats.start()
        conninfo = await asyncio.to_thread(self._servers.postgres.start)
        async with await connect(conninfo) as connection:
            for setting in _SETTINGS:
                await connection.execute(setting)
        await migrate(conninfo)
        await set_up(conninfo)
        began = time.monotonic()
        async with self._workers(conninfo, nats) as workers, self._reading(conninfo, nats):
            writers = self._writers(conninfo)
            chance = random.Random(f"{self._plan.seed} chaos")
            chaos = Chaos(
                self._servers.postgres, conninfo, writers, workers, chance, self._plan.pause_seconds, self._plan.hangs
            )
            enough = asyncio.Event()
            harm = asyncio.create_task(chaos.run(enough))
            async with pool(conninfo, "soak harness", 1) as reading:
                log = PostgresLog(reading)
                await self._write(log, writers, harm)
                enough.set()
                await harm
                self._hold(writers, False)
                await asyncio.gather(*(writer.end() for writer in writers))
                head = await self._head(log)
                await self._drain(log, head)
        self._faults += [f"{one.name} fell: {one.falls}, see {one.log}" for one in writers if one.falls]
        happened = {**chaos.happened, **{f"{name} fell by itself": len(one.falls) for name, one in workers.items()}}
        audit = Audit()
        await audit.run(conninfo, self._acks)
        verdicts = [watch.judge(audit.log) for watch in self._watches.values()]
        seconds = time.monotonic() - began
        return Outcome(
            "Stele",
            seconds,
            len(audit.log),
            verdicts,
            commands=audit.commands,
            happened=happened,
            said=said(self._logs),
            faults=self._faults,
        )

    @contextlib.asynccontextmanager
    async def _workers(self, conninfo: str, nats: str) -> AsyncIterator[dict[str, Kept]]:
        """The relay and the projector of the product, each a process that is started again when it falls."""
        self._lifeline, holding = os.pipe()
        environment = {"STELE_POSTGRES_URL": conninfo, "STELE_NATS_URL": nats, "STELE_LOG_LEVEL": "WARNING"}
        environment["STELE_MASTER_KEYS"] = MASTER
        commands = {"relay": ["-m", "workers", "relay"], "projector": ["-m", "tests.soak.topic", conninfo]}
        kept = self._kept = {
            name: Kept(name, _python(*command), self._logs, self._lifeline, **environment)
            for name, command in commands.items()
        }
        try:
            yield kept
        finally:
            await asyncio.gather(*(one.end() for one in kept.values()))
            os.close(holding)
            os.close(self._lifeline)

    def _writers(self, conninfo: str) -> list[Kept]:
        return [self._writer(conninfo, n) for n in range(self._plan.writers)]

    def _writer(self, conninfo: str, n: int) -> Kept:
        def command(life: int) -> list[str]:
            name = f"w{n}.{life}"
            module = ["-m", "tests.soak.writer", conninfo, name, str(self._plan.seed), str(self._acks / name)]
            return [sys.executable, *module]

        return Kept(f"writer.{n}", command, self._logs, self._lifeline)

    @contextlib.asynccontextmanager
    async def _reading(self, conninfo: str, nats: str) -> AsyncIterator[None]:
        client = await parts.nats(nats, "soak")
        watches, seed = self._watches, self._plan.seed
        tasks = [
            asyncio.create_task(one)
            for one in (
                readers.paging(conninfo, watches["paging"], random.Random(f"{seed} paging")),
                readers.hint(conninfo, watches["hint and poll"], random.Random(f"{seed} hint")),
                readers.relay(client, watches["relay"]),
                readers.topic(conninfo, watches["projector"], random.Random(f"{seed} topic")),
            )
        ]
        for task in tasks:
            task.add_done_callback(self._reader_ended)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await client.close()

    def _reader_ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._faults.append(f"a reader failed: {type(error).__name__}: {error}")

    async def _write(self, log: PostgresLog, writers: list[Kept], harm: "asyncio.Task[None]") -> None:
        """Let the writers write until there is enough, or something went wrong."""
        deadline = time.monotonic() + self._plan.seconds
        head = 0
        while head < self._plan.events and time.monotonic() < deadline and not self._wrong() and not harm.done():
            await asyncio.sleep(_TICK_SECONDS)
            head = await self._head(log)
            lag = head - min(watch.position for watch in self._watches.values())
            if lag > self._plan.lag_events or (self._held and lag > self._plan.lag_events // 4):
                self._hold(writers, True)
            elif self._held:
                self._hold(writers, False)

    def _hold(self, writers: list[Kept], held: bool) -> None:
        self._held = held
        for writer in writers:
            writer.send(signal.SIGSTOP if held else signal.SIGCONT)

    async def _drain(self, log: PostgresLog, head: int) -> None:
        """Wait until every reader is at the head, or something went wrong."""
        deadline = time.monotonic() + _DRAIN_SECONDS_MAX
        while not self._wrong() and any(watch.position < head for watch in self._watches.values()):
            if time.monotonic() > deadline:
                at = {name: watch.position for name, watch in self._watches.items()}
                self._faults.append(f"after {_DRAIN_SECONDS_MAX:.0f} s a reader was not at the head {head}: {at}")
                return
            await asyncio.sleep(_TICK_SECONDS)
            await self._head(log)

    def _wrong(self) -> bool:
        found = [watch.fault for watch in self._watches.values() if watch.fault is not None]
        found += [
            f"{name} falls again and again by itself, see {one.log}"
            for name, one in self._kept.items()
            if len(one.falls) > _FALLS_MAX
        ]
        self._faults += [fault for fault in found if fault not in self._faults]
        return bool(self._faults)

    async def _head(self, log: PostgresLog) -> int:
        while True:
            try:
                head = await log.head()
            except (psycopg.OperationalError, PoolTimeout):
                await asyncio.sleep(_TICK_SECONDS)
                continue
            self._show(head, {name: watch.position for name, watch in self._watches.items()})
            return head


def _python(*arguments: str) -> Callable[[int], list[str]]:
    return lambda _: [sys.executable, *arguments]
