"""A store in the manner of message-db: one stored function, one message, one commit. Nothing but Postgres is needed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from psycopg import AsyncConnection

from domain.canonical import encode
from tests.bench.notes import SPEAKER, TEXT, NoteTaken
from tests.bench.ours import IDS, SPACE
from tests.bench.row import run_sql

CONNECTIONS_MAX = 8
"""All of them write to one category, hence one after the other: more connections were not faster."""
_SCHEMA = (Path(__file__).parent / "write_message.sql").read_text()
_CALL = "SELECT message_store.write_message(%b, %b::text, %b::text, %s::jsonb, NULL, -1)"


class MessageStore:
    def __init__(self, connections: list[AsyncConnection[Any]]) -> None:
        self._free: asyncio.LifoQueue[AsyncConnection[Any]] = asyncio.LifoQueue()
        for connection in connections:
            self._free.put_nowait(connection)

    async def write(self, _: int = 0) -> None:
        note = IDS.new()
        data = encode(NoteTaken(note, SPACE, SPEAKER, TEXT)).decode()
        connection = await self._free.get()
        try:
            await connection.execute(_CALL, [IDS.new(), f"note-{note}", "NoteTaken", data], prepare=True)
        finally:
            self._free.put_nowait(connection)


@asynccontextmanager
async def message_store(conninfo: str) -> AsyncIterator[MessageStore]:
    await run_sql(conninfo, _SCHEMA)
    async with AsyncExitStack() as stack:
        yield MessageStore(
            [
                await stack.enter_async_context(await AsyncConnection.connect(conninfo, autocommit=True))
                for _ in range(CONNECTIONS_MAX)
            ]
        )
