"""Entries and checkpoints in Postgres, as the engine writes them."""

import contextlib
from collections.abc import Collection, Sequence
from typing import Any, Literal, LiteralString
from uuid import UUID

from psycopg import AsyncConnection, sql
from psycopg.errors import UndefinedTable, UniqueViolation

from adapters.postgres import arrays
from adapters.postgres.statements import load
from domain.limits import BUILDS_MAX, ERASE_PAGE_ENTRIES_MAX, PROJECTION_ERROR_CHARS_MAX, REVISION_MAX
from projections.ports import BuildRunning, CheckpointMoved, Difference, EntryKey, Generation, LiveIsNewer, WhatIsLeft
from projections.projection import Entry

_SQL = load("entries")


class PostgresEntryStore:
    """Implements projections.ports.EntryStore and Builds on one connection."""

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self._connection = connection
        self._claimed: set[int] = set()

    # --- projections.ports.EntryStore -----------------------------------------------------------

    async def open(self, topic: str, version: int) -> Generation:
        rows = await (await self._connection.execute(_SQL["open"], [topic])).fetchall()
        for _, _, live_version, live in rows:
            if live and live_version > version:
                raise LiveIsNewer(topic, live_version, version)
        for id, _, its_version, live in rows:
            if its_version == version:
                return await self._begin(id, topic, version, live)
        try:
            return await self._create(topic, version, live=not rows)
        except UniqueViolation:  # another projector made it just now
            return await self.open(topic, version)

    async def load(self, generation: int, keys: Collection[EntryKey]) -> list[Entry]:
        agents, names = arrays.uuids([agent for agent, _ in keys]), arrays.texts([name for _, name in keys])
        async with self._connection.cursor(binary=True) as cursor:
            await cursor.execute(_SQL["load"], [agents, names, generation], prepare=True)
            return [Entry(*row) for row in await cursor.fetchall()]

    async def save(
        self, generation: Generation, changed: Sequence[Entry], position: int, *, new: bool = False
    ) -> Generation:
        later = Generation(generation.id, generation.topic, generation.version, position, generation.live)
        if new and changed:
            with contextlib.suppress(UniqueViolation):  # they are not new after all
                await self._save(generation, changed, position, how="add")
                return later
        await self._save(generation, changed, position)
        return later

    async def _save(
        self, generation: Generation, changed: Sequence[Entry], position: int, *, how: Literal["save", "add"] = "save"
    ) -> None:
        arguments = {
            "generation": generation.id,
            "live": generation.live,
            "from": generation.position,
            "to": position,
            "agents": arrays.uuids([entry.agent_id for entry in changed]),
            "keys": arrays.texts([entry.key for entry in changed]),
            "spaces": arrays.uuids([entry.space_id for entry in changed]),
            "positions": arrays.int8s([entry.position for entry in changed]),
            "values": arrays.byteas([entry.value for entry in changed]),
        }
        moved = await (await self._connection.execute(_SQL[how], arguments, prepare=True)).fetchone()
        if moved != (1,):
            raise CheckpointMoved(f"{generation.topic} is not at {generation.position} any more")

    async def erase(
        self, generation: Generation, agent_id: UUID, person_id: UUID, position: int, what_is_left: WhatIsLeft
    ) -> Generation:
        later = Generation(generation.id, generation.topic, generation.version, position, generation.live)
        key, named = "", str(person_id).encode()
        async with self._connection.transaction(), self._connection.cursor(binary=True) as cursor:
            await self._save(generation, (), position)
            await cursor.execute("SET LOCAL statement_timeout = 0")  # no index finds them; it looks at every value
            while True:
                await cursor.execute(_SQL["naming"], [generation.id, agent_id, key, named, ERASE_PAGE_ENTRIES_MAX])
                found = [Entry(*row) for row in await cursor.fetchall()]
                left = [entry for one in found if (entry := what_is_left(one)) is not None]
                if left:
                    await self._save(later, left, position)
                if len(found) < ERASE_PAGE_ENTRIES_MAX:
                    return later
                key = found[-1].key

    async def still(self, generation: Generation) -> None:
        row = await (await self._connection.execute(_SQL["still"], [generation.id])).fetchone()
        if row != (generation.position, generation.live):
            raise CheckpointMoved(f"{generation.topic} is not at {generation.position} any more")

    async def stop(self, generation: Generation, position: int, error: str) -> None:
        shown = error[:PROJECTION_ERROR_CHARS_MAX].replace("\0", "").encode("utf-8", "replace").decode()
        await self._connection.execute(_SQL["stop"], [shown, position, generation.id])

    # --- projections.ports.Builds ---------------------------------------------------------------

    async def live(self, topic: str) -> Generation | None:
        row = await (await self._connection.execute(_SQL["live"], [topic])).fetchone()
        return Generation(*row) if row is not None else None

    async def hold_live(self, topic: str) -> Generation | None:
        """The live generation, which stays as it is until the end of the transaction that is open."""
        held = await (await self._connection.execute(_SQL["hold_live"], [topic])).fetchone()
        live = await self.live(topic)
        if held is None and live is not None:  # it was replaced while we waited for the lock
            return await self.hold_live(topic)
        return live

    async def create_aside(self, topic: str, version: int) -> Generation:
        await self.sweep()
        return await self._create_aside(topic, version)

    async def resume_aside(self, topic: str, version: int) -> Generation:
        running = BuildRunning("build_running", f"{topic} is being rebuilt already")
        found = await (await self._connection.execute(_SQL["resumable"], [topic])).fetchone()
        if found is None:
            try:
                return await self._create_aside(topic, version, resumable=True)
            except UniqueViolation:  # somebody else began just now
                raise running from None
        id, its_version = found
        if not await self._claim(id):
            raise running
        if its_version == version:
            self._claimed.add(id)
            return await self._begin(id, topic, version, live=False)
        await self.drop(id)
        return await self.resume_aside(topic, version)

    async def take_slot(self) -> None:
        """Be one of `BUILDS_MAX` that rebuild or verify, as long as the connection lives. Raises BuildRunning."""
        for slot in range(BUILDS_MAX):
            row = await (await self._connection.execute(_SQL["slot"], [slot])).fetchone()
            if row is not None and row[0]:
                return
        raise BuildRunning("overloaded", f"{BUILDS_MAX} rebuilds and verifications are running; ask again later")

    async def differences(self, live: Generation, built: Generation) -> Difference | None:
        """In the snapshot of the transaction that is open, if one is."""
        arguments = {"live": live.id, "built": built.id, "up_to": live.position}
        async with self._connection.transaction(), self._connection.cursor(binary=True) as cursor:
            await cursor.execute(_SQL["whole_tables"])
            await cursor.execute("SET LOCAL statement_timeout = 0")
            row = await (await cursor.execute(_SQL["differences"], arguments)).fetchone()
        return Difference(*row) if row is not None else None

    async def take_over(self, built: Generation, *, same_as: int | None = None) -> tuple[int, ...] | None:
        with contextlib.suppress(UndefinedTable):  # indexes and statistics, before readers come
            async with self._connection.transaction():
                await self._connection.execute("SET LOCAL statement_timeout = 0")
                await self._connection.execute(_SQL["index"], [built.id])
            table = sql.Identifier("stele", f"entries_{built.id}")
            await self._connection.execute(sql.SQL("ANALYZE {}").format(table))
        async with self._connection.transaction():
            await self._connection.execute(_SQL["durable"])
            locked = await (await self._connection.execute(_SQL["lock"], [built.topic])).fetchall()
            if await self._hold(built.id) != built.position:
                raise CheckpointMoved(f"generation {built.id} of {built.topic} is not at {built.position} any more")
            revision = 0
            for id, live, version, its_revision in locked:
                if not live:
                    continue
                if version > built.version:
                    raise LiveIsNewer(built.topic, version, built.version)
                if id != built.id and built.position < (await self._hold(id) or 0):
                    return None
                if version == built.version:
                    revision = its_revision + (id not in (built.id, same_as))
            if revision > REVISION_MAX:
                raise ValueError(f"{built.topic} has been corrected {REVISION_MAX} times; raise its version")
            retired = await self._connection.execute(_SQL["retire"], [built.topic, built.id, built.version])
            replaced = tuple(int(row[0]) for row in await retired.fetchall())
            await self._connection.execute(_SQL["promote"], [revision, built.id])
        return replaced

    async def drop(self, generation: int) -> None:
        """Detached first, then dropped: that locks nobody out."""
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
        self._claimed.discard(generation)

    async def sweep(self) -> list[int]:
        swept = []
        for (left_behind,) in await (await self._connection.execute(_SQL["unclaimed"])).fetchall():
            if left_behind not in self._claimed and await self._claim(left_behind):
                await self.drop(left_behind)
                await self._connection.execute(_SQL["unclaim"], [left_behind])
                swept.append(left_behind)
        return swept

    # --- below ----------------------------------------------------------------------------------

    async def _create_aside(self, topic: str, version: int, *, resumable: bool = False) -> Generation:
        async with self._connection.transaction():  # nobody sees it before it is claimed
            generation = await self._create(topic, version, aside=True)
            if resumable:
                await self._connection.execute(_SQL["resume_later"], [generation.id])
            await self._claim(generation.id)
        self._claimed.add(generation.id)
        return generation

    async def _create(self, topic: str, version: int, *, live: bool = False, aside: bool = False) -> Generation:
        async with self._connection.transaction():
            row = await (await self._connection.execute(_SQL["create"], [topic, version, live, aside])).fetchone()
            return await self._begin(int(row[0]) if row else 0, topic, version, live)

    async def _begin(self, id: int, topic: str, version: int, live: bool) -> Generation:
        await self._connection.execute(_SQL["by_key"])
        await self._connection.execute(_SQL["begin"], [id])
        row = await (await self._connection.execute(_SQL["checkpoint"], [id])).fetchone()
        return Generation(id, topic, version, int(row[0]) if row else 0, live)

    async def _claim(self, generation: int) -> bool:
        row = await (await self._connection.execute(_SQL["claim"], [generation])).fetchone()
        return row is not None and bool(row[0])

    async def _detach(self, table: str, how: LiteralString) -> None:
        detach = sql.SQL("ALTER TABLE stele.entries DETACH PARTITION {} ").format(sql.Identifier("stele", table))
        await self._connection.execute(detach + sql.SQL(how))

    async def _hold(self, generation: int) -> int | None:
        """Where it is, until the end of the transaction; None when it is gone or its entries are lost."""
        row = await (await self._connection.execute(_SQL["hold"], [generation])).fetchone()
        return None if row is None else int(row[0])
