"""Our side: a runtime over the log in Postgres, put together as `workers/serve.py` does it."""

import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from psycopg import AsyncConnection

from adapters.postgres.appender import Appender
from adapters.postgres.connect import Pool, pool
from adapters.postgres.log import PostgresLog
from domain.ids import space_id
from domain.limits import CHUNKS_PER_BATCH_MAX
from domain.ports import Vault
from domain.runtime import Accepted, Context
from domain.spaces import CreateSpace
from domain.transcripts import RecordTranscript, Spoken
from domain.work import Work
from tests.bench.notes import SEED, SPEAKER, TEXT, Note, NoteTaken, TakeNote
from tests.keys import vault
from workers.observed import ObservedRuntime
from workers.parts import SystemClock, TimeOrderedIds

AGENT = UUID("00000000-0000-7000-8000-000000000001")
SPACE = UUID("00000000-0000-7000-8000-000000000002")
_READ_CONNECTIONS = 8
_SPACE_NAME = "bench"
_SPEAKERS = 6
IDS = TimeOrderedIds()
_CLOCK = SystemClock()


class Ours:
    """Sends the bench's command: to a stream of its own each time, or to streams that exist."""

    def __init__(self, log: PostgresLog, vault: Vault) -> None:
        self.log = log
        self._vault = vault
        self._runtime = ObservedRuntime(log, _CLOCK, IDS, vault)
        self._context = Context(agent_id=AGENT, actor="bench")

    async def to_new_stream(self, _: int = 0) -> Accepted:
        return await self._runtime.execute(TakeNote(None, SPACE, SPEAKER, TEXT), self._context)

    def to(self, streams: Sequence[UUID]) -> Callable[[int], Awaitable[Accepted]]:
        """To these streams, one after the other, again and again."""
        turns = itertools.cycle(streams)

        async def to_next(_: int = 0) -> Accepted:
            return await self._runtime.execute(TakeNote(next(turns), SPACE, SPEAKER, TEXT), self._context)

        return to_next

    async def load(self, stream: UUID) -> Note:
        """As a command does whose aggregate is not in the cache."""
        note = Note(stream)
        await Work(self.log, _CLOCK, IDS, self._vault, self._context, None).load(note)
        return note

    async def open_space(self) -> None:
        """Where `record_chunk` records."""
        await self._runtime.execute(CreateSpace(_SPACE_NAME), self._context)

    async def record_chunk(self, _: int = 0) -> Accepted:
        """A command of the hub's own: it reads the space and the speaker, and writes a chunk."""
        space = space_id(AGENT, _SPACE_NAME)
        return await self._runtime.execute(RecordTranscript(space, (Spoken(SPEAKER, TEXT),)), self._context)

    async def record(self, count: int) -> int:
        """So many chunks, many in a command, of a few speakers; where the log is then."""
        space, people = space_id(AGENT, _SPACE_NAME), [f"Speaker {n}" for n in range(_SPEAKERS)]
        turns, position = itertools.cycle(people), 0
        for begin in range(0, count, CHUNKS_PER_BATCH_MAX):
            chunks = tuple(Spoken(next(turns), TEXT) for _ in range(min(CHUNKS_PER_BATCH_MAX, count - begin)))
            position = (await self._runtime.execute(RecordTranscript(space, chunks), self._context)).position
        return position

    def mixture(self, streams: Sequence[UUID]) -> Callable[[int], Awaitable[Accepted]]:
        """All of it in turn, existing streams being these."""
        turns = itertools.cycle((self.to_new_stream, self.to(streams), self.record_chunk, self.with_key))

        async def next_of_them(_: int = 0) -> Accepted:
            return await next(turns)(0)

        return next_of_them

    async def with_key(self, _: int = 0) -> Accepted:
        """As a client does that wants to be able to send it again."""
        context = Context(agent_id=AGENT, actor="bench", key=str(IDS.new()), fingerprint=b"\0" * 32)
        return await self._runtime.execute(TakeNote(None, SPACE, SPEAKER, TEXT), context)


@asynccontextmanager
async def ours(conninfo: str) -> AsyncIterator[Ours]:
    async with Appender(conninfo) as appender, reading(conninfo) as connections:
        yield Ours(PostgresLog(connections, appender), vault(connections))


def reading(conninfo: str) -> Pool:
    return pool(conninfo, "bench", _READ_CONNECTIONS)


async def existing(conninfo: str, head: int, count: int) -> list[UUID]:
    """So many streams of notes from anywhere in a log, in no order; fewer where there are fewer."""
    rng = random.Random(SEED)
    positions = rng.sample(range(1, head + 1), min(head, 4 * count))
    query = "SELECT DISTINCT stream_id FROM stele.log WHERE position = ANY(%s) AND type = %s"
    async with await AsyncConnection.connect(conninfo) as connection:
        rows = await (await connection.execute(query, [positions, NoteTaken.type])).fetchall()
    streams = [row[0] for row in rows]
    rng.shuffle(streams)
    return streams[:count]
