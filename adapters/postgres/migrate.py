"""Brings the schema up to this release: numbered files, each in its own transaction, under one lock."""

from importlib.resources import files

from psycopg import AsyncConnection

from domain.faults import Fault

_LOCK = 0x57E1E  # any number that only this code takes


class SchemaNewer(Fault):
    """The database was migrated by a newer release."""


async def migrate(conninfo: str, phase: str = "pre") -> list[str]:
    """Apply what is missing, in order, and return the names of what was applied.

    `phase` is `pre` (safe while the older release still runs) or `post` (after it is gone). Raises SchemaNewer.
    """
    applied: list[str] = []
    async with await AsyncConnection.connect(conninfo, autocommit=True) as connection:
        await connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS public.stele_migrations"
            " (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT clock_timestamp())"
        )
        rows = await (await connection.execute("SELECT name FROM public.stele_migrations")).fetchall()
        there, known = {row[0] for row in rows}, migrations()
        if newer := sorted(there - known.keys()):
            raise SchemaNewer(f"the database has migrations that this release does not know: {', '.join(newer)}")
        for name, sql in known.items():
            if name in there or f"_{phase}_" not in name:
                continue
            async with connection.transaction():
                await connection.execute(sql.encode())
                await connection.execute("INSERT INTO public.stele_migrations (name) VALUES (%s)", [name])
            applied.append(name)
    return applied


def migrations() -> dict[str, str]:
    """Name and text of every migration, in the order of their numbers."""
    folder = files("adapters.postgres") / "migrations"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return {name.removesuffix(".sql"): (folder / name).read_text() for name in names}
