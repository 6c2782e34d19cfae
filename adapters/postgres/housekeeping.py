"""What becomes too old goes, a little at a time."""

import asyncio
import time
from typing import Any

from psycopg import AsyncConnection

from adapters.postgres.statements import load
from domain.limits import IDEMPOTENCY_KEY_SECONDS, PRUNE_ROWS_MAX

_SQL = load("housekeeping")


async def prune_keys(connection: AsyncConnection[Any]) -> int:
    """Forget idempotency keys beyond their retention, and say how many. Between batches it rests for as long as a batch
    took, so that it never has more than half of the connection's time.
    """
    pruned = 0
    while True:
        began = time.monotonic()
        count = (await connection.execute(_SQL["prune_keys"], [IDEMPOTENCY_KEY_SECONDS, PRUNE_ROWS_MAX])).rowcount
        pruned += count
        if count < PRUNE_ROWS_MAX:
            return pruned
        await asyncio.sleep(time.monotonic() - began)
