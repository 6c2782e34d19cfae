"""Entries and checkpoints in Postgres, as the engine writes them."""

import contextlib
from collections.abc import Collection, Sequence
from typing import Any, LiteralString

from psycopg import AsyncConnection, sql
from psycopg.errors import UndefinedTable, UniqueViolation

from adapters.postgres.statements import load
from projections.ports import CheckpointMoved, EntryKey, Generation
from projections.projection import Entry

_SQL = load("entries")


class PostgresEntryStore:
    """Implements projections.ports.EntryStore on one connection."""

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self._connection = connection
        self._claimed: set[int] = set()

    async def open(self, topic: str, version: int) -> Generation:
        rows = await (await self._connection.execute(_SQL["open"], [topic])).fetchall()
        for _, _, live_version, live in rows:
            if live and live_version > version:
                raise ValueError(f"{topic} is live in version {live_version}; this release has {version}")
        for id, _, its_version, live in rows:
            if its_version == version:
                return await self._begin(id, topic, version, live)
        try:
            return await self.create(topic, version, live=not rows)
        except UniqueViolation:  # another projector made it just now
            return await self.open(topic, version)

    async def live(self, topic: str) -> Generation | None:
        """The generation that readers see; None when there is none, or its entries are lost."""
        row = await (await self._connection.execute(_SQL["live"], [topic])).fetchone()
        return Generation(*row) if row is not None else None

    async def create(self, topic: str, version: int, *, live: bool = False, aside: bool = False) -> Generation:
        """A new, empty generation."""
        async with self._connection.transaction():
            row = await (await self._connection.execute(_SQL["create"], [topic, version, live, aside])).fetchone()
            return await self._begin(int(row[0]) if row else 0, topic, version, live)

    async def _begin(self, id: int, topic: str, version: int, live: bool) -> Generation:
        await self._connection.execute(_SQL["begin"], [id])
        row = await (await self._connection.execute(_SQL["checkpoint"], [id])).fetchone()
        return Generation(id, topic, version, int(row[0]) if row else 0, live)

    async def create_aside(self, topic: str, version: int) -> Generation:
        """A generation to build beside the live one. It is ours as long as this connection lives; generations that
        other builders left behind are dropped.
        """
        for (left_behind,) in await (await self._connection.execute(_SQL["unclaimed"])).fetchall():
            if left_behind not in self._claimed and await self._claim(left_behind):
                await self.drop(left_behind)
        async with self._connection.transaction():  # nobody sees it before it is claimed
            generation = await self.create(topic, version, aside=True)
            await self._claim(generation.id)
        self._claimed.add(generation.id)
        return generation

    async def _claim(self, generation: int) -> bool:
        row = await (await self._connection.execute(_SQL["claim"], [generation])).fetchone()
        return row is not None and bool(row[0])

    async def drop(self, generation: int) -> None:
        """Drop a generation that nobody reads, without locking anybody out: detached first, then dropped."""
        await self._connection.execute("SET statement_timeout = 0")  # it waits for readers, not they for it
        await self._connection.execute(_SQL["dropping"])
        try:
            for (table,) in await (await self._connection.execute(_SQL["pending"])).fetchall():
                await self._detach(table, "FINALIZE")
            with contextlib.suppress(UndefinedTable):  # an earlier attempt was interrupted near its end
                await self._detach(f"entries_{generation}", "CONCURRENTLY")
            table = sql.Identifier("stele", f"entries_{generation}")
            await self._connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(table))
            await self._connection.execute(_SQL["forget"], [generation])
        finally:
            if not self._connection.closed:
                await self._connection.execute(_SQL["dropped"])
                await self._connection.execute("RESET statement_timeout")

    async def _detach(self, table: str, how: LiteralString) -> None:
        detach = sql.SQL("ALTER TABLE stele.entries DETACH PARTITION {} ").format(sql.Identifier("stele", table))
        await self._connection.execute(detach + sql.SQL(how))

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
            moved = await self._connection.execute(
                _SQL["move"], [generation.id, generation.live, position, generation.id, generation.position]
            )
            if moved.rowcount != 1:
                raise CheckpointMoved(f"{generation.topic} is not at {generation.position} any more")
            await self._connection.execute(_SQL["go_on"], [generation.id])
            if changed:
                await self._connection.execute(_SQL["write"], [generation.id, *columns])
        return Generation(generation.id, generation.topic, generation.version, position, generation.live)

    async def stop(self, generation: Generation, position: int, error: str) -> None:
        await self._connection.execute(_SQL["stop"], [error, position, generation.id])

    async def take_over(self, built: Generation) -> tuple[int, ...] | None:
        """Let a built generation replace the live one, in one transaction; None while it is still behind it.

        Returns the generations to `drop` now: what it replaced, and older versions that were never finished.
        Raises CheckpointMoved when the built one was dropped, lost its entries or was advanced by somebody else.
        """
        async with self._connection.transaction():
            locked = await (await self._connection.execute(_SQL["lock"], [built.topic])).fetchall()
            if await self._hold(built.id) != built.position:
                raise CheckpointMoved(f"generation {built.id} of {built.topic} is not at {built.position} any more")
            for id, live in locked:
                if live and id != built.id and built.position < (await self._hold(id) or 0):
                    return None
            retired = await self._connection.execute(_SQL["retire"], [built.topic, built.id, built.version])
            replaced = tuple(int(row[0]) for row in await retired.fetchall())
            await self._connection.execute(_SQL["promote"], [built.id])
        return replaced

    async def _hold(self, generation: int) -> int | None:
        """Where it is, until the end of the transaction; None when it is gone or its entries are lost."""
        row = await (await self._connection.execute(_SQL["hold"], [generation])).fetchone()
        return None if row is None else int(row[0])
