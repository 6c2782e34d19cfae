"""Brings the schema up to this release: numbered files, each in its own transaction, under one lock."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any

from psycopg import AsyncConnection
from psycopg.errors import InsufficientPrivilege

from domain.faults import Fault

_LOCK = 0x57E1E  # any numbers that only this code takes
_ALONE = 0x57E1F


class SchemaNewer(Fault):
    """The database was migrated by a newer release."""


class NotPermitted(Fault):
    """The login may not do what a migration does; the text says what an administrator has to run."""


async def migrate(conninfo: str, phase: str = "pre", source: Mapping[str, str] | None = None) -> list[str]:
    """Apply what is missing, in order, and return the names of what was applied. Of several processes one does it, the
    others wait.

    `phase` is `pre` (what is safe while the older release still runs) or `post` (everything: it is gone). `source` is
    what there is to apply, when it is not this release's. Raises SchemaNewer, NotPermitted.
    """
    applied: list[str] = []
    known = migrations() if source is None else source
    async with await AsyncConnection.connect(conninfo, autocommit=True) as connection:
        await connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        there = await _applied(connection)
        if newer := sorted(there - known.keys()):
            raise SchemaNewer(f"the database has migrations that this release does not know: {', '.join(newer)}")
        for name, sql in known.items():
            if name in there or (phase == "pre" and "_pre_" not in name):
                continue
            try:
                await _apply(connection, name, sql)
            except InsufficientPrivilege as error:
                hint = f"; {error.diag.message_hint}" if error.diag.message_hint else ""
                raise NotPermitted(f"migration {name}: {error.diag.message_primary}{hint}") from error
            applied.append(name)
    return applied


@asynccontextmanager
async def alone(conninfo: str) -> AsyncIterator[None]:
    """One process at a time sets a database up; the others wait until it has, or is gone."""
    async with await AsyncConnection.connect(conninfo, autocommit=True) as connection:
        await connection.execute("SELECT pg_advisory_lock(%s)", [_ALONE])
        yield


def migrations() -> dict[str, str]:
    """Name and text of every migration, in the order of their numbers."""
    folder = files("adapters.postgres") / "migrations"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return {name.removesuffix(".sql"): (folder / name).read_text() for name in names}


async def _applied(connection: AsyncConnection[Any]) -> set[str]:
    row = await (await connection.execute("SELECT to_regclass('public.stele_migrations')")).fetchone()
    if row is None or row[0] is None:  # asked first: who may not create tables here may still find it made
        try:
            await connection.execute(
                "CREATE TABLE public.stele_migrations"
                " (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT clock_timestamp())"
            )
        except InsufficientPrivilege as error:
            raise NotPermitted(f"{error.diag.message_primary}; the login has to own its database") from error
    rows = await (await connection.execute("SELECT name FROM public.stele_migrations")).fetchall()
    return {row[0] for row in rows}


async def _apply(connection: AsyncConnection[Any], name: str, sql: str) -> None:
    """As stele_owner, once the schema is its own; a migration that needs more than that, such as an extension, resets
    the role for it.
    """
    async with connection.transaction():
        owned = await connection.execute(
            "SELECT FROM pg_namespace WHERE nspname = 'stele' AND nspowner = to_regrole('stele_owner')"
        )
        if owned.rowcount:
            await connection.execute("SET LOCAL ROLE stele_owner")
        await connection.execute(sql.encode())
        await connection.execute("RESET ROLE")
        await connection.execute("INSERT INTO public.stele_migrations (name) VALUES (%s)", [name])
