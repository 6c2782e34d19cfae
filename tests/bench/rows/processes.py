"""Several writer processes on one log, and whether a reader misses anything."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial

from adapters.postgres.log import PostgresLog
from tests.bench.measure import Case, Sample, figure
from tests.bench.ours import reading
from tests.bench.peers.unordered import missed
from tests.bench.row import Bench, Line, Target, row
from tests.bench.writers import Tail, Writers, writers


@row(
    "processes",
    "Several writer processes",
    """The same commands from several processes at once, against one process with as many callers in all;
    meanwhile a reader follows the log by position. Events that it misses are those that become visible at or
    below a position that it has already read: there must be none. The last line is the control: the same reader
    on a table whose positions come from a sequence, eight connections, no lock.""",
)
async def processes(bench: Bench) -> list[Line]:
    lines: list[Line] = []
    missing: list[Sample] = []
    async with bench.database("processes") as conninfo, reading(conninfo) as connections:
        log = PostgresLog(connections)
        for total in bench.scale.totals:
            async with AsyncExitStack() as stack:
                cases = []
                for count in (bench.scale.processes, 1):
                    load = (count, total, bench.scale.warm_seconds, bench.scale.seconds)
                    writing = await stack.enter_async_context(writers(conninfo, *load))
                    cases.append(Case(_name(count), "/s", partial(_sample, log, writing, missing)))
                figures = await bench.compare(f"{total} callers", *cases)
            several, one = _name(bench.scale.processes), _name(1)
            line = Line(f"{total} callers in {several}", figures[several], one, figures[one], Target(least=0.7))
            lines.append(line)
        lost, written = await missed(conninfo, bench.scale.seconds)
    control = f"control: {lost} of {written} without a lock"
    return [
        *lines,
        Line("events that a reader missed", figure("missed", missing), control, target=Target(own_most=0.0)),
    ]


async def _sample(log: PostgresLog, writing: Writers, missing: list[Sample]) -> Sample:
    tail = Tail(log)
    following = asyncio.create_task(tail.follow())
    try:
        return await writing.sample()
    finally:
        tail.stop()
        missing.append(Sample(float(await following)))


def _name(processes: int) -> str:
    return f"{processes} processes" if processes > 1 else "1 process"
