"""States of the past in Postgres: generations aside that stop at a position, are kept for a while, and dropped."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg import AsyncConnection

from adapters.postgres.connect import Pool
from adapters.postgres.statements import load
from adapters.postgres.topics import page
from projections.ports import EntryPage, Generation

_SQL = load("as_of")


class PostgresStates:
    """Finds and reads states of the past."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find(self, topic: str, version: int, position: int) -> int | None:
        """The generation that holds this version of the topic as of `position`, used from now on; None: build it."""
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_SQL["find"], [topic, version, position])).fetchone()
            if row is not None:
                await connection.execute(_SQL["use"], [row[0]])
        return int(row[0]) if row is not None else None

    async def page(self, generation: int, agent_id: UUID, space_id: UUID | None, after: int, limit: int) -> EntryPage:
        """As PostgresTopics.page. Raises GenerationGone."""
        return await page(self._pool.tenants, _SQL["page"], generation, agent_id, space_id, after, limit)


class PostgresStreams:
    """Implements projections.past.Streams."""

    def __init__(self, pool: Pool) -> None:
        self._tenants = pool.tenants

    async def version(self, agent_id: UUID, stream_id: UUID, position: int) -> int:
        rows = await self._tenants.fetch(agent_id, _SQL["stream_version"], [agent_id, stream_id, position])
        return int(rows[0][0]) if rows else 0

    async def positions(self, agent_id: UUID, stream_id: UUID, after: int, limit: int, position: int) -> Sequence[int]:
        arguments = [agent_id, stream_id, after, after + limit, position]
        return [int(row[0]) for row in await self._tenants.fetch(agent_id, _SQL["stream_page"], arguments)]


class Kept(Struct, frozen=True):
    """A state of the past in the order of use."""

    generation: int
    position: int
    unused_seconds: float


class StateShelf:
    """Makes and forgets states of the past, on the connection that claims their generations (PostgresEntryStore)."""

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self._connection = connection

    async def begin(self, generation: Generation, position: int) -> Generation:
        """Say what is being built, and go on from the nearest state before it, if there is one."""
        await self._connection.execute(_SQL["begin"], [generation.id, position])
        row = await self._one("nearest", generation.topic, generation.version, position)
        if row is None:
            return generation
        async with self._connection.transaction():
            await self._connection.execute(_SQL["no_timeout"])
            await self._connection.execute(_SQL["copy"], [generation.id, row[0]])
        at = await self._one("checkpoint", generation.id)
        return Generation(
            generation.id, generation.topic, generation.version, at[0] if at is not None else 0, generation.live
        )

    async def finish(self, generation: int) -> bool:
        """Let readers find it. False: a person was erased meanwhile, and this state may hold their words."""
        async with self._connection.transaction():
            await self._connection.execute("SET LOCAL statement_timeout = 0")
            await self._connection.execute(_SQL["index"], [generation])
        return (await self._connection.execute(_SQL["finish"], [generation])).rowcount == 1

    async def kept(self) -> list[Kept]:
        return [Kept(*row) for row in await (await self._connection.execute(_SQL["kept"])).fetchall()]

    async def forget(self, generation: int) -> None:
        await self._connection.execute(_SQL["forget"], [generation])

    async def release(self, generation: int) -> None:
        """The claim of a generation that is dropped."""
        await self._connection.execute(_SQL["release"], [generation])

    async def _one(self, statement: str, *arguments: object) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = await (await self._connection.execute(_SQL[statement], arguments)).fetchone()
        return row
