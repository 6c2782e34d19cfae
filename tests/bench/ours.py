"""Our side: a runtime over the log in Postgres, put together as `workers/serve.py` does it."""

import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from psycopg_pool import AsyncConnectionPool

from adapters.postgres.appender import Appender
from adapters.postgres.connect import pool
from adapters.postgres.log import PostgresLog
from domain.ids import space_id
from domain.ports import Vault
from domain.runtime import Accepted, Context, Runtime
from domain.spaces import CreateSpace
from domain.transcripts import RecordTranscript, Spoken
from tests.bench.notes import SPEAKER, TEXT, TakeNote
from tests.keys import vault
from workers.parts import SystemClock, TimeOrderedIds

AGENT = UUID("00000000-0000-7000-8000-000000000001")
SPACE = UUID("00000000-0000-7000-8000-000000000002")
_READ_CONNECTIONS = 8
_SPACE_NAME = "bench"
IDS = TimeOrderedIds()


class Ours:
    """Sends the bench's command: to a stream of its own each time, or to streams that exist, one after the other."""

    def __init__(self, log: PostgresLog, vault: Vault, streams: Sequence[UUID] = ()) -> None:
        self.log = log
        self._runtime = Runtime(log, SystemClock(), IDS, vault)
        self._context = Context(agent_id=AGENT, actor="bench")
        self._streams = itertools.cycle(streams)

    async def to_new_stream(self, _: int = 0) -> Accepted:
        return await self._runtime.execute(TakeNote(None, SPACE, SPEAKER, TEXT), self._context)

    async def to_existing_stream(self, _: int = 0) -> Accepted:
        return await self._runtime.execute(TakeNote(next(self._streams), SPACE, SPEAKER, TEXT), self._context)

    async def open_space(self) -> None:
        """Where `record_chunk` records."""
        await self._runtime.execute(CreateSpace(_SPACE_NAME), self._context)

    async def record_chunk(self, _: int = 0) -> Accepted:
        """A command of the hub's own: it reads the space and the speaker, and writes a chunk."""
        space = space_id(AGENT, _SPACE_NAME)
        return await self._runtime.execute(RecordTranscript(space, (Spoken(SPEAKER, TEXT),)), self._context)

    async def with_key(self, _: int = 0) -> Accepted:
        """As a client does that wants to be able to send it again."""
        context = Context(agent_id=AGENT, actor="bench", key=str(IDS.new()), fingerprint=b"\0" * 32)
        return await self._runtime.execute(TakeNote(None, SPACE, SPEAKER, TEXT), context)


@asynccontextmanager
async def ours(conninfo: str, streams: Sequence[UUID] = ()) -> AsyncIterator[Ours]:
    async with Appender(conninfo) as appender, reading(conninfo) as connections:
        yield Ours(PostgresLog(connections, appender), vault(connections), streams)


def reading(conninfo: str) -> AsyncConnectionPool[Any]:
    return pool(conninfo, "bench", _READ_CONNECTIONS)
