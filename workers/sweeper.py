"""Drops what no projection needs any more, on a connection of its own: that waits for readers with old snapshots."""

import asyncio

import psycopg
import structlog

from adapters.postgres.connect import connect
from adapters.postgres.entries import PostgresEntryStore
from adapters.postgres.wakeup import Bell
from domain.faults import describe
from domain.limits import POLL_SECONDS, SWEEP_SECONDS

_log = structlog.get_logger()


class Sweeper:
    """One a projector process, one generation at a time. What is left when the process ends is dropped by another."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._bell = Bell()

    def ring(self) -> None:
        """Something was replaced."""
        self._bell.ring()

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            try:
                async with await connect(self._conninfo, "sweeper", "stele_projector") as connection:
                    store = PostgresEntryStore(connection)
                    while True:
                        for generation in await store.sweep():
                            _log.info("generation_dropped", generation=generation)
                        await self._bell.wait(SWEEP_SECONDS)
            except psycopg.Error as error:
                _log.warning("sweep_interrupted", error=describe(error))
                await asyncio.sleep(POLL_SECONDS)
