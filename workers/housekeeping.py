"""A task of the serving process: forgets what is too old."""

import asyncio

import psycopg
import structlog

from adapters.postgres.connect import connect
from adapters.postgres.housekeeping import prune_keys
from domain.faults import describe
from domain.limits import POLL_SECONDS, PRUNE_SECONDS

_log = structlog.get_logger()


async def keep_house(conninfo: str, *, every_seconds: float = PRUNE_SECONDS) -> None:
    """Until cancelled. Several processes may do it at once; each finds what the others have left."""
    while True:
        try:
            async with await connect(conninfo, "housekeeping") as connection:
                while True:
                    pruned = await prune_keys(connection)
                    if pruned:
                        _log.info("keys_pruned", keys=pruned)
                    await asyncio.sleep(every_seconds)
        except psycopg.Error as error:  # Postgres may be away
            _log.warning("housekeeping_interrupted", error=describe(error))
            await asyncio.sleep(POLL_SECONDS)
