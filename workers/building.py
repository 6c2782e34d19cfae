"""How the serving process has projections rebuilt and verified: by processes of their own, a bounded number of them."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator

from domain.limits import BUILDS_MAX
from workers.process import LIFELINE


class Building:
    """Passes on the lines of `workers/build.py`, whose processes end when nobody reads them any more."""

    def __init__(self) -> None:
        self._running = 0

    async def lines(self, task: str, topic: str, events_per_second_max: int | None) -> AsyncIterator[bytes]:
        """JSON lines: the first tells whether it was refused, the last one is the outcome."""
        if self._running >= BUILDS_MAX:  # over all processes of the hub, the database counts
            detail = f"{BUILDS_MAX} rebuilds and verifications are running; ask again later"
            yield _line(topic, refused="overloaded", detail=detail)
            return
        self._running += 1
        try:
            async for line in _run(task, topic, events_per_second_max):
                yield line
        finally:
            self._running -= 1


async def _run(task: str, topic: str, events_per_second_max: int | None) -> AsyncIterator[bytes]:
    throttle = () if events_per_second_max is None else ("--max-events-per-second", str(events_per_second_max))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "workers", "build", task, topic, *throttle),
        stdout=asyncio.subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if name != LIFELINE},  # its output's end ends it
    )
    if process.stdout is None:
        raise RuntimeError("the build has no output")
    try:
        async for line in process.stdout:
            yield line
        if await process.wait() != 0:
            yield _line(topic, outcome="failed", detail="the hub's log has the details")
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


def _line(topic: str, **fields: str) -> bytes:
    return json.dumps({"topic": topic, **fields}).encode() + b"\n"
