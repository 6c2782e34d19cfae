"""What entries a projector has made, however it did: to see that two of them made the same."""

from typing import NamedTuple

from psycopg import AsyncConnection, sql

_MADE = sql.SQL(
    "SELECT count(*), md5(string_agg(md5((agent_id, key, space_id, position, value)::text), '' ORDER BY agent_id, key))"
    " FROM {} WHERE generation = %s AND key <> ''"
)
"""Without the checkpoint, which is the row with the empty key."""


class Made(NamedTuple):
    entries: int
    digest: str
    """Of all that they say."""


async def made(conninfo: str, schema: str, generation: int) -> Made:
    """What there is of a generation in the table `entries` of a schema."""
    async with await AsyncConnection.connect(conninfo, autocommit=True) as connection:
        table = sql.Identifier(schema, "entries")
        row = await (await connection.execute(_MADE.format(table), [generation])).fetchone()
    return Made(*row) if row is not None else Made(0, "")
