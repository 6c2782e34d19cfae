"""Entries and checkpoints in Postgres, as the engine writes them."""

from collections.abc import Collection, Sequence
from typing import Any

from psycopg import AsyncConnection
from psycopg.errors import UniqueViolation

from adapters.postgres.statements import load
from projections.ports import CheckpointMoved, EntryKey, Generation
from projections.projection import Entry

_SQL = load("entries")


class PostgresEntryStore:
    """Implements projections.ports.EntryStore on one connection."""

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self._connection = connection

    async def open(self, topic: str, version: int) -> Generation:
        rows = await (await self._connection.execute(_SQL["open"], [topic])).fetchall()
        generations = [Generation(*row) for row in rows]
        for generation in generations:
            if generation.live and generation.version > version:
                raise ValueError(f"{topic} is live in version {generation.version}; this release has {version}")
        for generation in generations:
            if generation.version == version:
                return generation
        try:
            return await self.create(topic, version, live=not generations)
        except UniqueViolation:  # another projector made it just now
            return await self.open(topic, version)

    async def create(self, topic: str, version: int, *, live: bool = False, aside: bool = False) -> Generation:
        """A new, empty generation."""
        row = await (await self._connection.execute(_SQL["create"], [topic, version, live, aside])).fetchone()
        return Generation(row[0] if row else 0, topic, version, 0, live)

    async def drop(self, generation: int) -> None:
        await self._connection.execute(_SQL["drop"], [generation])

    async def load(self, generation: int, keys: Collection[EntryKey]) -> list[Entry]:
        agents, names = [agent for agent, _ in keys], [name for _, name in keys]
        async with self._connection.cursor(binary=True) as cursor:
            await cursor.execute(_SQL["load"], [agents, names, generation])
            return [Entry(*row) for row in await cursor.fetchall()]

    async def save(self, generation: Generation, changed: Sequence[Entry], position: int) -> Generation:
        columns = [
            [entry.agent_id for entry in changed],
            [entry.key for entry in changed],
            [entry.space_id for entry in changed],
            [entry.position for entry in changed],
            [entry.value for entry in changed],
        ]
        async with self._connection.transaction():
            moved = await self._connection.execute(_SQL["move"], [position, generation.id, generation.position])
            if moved.rowcount != 1:
                raise CheckpointMoved(f"{generation.topic} is not at {generation.position} any more")
            if changed:
                await self._connection.execute(_SQL["write"], [generation.id, *columns])
        return Generation(generation.id, generation.topic, generation.version, position, generation.live)

    async def stop(self, generation: Generation, position: int, error: str) -> None:
        await self._connection.execute(_SQL["stop"], [error, position, generation.id])

    async def take_over(self, built: Generation) -> bool:
        """Let a built generation replace the live one, in one transaction; False while it is still behind it."""
        async with self._connection.transaction():
            row = await (await self._connection.execute(_SQL["lock_live"], [built.topic])).fetchone()
            if row is not None:
                live = Generation(*row)
                if built.position < live.position:
                    return False
                await self._connection.execute(_SQL["drop"], [live.id])
            await self._connection.execute(_SQL["promote"], [built.id])
        return True
