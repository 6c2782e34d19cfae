"""The control for readers that must miss nothing: a table whose positions come from a sequence, with no lock."""

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from psycopg import AsyncConnection

from tests.bench.notes import TEXT
from tests.bench.row import run_sql

_SCHEMA = (Path(__file__).parent / "unordered.sql").read_text()
_WRITERS = 8
_PAGE = 5_000


async def missed(conninfo: str, seconds: float) -> tuple[int, int]:
    """How many events a reader misses that follows by position, and of how many."""
    await run_sql(conninfo, _SCHEMA)
    async with AsyncExitStack() as stack:
        connections = [
            await stack.enter_async_context(await AsyncConnection.connect(conninfo, autocommit=True))
            for _ in range(_WRITERS + 1)
        ]
        reader = connections.pop()
        closes = time.perf_counter() + seconds
        reading = asyncio.create_task(_follow(reader, closes))
        written = sum(await asyncio.gather(*(_write(connection, closes) for connection in connections)))
        return written - await reading, written


async def _write(connection: AsyncConnection[Any], closes: float) -> int:
    count = 0
    while time.perf_counter() < closes:
        await connection.execute("INSERT INTO unordered.events (data) VALUES (%b)", [TEXT.encode()], prepare=True)
        count += 1
    return count


async def _follow(connection: AsyncConnection[Any], closes: float) -> int:
    position = seen = 0
    query = "SELECT position FROM unordered.events WHERE position > %s ORDER BY position LIMIT %s"
    while True:
        late = time.perf_counter() > closes + 0.5
        rows = await (await connection.execute(query, [position, _PAGE], prepare=True)).fetchall()
        if rows:
            position, seen = rows[-1][0], seen + len(rows)
        elif late:
            return seen
