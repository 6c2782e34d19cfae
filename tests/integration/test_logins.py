"""Logins that are no superusers, and the roles of a whole server: who may set a hub up, and what is said when not."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg.errors import InsufficientPrivilege

from adapters.embedded.postgres import EmbeddedPostgres
from adapters.postgres.appender import Appender
from adapters.postgres.connect import connect, pool
from adapters.postgres.entries import PostgresEntryStore
from adapters.postgres.log import PostgresLog
from adapters.postgres.migrate import NotPermitted, migrate, migrations
from adapters.postgres.topics import PostgresTopics
from domain.events import NewEvent
from domain.ports import Appended, Transaction
from projections.topics import TOPICS
from tests.folding import advance
from tests.hub import STELE
from tests.integration.histories import AGENTS, append, history
from tests.integration.roles import SEED

NAMES = [name for name in migrations() if "_pre_" in name]

_ROLES = "stele_owner, stele_projector, stele_writer, stele_reader"


class Server:
    """A Postgres of its own: roles belong to a server, and these tests make and miss them."""

    def __init__(self, url: str) -> None:
        self.url = url

    def run(self, *statements: str) -> None:
        """As its administrator."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def database(self, name: str, login: str, attributes: str = "") -> str:
        """A new database that a new login owns, and its connection string."""
        self.run(f"CREATE ROLE {login} LOGIN {attributes}", f"CREATE DATABASE {name} OWNER {login}")
        return self.url.replace("//postgres:@/postgres?", f"//{login}@/{name}?")


@pytest.fixture
def server(scratch: Path) -> Iterator[Server]:
    postgres = EmbeddedPostgres(scratch / f"pg{uuid4().hex[:8]}")
    yield Server(postgres.start())
    postgres.stop()


async def test_databases_of_one_server_are_set_up_at_once_and_share_the_roles(server: Server) -> None:
    names = [f"hub_{n}" for n in range(12)]
    server.run(*(f"CREATE DATABASE {name}" for name in names))
    urls = [server.url.replace("/postgres?", f"/{name}?") for name in names]
    assert await asyncio.gather(*map(migrate, urls)) == [NAMES] * len(names)


@pytest.mark.parametrize("attributes", ["CREATEROLE", "SUPERUSER"])
async def test_a_login_that_owns_its_database_and_makes_roles_needs_nobody(server: Server, attributes: str) -> None:
    database = server.database("hub", "app", attributes)
    assert await migrate(database) == NAMES
    await _works(database)


async def test_a_login_that_was_given_the_roles_needs_nothing_else(server: Server) -> None:
    database = server.database("hub", "app")
    with pytest.raises(NotPermitted, match="app may not make the roles") as refused:
        await migrate(database)
    _, _, told = str(refused.value).partition("leaving out the roles that are there: ")
    server.run(*filter(None, told.split("; ")))
    assert await migrate(database) == NAMES[NAMES.index("0008_pre_roles") :]
    await _works(database)


async def test_a_second_login_of_the_server_is_told_which_roles_it_lacks(server: Server) -> None:
    await migrate(server.database("hub", "app", "CREATEROLE"))
    other = server.database("another", "stranger", "CREATEROLE")
    with pytest.raises(NotPermitted, match=f"GRANT {_ROLES} TO stranger"):
        await migrate(other)
    server.run(f"GRANT {_ROLES} TO stranger")
    await migrate(other)
    await _works(other)


async def test_a_process_whose_login_has_no_role_of_stele_does_not_get_in(server: Server) -> None:
    database = server.database("hub", "app", "CREATEROLE")
    await migrate(database)
    server.run("CREATE ROLE stranger LOGIN")
    with pytest.raises(psycopg.OperationalError, match='permission denied to set role "stele_writer"'):
        await connect(database.replace("//app@", "//stranger@"), "test")
    async with await AsyncConnection.connect(database.replace("//app@", "//stranger@")) as stranger:
        with pytest.raises(InsufficientPrivilege):
            await stranger.execute("SELECT FROM stele.log")


async def test_an_operator_may_keep_the_owner_from_the_processes(server: Server) -> None:
    """One login migrates, another one runs the hub and cannot touch the schema."""
    database = server.database("hub", "app", "CREATEROLE")
    await migrate(database)
    server.run("CREATE ROLE runs LOGIN", "GRANT stele_projector, stele_writer, stele_reader TO runs")
    running = database.replace("//app@", "//runs@")
    await _works(running, tamper=database)
    async with await AsyncConnection.connect(running) as connection:
        with pytest.raises(InsufficientPrivilege):
            await connection.execute("ALTER TABLE stele.log DISABLE TRIGGER append_only")


async def test_a_release_from_before_the_roles_goes_on_beside_this_one(server: Server) -> None:
    """It takes no role on: what its login could do, it can, and what it makes is not in the way."""
    database = server.database("hub", "app", "CREATEROLE")
    await migrate(database)
    async with (
        await connect(database, "older", None) as older,
        await connect(database, "test", "stele_projector") as own,
    ):
        head = await append(older, history(SEED, 60))
        seen = await (await older.execute("SELECT count(*), count(DISTINCT agent_id) FROM stele.log")).fetchone()
        assert seen == (head, len(AGENTS))
        store, theirs = PostgresEntryStore(own), PostgresEntryStore(older)
        made = await theirs.open("transcripts", 1)
        moved = await store.save(made, (), head)
        await theirs.still(moved)
        mine = await store.create_aside("transcripts", 1)
        await theirs.drop(mine.id)
        await store.drop(made.id)


def test_bootstrap_says_in_one_line_what_an_administrator_has_to_run(server: Server, tmp_path: Path) -> None:
    database = server.database("hub", "app")
    environment = {**os.environ, "STELE_POSTGRES_URL": database, "STELE_DATA": str(tmp_path)}
    command = [*STELE, "bootstrap", "--token-file", str(tmp_path / "token")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    [line] = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert line.startswith("stele: migration 0008_pre_roles: app may not make the roles")
    assert f"GRANT {_ROLES} TO app" in line


async def _works(database: str, *, tamper: str | None = None) -> None:
    """Appends, folds, serves to each tenant its own, and drops a generation, each under its role."""
    async with await AsyncConnection.connect(tamper or database, autocommit=True) as owner:
        head = await append(owner, history(SEED, 60))
    async with (
        Appender(database) as appender,
        pool(database, "test", 2) as connections,
        await connect(database, "test", "stele_projector") as own,
    ):
        log, topics, store = PostgresLog(connections, appender), PostgresTopics(connections), PostgresEntryStore(own)
        last = (await log.read(head - 1, 1))[0]
        event = NewEvent(
            *(last.event_id, last.stream_id, last.version + 1, last.payload, last.occurred_at),
            *("test", None, last.correlation_id, None),
        )
        assert await log.append(Transaction(last.agent_id, (event,), ())) == Appended(head + 1, head + 1)
        projection = TOPICS["transcripts"]
        live = await store.open("transcripts", projection.version)
        while live.position < head:
            live = await advance(log, store, projection, live, up_to=head)
        pages = [await topics.page(live.id, agent, None, 0, 100) for agent in AGENTS]
        assert all(page.entries for page in pages)
        aside = await store.create_aside("transcripts", projection.version)
        await store.drop(aside.id)
        assert [listed.generation for listed in await topics.list()] == [live.id]
