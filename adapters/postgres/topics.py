"""What readers see of the topics: pages of entries with the checkpoint of the same snapshot."""

import hashlib
from typing import Any, LiteralString
from uuid import UUID

from psycopg import AsyncConnection

from adapters.postgres.connect import Pool
from adapters.postgres.statements import load
from adapters.postgres.tenant import Tenants
from projections.cursor import served_version
from projections.ports import EntryPage, GenerationGone, Listed, Read, Serving

_SQL = load("entries")
_DIGEST_ENTRIES = 5_000
"""Entries in memory while one is made."""


class PostgresTopics:
    """Implements projections.ports.Topics."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def serving(self, topic: str) -> Serving | None:
        """None until a projector has seen the topic for the first time."""
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_SQL["serving"], [topic])).fetchone()
        if row is None:
            return None
        generation, version, revision, *rest = row
        return Serving(generation, served_version(version, revision), *rest)

    async def page(self, generation: int, agent_id: UUID, space_id: UUID | None, after: int, limit: int) -> EntryPage:
        """Entries of one agent (and space) changed after `after`, in order of position. Raises GenerationGone."""
        return await page(self._pool.tenants, _SQL["page"], generation, agent_id, space_id, after, limit)

    async def one(self, generation: int, agent_id: UUID, key: str) -> Read | None:
        rows = await self._pool.tenants.fetch(agent_id, _SQL["one"], [generation, agent_id, key, key])
        return Read(*rows[0]) if rows else None

    async def list(self) -> list[Listed]:
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(_SQL["list"])).fetchall()
        return [Listed(*row) for row in rows]

    async def digest(self, generation: int) -> str:
        """SHA-256 over every entry of a generation, in order; equal for equal states."""
        async with self._pool.connection() as connection:
            return await digest(connection, generation)


async def page(
    tenants: Tenants,
    statement: LiteralString,
    generation: int,
    agent_id: UUID,
    space_id: UUID | None,
    after: int,
    limit: int,
) -> EntryPage:
    """As PostgresTopics.page, by a `page` of entries.sql or as_of.sql: whether there is such a generation is theirs to
    say.
    """
    arguments = {
        "generation": generation,
        "agent_id": agent_id,
        "space_id": space_id,
        "after": after,
        "limit": limit,
    }
    rows = await tenants.fetch(agent_id, statement, arguments)
    if not rows:
        raise GenerationGone(f"generation {generation}")
    entries = tuple(Read(*row[1:]) for row in rows if row[1] is not None)
    return EntryPage(entries, rows[0][0], len(entries) >= limit)


async def digest(connection: AsyncConnection[Any], generation: int) -> str:
    """As PostgresTopics.digest, within whatever snapshot the connection has. A server-side cursor keeps memory flat."""
    hasher = hashlib.sha256()
    async with connection.transaction(), connection.cursor(f"scan_{generation}", binary=True) as cursor:
        cursor.itersize = _DIGEST_ENTRIES
        await connection.execute("SET LOCAL statement_timeout = 0")
        await cursor.execute(_SQL["scan"], [generation])
        async for agent_id, key, position, value_sha256 in cursor:
            name = key.encode()
            hasher.update(agent_id.bytes + len(name).to_bytes(4, "big") + name)
            hasher.update(position.to_bytes(8, "big") + value_sha256)
    return hasher.hexdigest()
