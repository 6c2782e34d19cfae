"""The floor for projections: rows that were folded beforehand are upserted, page by page, with a checkpoint."""

import time
from collections.abc import Sequence
from pathlib import Path

from psycopg import AsyncConnection

from adapters.postgres.arrays import byteas, int8s, texts, uuids
from projections.projection import Entry
from tests.bench.row import run_sql

SCHEMA = (Path(__file__).parent / "upsert.sql").read_text()
WRITE = (
    "WITH moved AS (UPDATE bench.checkpoint SET position = %b)"
    " INSERT INTO bench.entries (generation, agent_id, key, space_id, position, value)"
    " SELECT 1, * FROM unnest(%b::uuid[], %b::text[], %b::uuid[], %b::bigint[], %b::bytea[])"
    " ON CONFLICT (generation, agent_id, key)"
    " DO UPDATE SET space_id = excluded.space_id, position = excluded.position, value = excluded.value"
)

Page = tuple[Sequence[Entry], int]
"""What a page of events changed, and its last position."""


async def write(conninfo: str, pages: Sequence[Page]) -> float:
    """Seconds to write all of them, each in its transaction, into an empty table."""
    await run_sql(conninfo, SCHEMA)
    async with await AsyncConnection.connect(conninfo, autocommit=True) as connection:
        began = time.perf_counter()
        for changed, position in pages:
            arguments = [
                position,
                uuids([entry.agent_id for entry in changed]),
                texts([entry.key for entry in changed]),
                uuids([entry.space_id for entry in changed]),
                int8s([entry.position for entry in changed]),
                byteas([entry.value for entry in changed]),
            ]
            await connection.execute(WRITE, arguments, prepare=True)
        return time.perf_counter() - began
