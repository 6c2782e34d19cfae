"""The same readers' eye on the stock recorder: it has to see what is missed where something is missed."""

import asyncio
import contextlib
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from eventsourcing.persistence import ApplicationRecorder
from msgspec import Struct
from psycopg import sql

from tests.bench.peers.stock import environment
from tests.soak.admin import connect
from tests.soak.outcome import Outcome, said
from tests.soak.processes import Kept
from tests.soak.readers import Read, follow
from tests.soak.stock_recorder import TABLE, recorder
from tests.soak.watch import Seen, Watch, mark

_PROCESSES = 2
_TICK_SECONDS = 0.5
_DRAIN_SECONDS_MAX = 30.0


class StockPlan(Struct, frozen=True):
    """Write for so many `seconds`, or only until something was missed."""

    functions: bool
    """POSTGRES_ENABLE_DB_FUNCTIONS"""
    seconds: float
    seed: int
    writers: int = 8
    until_missed: bool = False


async def run(plan: StockPlan, conninfo: str, folder: Path) -> Outcome:
    """`conninfo`: a database of its own. `folder` is made, for the logs."""
    folder.mkdir()
    settings = {**environment(conninfo), "POSTGRES_ENABLE_DB_FUNCTIONS": "yes" if plan.functions else "no"}
    own = recorder(settings)
    settings["CREATE_TABLE"] = "no"  # it is there now; two processes that make it at once fall
    watch = Watch("paging", dense=False)
    lifeline, holding = os.pipe()
    began = time.monotonic()
    writers = [
        Kept(f"stock.{n}", _command(f"{plan.seed} {n}", plan.writers // _PROCESSES), folder, lifeline, **settings)
        for n in range(_PROCESSES)
    ]
    reading = asyncio.create_task(follow(_notifications(own), watch, random.Random(plan.seed)))
    try:
        while time.monotonic() - began < plan.seconds and not reading.done():
            await asyncio.sleep(_TICK_SECONDS)
            if plan.until_missed and watch.missing(await _log(conninfo)):
                break
    finally:
        await asyncio.gather(*(writer.end() for writer in writers))
        os.close(holding)
        os.close(lifeline)
    log = await _log(conninfo)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS_MAX):
            while log and watch.position < log[-1][0] and not reading.done():
                await asyncio.sleep(_TICK_SECONDS / 10)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    faults = [f"{writer.name} fell: {writer.falls}, see {writer.log}" for writer in writers if writer.falls]
    name = "stock with ENABLE_DB_FUNCTIONS" if plan.functions else "stock as it comes"
    verdicts, seconds = [watch.judge(log)], time.monotonic() - began
    return Outcome(name, seconds, len(log), verdicts, plan.functions, said=said(folder), faults=faults)


def _command(seed: str, threads: int) -> Callable[[int], list[str]]:
    return lambda _: [sys.executable, "-m", "tests.soak.stock_recorder", seed, str(threads)]


def _notifications(own: ApplicationRecorder) -> Read:
    def read(after: int, limit: int) -> list[Seen]:
        found = own.select_notifications(after, limit, inclusive_of_start=False)
        return [(one.id, _mark(one.originator_id, one.originator_version)) for one in found]

    async def page(after: int, limit: int) -> Sequence[Seen]:
        return await asyncio.to_thread(read, after, limit)

    return page


async def _log(conninfo: str) -> list[Seen]:
    """What is in the table now, in the order of notification ids."""
    statement = sql.SQL("SELECT notification_id, originator_id, originator_version FROM {} ORDER BY 1")
    async with await connect(conninfo) as connection:
        rows = await (await connection.execute(statement.format(sql.Identifier(TABLE)))).fetchall()
    return [(position, _mark(stream, version)) for position, stream, version in rows]


def _mark(stream: object, version: int) -> int:
    return mark(hash((str(stream), version)))
