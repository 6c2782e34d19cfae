"""Wake-ups: NOTIFY is a hint, rung after the commit on a connection of its own; readers poll as well.

A lost hint costs a moment (`limits.POLL_SECONDS`), never an event.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import AsyncConnection

from adapters.postgres.connect import connect
from domain.limits import POLL_SECONDS


class Doorbell:
    """Rings a channel. Rings that come while one is being sent are one ring."""

    def __init__(self, conninfo: str, channel: str) -> None:
        self._conninfo = conninfo
        self._channel = channel
        self._connection: AsyncConnection[Any] | None = None
        self._rung = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def ring(self) -> None:
        self._rung.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"doorbell {self._channel}")

    async def _run(self) -> None:
        while True:
            await self._rung.wait()
            self._rung.clear()
            try:
                await self.ring_now()
            except psycopg.Error:
                await asyncio.sleep(POLL_SECONDS)  # readers poll meanwhile

    async def ring_now(self) -> None:
        """Ring and wait until Postgres has it. Raises psycopg.Error."""
        if self._connection is None or self._connection.closed:
            self._connection = await connect(self._conninfo, "doorbell")
            # A NOTIFY has a commit record: every ring would flush the disk, which the appender needs
            await self._connection.execute("SET synchronous_commit = off")
        await self._connection.execute("SELECT pg_notify(%s, '')", [self._channel], prepare=True)

    async def __aenter__(self) -> "Doorbell":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._connection is not None:
            await self._connection.close()


class Listener:
    """Calls `wake` whenever one of the channels rings, and after every reconnect."""

    def __init__(self, conninfo: str, channels: tuple[str, ...], wake: Callable[[str], None]) -> None:
        self._conninfo = conninfo
        self._channels = channels
        self._wake = wake

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            with contextlib.suppress(psycopg.Error):
                async with await connect(self._conninfo, "listener") as connection:
                    for channel in self._channels:
                        await connection.execute(f'LISTEN "{channel}"'.encode())
                        self._wake(channel)
                    async for notify in connection.notifies():
                        self._wake(notify.channel)
            await asyncio.sleep(POLL_SECONDS)


class Bell:
    """What a waiting task holds: `wait` returns when it was rung since the last wait, or after the poll interval."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        self._event.set()

    async def wait(self, seconds: float = POLL_SECONDS) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._event.wait(), seconds)
        self._event.clear()
