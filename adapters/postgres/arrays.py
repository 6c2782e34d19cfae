"""Arrays in Postgres's binary format, made column by column.

psycopg asks a dumper about every element; for a batch of a thousand events that is most of its time. Here an array is
one join over its elements. Format: array_send in src/backend/utils/adt/arrayfuncs.c: int32 dimensions, int32 has-nulls,
oid of the element, for each dimension int32 length and int32 lower bound, then each element as int32 length and bytes,
−1 for NULL; numbers are big-endian.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from struct import Struct as Format
from struct import pack
from uuid import UUID

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format as PqFormat

_HEAD = Format("!iiIii")
_EMPTY = Format("!iiI")
_LENGTH = Format("!i")
_UUID = _LENGTH.pack(16)
_NULL = _LENGTH.pack(-1)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class _Array:
    """Bytes that are a whole array already."""

    __slots__ = ("data",)
    element: int
    array: int

    def __init__(self, count: int, body: bytes) -> None:
        self.data = _HEAD.pack(1, 1, self.element, count, 1) + body if count else _EMPTY.pack(0, 0, self.element)


class _Uuids(_Array):
    element, array = 2950, 2951


class _Texts(_Array):
    element, array = 25, 1009


class _Byteas(_Array):
    element, array = 17, 1001


class _Int2s(_Array):
    element, array = 21, 1005


class _Int4s(_Array):
    element, array = 23, 1007


class _Int8s(_Array):
    element, array = 20, 1016


class _Times(_Array):
    element, array = 1184, 1185


_NO_UUIDS, _NO_TEXTS, _NO_BYTEAS, _NO_INT4S = (kind(0, b"") for kind in (_Uuids, _Texts, _Byteas, _Int4s))


def uuids(values: Sequence[UUID | None]) -> _Array:
    """uuid[]."""
    if not values:
        return _NO_UUIDS
    parts: list[bytes] = []
    last, part = -1, _NULL
    for value in values:
        if value is None:
            parts.append(_NULL)
            continue
        if (number := value.int) != last:  # of agents and spaces, most are that of the row before
            last, part = number, _UUID + value.bytes
        parts.append(part)
    return _Uuids(len(parts), b"".join(parts))


def texts(values: Sequence[str | None]) -> _Array:
    """text[]."""
    if not values:
        return _NO_TEXTS
    return _Texts(len(values), _lengths([None if value is None else value.encode() for value in values]))


def byteas(values: Sequence[bytes | None]) -> _Array:
    """bytea[]."""
    if not values:
        return _NO_BYTEAS
    return _Byteas(len(values), _lengths(values))


def int2s(values: Sequence[int]) -> _Array:
    """smallint[]. Raises struct.error beyond 16 bits."""
    return _Int2s(len(values), pack("!" + "ih" * len(values), *_with_length(values, 2)))


def int4s(values: Sequence[int]) -> _Array:
    """integer[]. Raises struct.error beyond 32 bits."""
    if not values:
        return _NO_INT4S
    return _Int4s(len(values), pack("!" + "ii" * len(values), *_with_length(values, 4)))


def int8s(values: Sequence[int]) -> _Array:
    """bigint[]. Raises struct.error beyond 64 bits."""
    return _Int8s(len(values), pack("!" + "iq" * len(values), *_with_length(values, 8)))


def times(values: Sequence[datetime]) -> _Array:
    """timestamptz[]: microseconds since 2000-01-01 UTC. Each value has its zone."""
    return _Times(
        len(values),
        pack("!" + "iq" * len(values), *_with_length([(value - _EPOCH) // _MICROSECOND for value in values], 8)),
    )


def _with_length(values: Sequence[int], length: int) -> list[int]:
    flat = [length] * (2 * len(values))
    flat[1::2] = values
    return flat


def _lengths(values: Sequence[bytes | None]) -> bytes:
    parts: list[bytes] = []
    for value in values:
        if value is None:
            parts.append(_NULL)
        else:
            parts += (_LENGTH.pack(len(value)), value)
    return b"".join(parts)


class _Dumper(Dumper):
    format = PqFormat.BINARY

    def dump(self, obj: _Array) -> Buffer | None:
        return obj.data


for _kind in (_Uuids, _Texts, _Byteas, _Int2s, _Int4s, _Int8s, _Times):
    psycopg.adapters.register_dumper(_kind, type(f"{_kind.__name__}Dumper", (_Dumper,), {"oid": _kind.array}))
