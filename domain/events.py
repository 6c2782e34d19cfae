"""Events: what they are, how they are named, and how they become bytes and come back.

An event class is a frozen struct whose proto message has the same name, fields, types and field order
(`proto/stele/<context>/v1/events.proto`; held together by tests/conformance/test_proto.py).
"""

from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, ClassVar, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from domain import canonical


class Event(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One fact, immutable, in the past tense. Fields without a default are always present in its bytes."""

    type: ClassVar[str] = ""
    """The proto message's full name, `stele.<context>.v1.<Name>`."""
    schema_version: ClassVar[int] = 1


E = TypeVar("E", bound=type[Event])

Personal = Annotated[str, Meta(extra={"personal": True})]
"""Text that can tell who somebody is or what they said (proto option `stele.options.v1.personal`)."""

REGISTRY: dict[str, type[Event]] = {}


def event(package: str) -> Callable[[E], E]:
    """Register an event class under `<package>.<class name>`. Raises ValueError for a name taken twice."""

    def register(cls: E) -> E:
        cls.type = f"{package}.{cls.__name__}"
        if cls.type in REGISTRY:
            raise ValueError(f"{cls.type} is registered twice")
        REGISTRY[cls.type] = cls
        return cls

    return register


class UnknownEvent(Exception):
    """The log holds a (type, schema version) that this release cannot read."""


_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {}


def decode(type_: str, schema_version: int, data: bytes) -> Event:
    """The event in `data`. Raises UnknownEvent for a type or schema version that this release does not know,
    msgspec.ValidationError for bytes that do not fit the type.
    """
    decoder = _DECODERS.get(type_)
    if decoder is None:
        if type_ not in REGISTRY:
            raise UnknownEvent(f"{type_} (schema version {schema_version}) is not known to this release")
        decoder = _DECODERS[type_] = msgspec.json.Decoder(REGISTRY[type_])
    if schema_version != REGISTRY[type_].schema_version:
        raise UnknownEvent(
            f"{type_} has schema version {schema_version}; this release reads only {REGISTRY[type_].schema_version}"
        )
    decoded: Event = decoder.decode(data)
    return decoded


class NewEvent(Struct, frozen=True):
    """An event on its way into the log: everything that the envelope holds except the position and recorded_at."""

    event_id: UUID
    stream_id: UUID
    version: int
    payload: Event
    occurred_at: datetime
    actor: str
    causation_id: UUID | None
    correlation_id: UUID
    traceparent: str | None

    @property
    def data(self) -> bytes:
        """The canonical bytes that are stored and hashed."""
        return canonical.encode(self.payload)


class Recorded(Struct, frozen=True, dict=True):
    """An event in the log, with its envelope (docs/DESIGN: the log). `data` is canonical JSON (RFC 8785)."""

    position: int
    event_id: UUID
    agent_id: UUID
    stream_id: UUID
    version: int
    type: str
    schema_version: int
    data: bytes
    occurred_at: datetime
    recorded_at: datetime
    actor: str
    causation_id: UUID | None
    correlation_id: UUID
    traceparent: str | None

    @cached_property
    def payload(self) -> Event:
        """The event itself, decoded once. Raises UnknownEvent."""
        return decode(self.type, self.schema_version, self.data)
