"""Several writer processes at work at once, and a reader that follows the log meanwhile."""

import asyncio
import statistics
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec

from domain.limits import PAGE_EVENTS_MAX
from domain.ports import Log
from tests.bench.measure import Sample

T = TypeVar("T")
_READY_SECONDS_MAX = 60.0
_END_SECONDS_MAX = 30.0


class Writers:
    def __init__(self, processes: list[asyncio.subprocess.Process]) -> None:
        self._processes = processes

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._processes]

    async def sample(self) -> Sample:
        """Let all of them write at once. The rate is the sum, the latencies are the median process's."""
        for process in self._processes:
            _pipe(process.stdin).write(b"go\n")
        lines = [await _pipe(process.stdout).readline() for process in self._processes]
        samples = [msgspec.json.decode(line, type=Sample) for line in lines]
        return Sample(
            sum(sample.value for sample in samples),
            statistics.median(sample.p50_ms or 0.0 for sample in samples),
            statistics.median(sample.p99_ms or 0.0 for sample in samples),
        )


@asynccontextmanager
async def writers(
    conninfo: str, processes: int, callers: int, warm_seconds: float, seconds: float, *more: str
) -> AsyncIterator[Writers]:
    """`callers` in all, shared out among the processes. `more` is told to each (tests/bench/writer.py)."""
    arguments = [conninfo, str(callers // processes), str(warm_seconds), str(seconds), *more]
    running: list[asyncio.subprocess.Process] = []
    try:
        while len(running) < processes:
            running.append(await _start(arguments))
        for process in running:
            line = await asyncio.wait_for(_pipe(process.stdout).readline(), _READY_SECONDS_MAX)
            if not line:
                raise RuntimeError("a writer process ended before it was ready; its error is above")
        yield Writers(running)
    finally:
        for process in running:
            _pipe(process.stdin).close()
        for process in running:
            try:
                await asyncio.wait_for(process.wait(), _END_SECONDS_MAX)
            except TimeoutError:
                process.kill()


async def _start(arguments: list[str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.writer", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the run, which ends them
    )


class Tail:
    """Follows the log as every reader does: it asks for what comes after the last position that it has."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._stopping = asyncio.Event()

    async def follow(self) -> int:
        """Read until stopped and everything is read; how many events came up behind its back."""
        first = position = await self._log.head()
        seen = 0
        while True:
            stopping = self._stopping.is_set()
            events = await self._log.read(position, PAGE_EVENTS_MAX)
            if events:
                seen += len(events)
                position = events[-1].position
            elif stopping:
                return await self._log.head() - first - seen

    def stop(self) -> None:
        self._stopping.set()


def _pipe(pipe: T | None) -> T:
    if pipe is None:
        raise RuntimeError("the process was started without this pipe")
    return pipe
