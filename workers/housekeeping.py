"""A task of the serving process: forgets what is too old, and drops what a builder that is gone has left behind."""

import asyncio

import psycopg
import structlog

from adapters.postgres.connect import connect
from adapters.postgres.entries import PostgresEntryStore
from adapters.postgres.housekeeping import prune_keys
from domain.limits import POLL_SECONDS, PRUNE_SECONDS

_log = structlog.get_logger()


async def keep_house(conninfo: str) -> None:
    """Until cancelled. Several processes may do it at once; each finds what the others have left."""
    while True:
        try:
            async with await connect(conninfo, "housekeeping") as connection:
                while True:
                    pruned, swept = await prune_keys(connection), await PostgresEntryStore(connection).sweep()
                    if pruned or swept:
                        _log.info("kept_house", keys_pruned=pruned, generations_dropped=swept)
                    await asyncio.sleep(PRUNE_SECONDS)
        except psycopg.Error as error:  # Postgres may be away
            _log.warning("housekeeping_interrupted", error=describe(error))
            await asyncio.sleep(POLL_SECONDS)
