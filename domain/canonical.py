"""Canonical JSON (RFC 8785), as far as Stele uses it: objects with ASCII keys, strings, integers, booleans, arrays.

Fractions are refused: their shortest form differs between languages, and no event needs one.
"""

import hashlib
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

_ENCODER = msgspec.json.Encoder(order="sorted", uuid_format="canonical")
INTEGER_MAX = 2**53 - 1
"""The largest integer that every JSON reader keeps exact (RFC 8785, section 3.2.2.3; RFC 7493)."""


def encode(value: object) -> bytes:
    """The canonical bytes of a struct whose types are known to be canonical (checked by tests, not by each call)."""
    return _ENCODER.encode(value)


def encode_any(value: object) -> bytes:
    """The canonical bytes of JSON that came from outside.

    Raises ValueError for fractions, for integers beyond 2^53 - 1, for keys outside ASCII and for lone surrogates.
    """
    _check(value, depth=0)
    try:
        return _ENCODER.encode(value)
    except UnicodeEncodeError as error:
        raise ValueError("a string holds half of a surrogate pair, which is not valid Unicode") from error


def sha256_hex(data: bytes) -> str:
    """SHA-256 as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


_DEPTH_MAX = 32


def _check(value: object, depth: int) -> None:
    if depth > _DEPTH_MAX:
        raise ValueError(f"nested deeper than {_DEPTH_MAX} levels")
    match value:
        case str() if "\0" in value:
            raise ValueError("a NUL character is not text")
        case None | bool() | str() | UUID() | datetime():
            return
        case int():
            if abs(value) > INTEGER_MAX:
                raise ValueError(f"{value} is beyond 2^53 - 1; send it as a string")
        case float():
            raise ValueError(f"{value} has a fraction; send it as a string or in a smaller unit")
        case list() | tuple():
            for item in value:
                _check(item, depth + 1)
        case dict():
            _check_object(value, depth)
        case _:
            raise ValueError(f"{type(value).__name__} is not JSON")


def _check_object(value: dict[Any, Any], depth: int) -> None:
    for key, item in value.items():
        if not isinstance(key, str) or not key.isascii():
            raise ValueError(f"key {key!r} is not an ASCII string")
        _check(item, depth + 1)
