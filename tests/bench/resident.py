"""Processes whose memory is watched, each the real one (`stele projector`, `stele build`) or a writer of the bench."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from msgspec import Struct

from tests.keys import MASTER
from workers.process import LIFELINE

_SAMPLE_SECONDS = 0.02
_END_SECONDS_MAX = 15.0
_SHOWN_CHARS = 2_000


class Resident(Struct, frozen=True):
    """Megabytes (10^6 bytes) of a process that are in memory, shared ones included."""

    peak: float
    grown: float
    """The highest while it worked, above what it was when it began to; at the end much of it is given back."""


class Watch:
    """Looks at a process again and again. Linux only: /proc/<pid>/status."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self._began: float | None = None
        self._now = self._peak = self._highest = 0.0

    async def run(self) -> None:
        """Until the process is gone, or cancelled."""
        while self._look():
            await asyncio.sleep(_SAMPLE_SECONDS)

    def begin(self) -> None:
        """It is ready: what it takes from now on is for its work."""
        self._look()
        self._began = self._highest = self._now

    def end(self) -> Resident:
        self._look()
        if self._began is None:
            raise RuntimeError("nobody said when it began to work")
        return Resident(self._peak, self._highest - self._began)

    def _look(self) -> bool:
        try:
            lines = self._status.read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            return False
        found = {name: value for name, _, value in (line.partition(":") for line in lines)}
        if "VmRSS" not in found:  # a zombie
            return False
        self._now = _megabytes(found["VmRSS"])
        self._highest = max(self._highest, self._now)
        self._peak = max(self._peak, _megabytes(found["VmHWM"]))
        return True


def _megabytes(text: str) -> float:
    """Of `  12345 kB`, which are KiB."""
    return int(text.split()[0]) * 1_024 / 1_000_000


@asynccontextmanager
async def watching(pid: int) -> AsyncIterator[Watch]:
    watch = Watch(pid)
    task = asyncio.create_task(watch.run())
    try:
        yield watch
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class Worker(Struct, frozen=True):
    """A process of the hub's own at work on a database."""

    process: asyncio.subprocess.Process
    watch: Watch

    async def lines(self) -> AsyncIterator[bytes]:
        """What it says on standard output, until its end. Raises RuntimeError when it fails."""
        if self.process.stdout is None:
            raise RuntimeError("the process was started without this pipe")
        async for line in self.process.stdout:
            yield line
        if await self.process.wait() != 0:
            raise RuntimeError(f"the process ended with {self.process.returncode}")


@asynccontextmanager
async def worker(conninfo: str, *command: str) -> AsyncIterator[Worker]:
    """`stele COMMAND` in a process of its own, ended afterwards. It ends with this process, however that goes.

    Raises RuntimeError with the process's log when it ends by itself before it should.
    """
    lifeline, ours = os.pipe()
    environment = {**os.environ, "STELE_POSTGRES_URL": conninfo, "STELE_MASTER_KEYS": MASTER, LIFELINE: str(lifeline)}
    with tempfile.TemporaryFile() as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.bench.worker", *command),
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            pass_fds=[lifeline],
            start_new_session=True,
        )
        try:
            async with watching(process.pid) as watch:
                yield Worker(process, watch)
        except RuntimeError as error:
            log.seek(0)
            raise RuntimeError(f"{error}\n{log.read().decode(errors='replace')[-_SHOWN_CHARS:]}") from error
        finally:
            os.close(lifeline)
            os.close(ours)
            await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _END_SECONDS_MAX)
        except TimeoutError:
            process.kill()
