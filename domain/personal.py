"""Personal fields: which they are, and what is left of them when their person has been erased (docs/adr/0014)."""

from functools import cache
from typing import Final
from uuid import UUID

from msgspec import inspect
from msgspec.structs import replace

from domain.events import Event

ERASED: Final = "[erased]"
"""What a personal field says when nobody can open it any more."""


@cache
def fields(cls: type[Event]) -> tuple[str, ...]:
    """The names of the personal fields of an event class. Raises TypeError for one that is not text."""
    info = inspect.type_info(cls)
    if not isinstance(info, inspect.StructType):
        raise TypeError(f"{cls.__name__} is not a struct")
    found = [field for field in info.fields if _marked(field.type)]
    for field in found:
        if not _text(field.type):
            raise TypeError(f"{cls.__name__}.{field.name} is personal and not text")
    return tuple(field.name for field in found)


def values(event: Event) -> dict[str, str]:
    """The personal fields of an event that say something. An empty one tells nothing, and stays as it is."""
    said = {name: getattr(event, name) for name in fields(type(event))}
    return {name: value for name, value in said.items() if value}


def erased(event: Event) -> Event:
    """The event without what it said of anybody."""
    return replace(event, **dict.fromkeys(values(event), ERASED))


def opened(event: Event, texts: dict[str, str]) -> Event:
    """The event with these personal fields in plain text."""
    return replace(event, **texts)


def associated_data(agent_id: UUID, stream_id: UUID, version: int) -> bytes:
    """What a ciphertext is bound to: the event that it is part of. Not the field's name, so that fields can be renamed
    (domain/upcasts.py).
    """
    return b"stele.personal.v1" + agent_id.bytes + stream_id.bytes + version.to_bytes(4, "big")


def _marked(kind: inspect.Type) -> bool:
    if isinstance(kind, inspect.Metadata):
        return bool((kind.extra or {}).get("personal")) or _marked(kind.type)
    return isinstance(kind, inspect.UnionType) and any(_marked(part) for part in kind.types)


def _text(kind: inspect.Type) -> bool:
    if isinstance(kind, inspect.Metadata):
        return _text(kind.type)
    if isinstance(kind, inspect.UnionType):
        return all(_text(part) or isinstance(part, inspect.NoneType) for part in kind.types)
    return isinstance(kind, inspect.StrType)
