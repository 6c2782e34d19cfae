"""The order that readers trust: several writer processes, one of them killed, and readers that never miss an event."""

import asyncio
import contextlib
import subprocess
import sys
import time

from adapters.postgres.appender import Appender
from adapters.postgres.connect import pool
from adapters.postgres.log import PostgresLog
from adapters.postgres.migrate import migrate
from adapters.postgres.wakeup import Bell, Listener
from domain.runtime import Context, Runtime
from domain.spaces import CreateSpace
from tests.integration.order_writer import AGENT
from tests.keys import vault
from workers import parts

SECONDS = 3.0
SEEDS = (11, 12, 13)


async def _follow(log: PostgresLog, bell: Bell | None, seen: list[int], done: asyncio.Event) -> None:
    """Read what comes after the last position, again and again; what is once passed is never looked at again."""
    while True:
        finished = done.is_set()
        events = await log.read(seen[-1] if seen else 0, 500)
        seen.extend(event.position for event in events)
        if finished and not events:
            return
        if bell is not None:
            await bell.wait(0.05)


async def test_I3_no_reader_misses_an_event_of_several_writers(database: str) -> None:
    """One writer is killed in the middle; positions are dense for a reader that polls and for one that is woken."""
    await migrate(database)
    async with Appender(database) as appender, pool(database, "order", 4) as reading:
        log = PostgresLog(reading, appender)
        runtime = Runtime(log, parts.SystemClock(), parts.TimeOrderedIds(), vault(reading))
        await runtime.execute(CreateSpace("order"), Context(AGENT, "test"))
        done, bell = asyncio.Event(), Bell()
        listening = asyncio.create_task(Listener(database, ("stele_log",), lambda _: bell.ring()).run())
        polled: list[int] = []
        woken: list[int] = []
        readers = [
            asyncio.create_task(_follow(log, None, polled, done)),
            asyncio.create_task(_follow(log, bell, woken, done)),
        ]
        command = [sys.executable, "-m", "tests.integration.order_writer", database]
        writers = [
            subprocess.Popen([*command, str(seed), str(SECONDS)], stdout=subprocess.PIPE, text=True) for seed in SEEDS
        ]
        await asyncio.sleep(SECONDS / 2)
        writers[0].kill()
        outputs = await asyncio.to_thread(lambda: [writer.communicate()[0] for writer in writers])
        head = await log.head()
        began = time.monotonic()
        while (not polled or polled[-1] < head or woken[-1] < head) and time.monotonic() - began < 20:
            await asyncio.sleep(0.02)
        done.set()
        await asyncio.gather(*readers)
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening
    acknowledged = sum(int(output) for output in outputs[1:])
    assert all(writer.returncode == 0 for writer in writers[1:])
    assert acknowledged > 100
    assert head >= acknowledged
    assert polled == list(range(1, head + 1))
    assert woken == list(range(1, head + 1))
