"""One tenant's reads (invariant I10): on connections that are stele_reader, to which row-level security shows the rows
of the agent that the transaction names, and nothing when it names none (docs/adr/0015).
"""

import asyncio
from collections.abc import Sequence
from typing import Any, LiteralString
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import AsyncRowFactory, tuple_row
from psycopg_pool import AsyncConnectionPool

_AS = "SELECT set_config('stele.agent_id', %s, true)"
_Connections = AsyncConnectionPool[AsyncConnection[Any]]


class Tenants:
    """The only way to these connections is by an agent's id. Every pool has them beside it (`connect.Pool.tenants`)."""

    def __init__(self, readers: _Connections) -> None:
        self.readers = readers
        """As they are, they see no tenant's rows."""

    async def fetch(
        self,
        agent_id: UUID,
        statement: LiteralString,
        arguments: Sequence[object] | dict[str, object],
        row_factory: AsyncRowFactory[Any] = tuple_row,
    ) -> list[Any]:
        """All rows of one statement, as this agent. Raises psycopg.Error, or psycopg_pool.PoolTimeout.

        It runs out when nobody waits for it any more, as when a client goes: breaking off what waits for a pool has
        cost it connections.
        """
        return await asyncio.shield(self._fetch(agent_id, statement, arguments, row_factory))

    async def _fetch(
        self,
        agent_id: UUID,
        statement: LiteralString,
        arguments: Sequence[object] | dict[str, object],
        row_factory: AsyncRowFactory[Any],
    ) -> list[Any]:
        async with (
            self.readers.connection() as connection,
            connection.cursor() as naming,
            connection.cursor(binary=True, row_factory=row_factory) as cursor,
        ):
            async with connection.pipeline():  # one round trip and one transaction, at whose end the agent is forgotten
                await naming.execute(_AS, [str(agent_id)])
                await cursor.execute(statement, arguments)
            return await cursor.fetchall()
