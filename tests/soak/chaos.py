"""What goes wrong during the soak, in an order that the seed decides."""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import psycopg
from psycopg import AsyncConnection

from adapters.embedded.postgres import EmbeddedPostgres
from tests.soak.admin import connect
from tests.soak.processes import Kept

_BAG = {
    "connection terminated": 6,
    "writer killed": 3,
    "writer stopped for a while": 2,
    "projector killed": 1,
    "relay killed": 1,
    "Postgres killed": 1,
}
"""How often each of them happens before the bag is filled again."""
_HUNG = "Postgres session hung"
_HUNG_SECONDS = 7.5
"""Longer than psycopg waits for a cancelled statement (5 s), so that its appender gives the connection up."""
_STOPPED_SECONDS_MAX = 1.0
_LOOK_SECONDS_MAX = 10.0
_SESSIONS = """
SELECT pid FROM pg_stat_activity
WHERE application_name LIKE 'stele %' AND pid <> pg_backend_pid() AND datname = current_database()
ORDER BY application_name = 'stele appender' DESC, pid
"""
_COMMITTING = """
SELECT pid FROM pg_stat_activity
WHERE application_name = 'stele appender' AND state = 'active' AND wait_event IN ('WalSync', 'WalWrite')
"""


class Chaos:
    """`pause_seconds`: on average, between one misfortune and the next. `hangs`: also those that take long."""

    def __init__(
        self,
        server: EmbeddedPostgres,
        conninfo: str,
        writers: Sequence[Kept],
        workers: dict[str, Kept],
        chance: random.Random,
        pause_seconds: float,
        hangs: bool,
    ) -> None:
        self.happened: Counter[str] = Counter()
        self._server = server
        self._conninfo = conninfo
        self._writers = writers
        self._workers = workers
        self._chance = chance
        self._pause_seconds = pause_seconds
        self._bag = {**_BAG, _HUNG: 1} if hangs else _BAG

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`, but never in the middle of one."""
        acts: dict[str, Callable[[], Awaitable[bool | None]]] = {
            "connection terminated": self._terminate,
            "writer killed": self._kill_writer,
            "writer stopped for a while": self._stop_writer,
            "projector killed": lambda: self._kill("projector"),
            "relay killed": lambda: self._kill("relay"),
            "Postgres killed": self._kill_postgres,
            _HUNG: self._hang,
        }
        while True:
            bag = [name for name, times in self._bag.items() for _ in range(times)]
            self._chance.shuffle(bag)
            for name in bag:
                if await _pause(stop, self._chance.uniform(0.2, 1.8) * self._pause_seconds):
                    return
                self.happened[name] += await acts[name]() is not False

    async def _terminate(self) -> None:
        """Any session of Stele: appenders, readers, listeners, projector, relay."""
        with contextlib.suppress(psycopg.OperationalError):
            async with await connect(self._conninfo) as connection:
                pids = [row[0] for row in await (await connection.execute(_SESSIONS)).fetchall()]
                if pids:  # the writers' own connections twice as often
                    index = min(self._chance.randrange(len(pids)), self._chance.randrange(len(pids)))
                    await connection.execute("SELECT pg_terminate_backend(%s)", [pids[index]])

    async def _hang(self) -> bool:
        """An appender's session, where its commit is on its way to the disk and nobody sees it yet."""
        with contextlib.suppress(psycopg.OperationalError, ProcessLookupError):
            async with await connect(self._conninfo) as connection:
                pid = await _committing(connection)
                if pid is None:
                    return False
                os.kill(pid, signal.SIGSTOP)
                try:
                    await asyncio.sleep(_HUNG_SECONDS)
                finally:
                    os.kill(pid, signal.SIGCONT)
                return True
        return False

    async def _kill_writer(self) -> None:
        self._chance.choice(self._writers).send(signal.SIGKILL)

    async def _stop_writer(self) -> None:
        """As with a machine that sleeps: it does not know that time has passed."""
        writer = self._chance.choice(self._writers)
        writer.send(signal.SIGSTOP)
        await asyncio.sleep(self._chance.random() * _STOPPED_SECONDS_MAX)
        writer.send(signal.SIGCONT)

    async def _kill(self, worker: str) -> None:
        self._workers[worker].send(signal.SIGKILL)

    async def _kill_postgres(self) -> None:
        """The postmaster; what it leaves behind has to end before the next one may start."""
        pid = self._server.pid
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(self._chance.random() * _STOPPED_SECONDS_MAX)
        await asyncio.to_thread(self._server.start)


async def _committing(connection: AsyncConnection[Any]) -> int | None:
    """The session of an appender that waits for its commit to be on disk; None when none was seen to do so."""
    deadline = time.monotonic() + _LOOK_SECONDS_MAX
    while time.monotonic() < deadline:
        row = await (await connection.execute(_COMMITTING)).fetchone()
        if row is not None:
            return int(row[0])
    return None


async def _pause(stop: asyncio.Event, seconds: float) -> bool:
    """Wait so long; True as soon as `stop` is set."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return False
    return True
