"""What the tests of roles share: a database that two tenants have filled, and connections under each role."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg import AsyncConnection, sql

from adapters.postgres.connect import connect, pool
from adapters.postgres.entries import PostgresEntryStore
from adapters.postgres.log import PostgresLog
from adapters.postgres.migrate import migrate
from projections.topics import TOPICS
from tests.folding import advance
from tests.integration.histories import AGENTS, append, history

SEED = 20_261_121
NOBODY = UUID(int=0)
SCHEMAS = ["stele", "stele_keys", "eventsourcing"]
_FILL = (
    "INSERT INTO stele.command_keys VALUES (%(agent)s, 'k', '', 1, 1, '', now())",
    "INSERT INTO stele.snapshots VALUES (%(agent)s, %(agent)s, 1, 1, %(agent)s, %(agent)s, 'fold', '')",
    "INSERT INTO stele_keys.subject_keys VALUES (%(agent)s, %(agent)s, 'master', '')",
)


class Relation(Struct, frozen=True):
    """A table or a view. `kind` as in pg_class: r, p or v."""

    schema: str
    name: str
    kind: str
    of_agents: bool
    """It has a column `agent_id`."""
    partition: bool
    secured: bool
    """A table with forced row-level security, or a view with the rights of whoever asks."""

    @property
    def sql(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.name)

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


_RELATIONS = """
SELECT n.nspname, c.relname, c.relkind::text,
       EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'agent_id'),
       c.relispartition,
       CASE c.relkind WHEN 'v' THEN coalesce('security_invoker=true' = ANY (c.reloptions), false)
            ELSE c.relrowsecurity AND c.relforcerowsecurity END
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY (%s) AND c.relkind NOT IN ('i', 'I', 'S', 't', 'c') ORDER BY 1, 2"""


async def fill(database: str) -> None:
    """A log of two agents, every topic folded from it, and a row of each agent wherever else agents have rows."""
    await migrate(database)
    async with await AsyncConnection.connect(database, autocommit=True) as admin:
        head = await append(admin, history(SEED, 300))
        for agent in AGENTS:
            for statement in _FILL:
                await admin.execute(statement.encode(), {"agent": agent})
    async with pool(database, "filling", 2) as reading, await connect(database, "filling", "stele_projector") as own:
        log, store = PostgresLog(reading), PostgresEntryStore(own)
        for topic, projection in TOPICS.items():
            generation = await store.open(topic, projection.version)
            while generation.position < head:
                generation = await advance(log, store, projection, generation)


async def relations(connection: AsyncConnection[Any]) -> list[Relation]:
    """Every table and view of the three schemas, partitions included."""
    return [Relation(*row) for row in await (await connection.execute(_RELATIONS, [SCHEMAS])).fetchall()]


@asynccontextmanager
async def under(database: str, role: str, tenant: UUID | None = None) -> AsyncIterator[AsyncConnection[Any]]:
    """A connection that has taken on a role, and named a tenant or nobody."""
    options = f"-c role={role}" + ("" if tenant is None else f" -c stele.agent_id={tenant}")
    async with await AsyncConnection.connect(database, autocommit=True, options=options) as connection:
        yield connection


async def agents_in(connection: AsyncConnection[Any], relation: Relation) -> dict[UUID, int]:
    """Whose rows of a relation are seen, and how many. Raises psycopg.errors.InsufficientPrivilege."""
    whose = "agent_id" if relation.of_agents else "(convert_from(state, 'UTF8')::json ->> 'agent_id')::uuid"
    query = sql.SQL("SELECT {}, count(*) FROM {} GROUP BY 1").format(sql.SQL(whose), relation.sql)
    return dict(await (await connection.execute(query)).fetchall())
