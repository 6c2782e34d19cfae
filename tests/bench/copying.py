"""Puts events into an empty log by COPY, and makes its indexes afterwards: a million in seconds.

Binary rows, as in https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS.
"""

import struct
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from psycopg import AsyncConnection, sql

from domain.events import Event
from tests.bench.fill import BEGAN, Ids, Placed
from tests.bench.notes import SEED
from tests.bench.ours import AGENT

_HEADER, _TRAILER = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
_COLUMNS = (
    "position, event_id, agent_id, stream_id, version, type, schema_version, data, occurred_at, recorded_at, actor,"
    " correlation_id"
)
_FIELDS = 12
_FIRST = struct.Struct(">hiqi16si16si16sii")
_KIND = struct.Struct(">ih")
_LENGTH = struct.Struct(">i")
_LAST = struct.Struct(">iqiqi5si16s")
_ACTOR = b"bench"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_ROWS_PER_WRITE = 4_000
_TOLD_EVERY = 100_000

_INDEXES = """
    SELECT i.indexrelid::regclass::text, c.conname, pg_get_indexdef(i.indexrelid), pg_get_constraintdef(c.oid)
    FROM pg_index i LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.conrelid = i.indrelid
    WHERE i.indrelid = 'stele.log'::regclass
"""
"""Name, name of the constraint that it is for, and how each is made again."""


async def fill(conninfo: str, placed: Iterable[Placed], tell: Callable[[int], None] = lambda _: None) -> int:
    """Put the events into an empty log in this order and return the head. Nobody else may be writing. `tell` hears of
    every hundred thousand.
    """
    async with await AsyncConnection.connect(conninfo, autocommit=True) as connection:
        async with connection.transaction():
            await connection.execute("ALTER TABLE stele.log DISABLE TRIGGER USER")
            await connection.execute("TRUNCATE stele.log")  # in the same transaction, so that rows can be frozen
            indexes = await (await connection.execute(_INDEXES)).fetchall()
            for name, constraint, _, _ in indexes:
                await connection.execute(_dropped(name, constraint))
            position, kinds = await _copy(connection, placed, tell)
            await connection.execute("SET LOCAL maintenance_work_mem = '512MB'")
            for _, constraint, index, definition in indexes:
                await connection.execute(_made(constraint, index, definition))
            await connection.execute("ALTER TABLE stele.log ENABLE TRIGGER USER")
            await connection.execute("UPDATE stele.head SET position = %s", [position])
            await connection.cursor().executemany(
                "INSERT INTO stele.kinds (type, schema_version, first_position) VALUES (%s, %s, %s)",
                [(kind.type, kind.schema_version, first) for kind, first in kinds.items()],
            )
        await connection.execute("VACUUM (ANALYZE) stele.log")
    return position


async def _copy(
    connection: AsyncConnection[Any], placed: Iterable[Placed], tell: Callable[[int], None]
) -> tuple[int, dict[type[Event], int]]:
    """The last position, and the first one of every kind of event."""
    new = Ids(SEED + 1).new
    firsts: dict[type[Event], int] = {}
    heads: dict[type[Event], bytes] = {}
    position = 0
    copy_in = sql.SQL(f"COPY stele.log ({_COLUMNS}) FROM STDIN (FORMAT binary, FREEZE)")
    async with connection.cursor() as cursor, cursor.copy(copy_in) as copy:
        rows = [_HEADER]
        for position, (stream, version, kind, data) in enumerate(placed, start=1):
            if kind not in firsts:
                firsts[kind] = position
                heads[kind] = _bytes(kind.type.encode()) + _KIND.pack(2, kind.schema_version)
            event_id = new()
            at = _microseconds(position)
            rows += (
                _FIRST.pack(_FIELDS, 8, position, 16, event_id, 16, AGENT.bytes, 16, stream, 4, version),
                heads[kind],
                _bytes(data),
                _LAST.pack(8, at, 8, at, len(_ACTOR), _ACTOR, 16, event_id),
            )
            if position % _ROWS_PER_WRITE == 0:
                await copy.write(b"".join(rows))
                rows.clear()
            if position % _TOLD_EVERY == 0:
                tell(position)
        await copy.write(b"".join((*rows, _TRAILER)))
    return position, firsts


_BEGAN_MICROSECONDS = int((BEGAN - _EPOCH).total_seconds()) * 1_000_000


def _microseconds(position: int) -> int:
    """When the event at a position happened, one every second, as Postgres counts time."""
    return _BEGAN_MICROSECONDS + position * 1_000_000


def _bytes(value: bytes) -> bytes:
    return _LENGTH.pack(len(value)) + value


def _dropped(index: str, constraint: str | None) -> bytes:
    drop = f'ALTER TABLE stele.log DROP CONSTRAINT "{constraint}"' if constraint else f"DROP INDEX {index}"
    return drop.encode()


def _made(constraint: str | None, index: str, definition: str) -> bytes:
    add = f'ALTER TABLE stele.log ADD CONSTRAINT "{constraint}" {definition}'
    return (add if constraint else index).encode()
