"""Events: what they are, how they are named, and how they become bytes and come back.

An event class is a frozen struct whose proto message has the same name, fields, types and field order
(`proto/stele/<context>/v1/events.proto`; held together by tests/conformance/test_proto.py).
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, ClassVar, Literal, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from domain import canonical, upcasts


class Event(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """One fact, immutable, in the past tense. Fields without a default are always present in its bytes."""

    type: ClassVar[str] = ""
    """The proto message's full name, `stele.<context>.v1.<Name>`."""
    schema_version: ClassVar[int] = 1
    subject_key: ClassVar[Literal["kept", "made", "destroyed"]] = "kept"
    """What becomes, in the same commit, of the key that seals the personal fields about the stream's person."""


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


Reader = Callable[[bytes], Event]
_READERS: dict[upcasts.Kind, Reader] = {}


def decode(type_: str, schema_version: int, data: bytes) -> Event:
    """The event in `data`, of an earlier schema version by way of its upcasts (domain/upcasts.py).

    Raises UnknownEvent for a type or schema version that this release does not know, UpcastFailed or
    msgspec.ValidationError (both are ValueErrors) for bytes that do not fit the type.
    """
    reader = _READERS.get((type_, schema_version))
    if reader is None:
        reader = _READERS[type_, schema_version] = _reader((type_, schema_version))
    return reader(data)


def schema_versions() -> dict[str, int]:
    """The schema version of every event class of this release."""
    return {type_: cls.schema_version for type_, cls in REGISTRY.items()}


def _reader(kind: upcasts.Kind) -> Reader:
    """Raises UnknownEvent. What the steps leave is read as strictly as what is stored."""
    type_, schema_version = upcasts.current(kind)
    cls = REGISTRY.get(type_)
    if cls is None or cls.schema_version != schema_version:
        reads = "does not know it" if cls is None else f"reads only {cls.schema_version}"
        raise UnknownEvent(f"{kind[0]} has schema version {kind[1]}; this release {reads}")
    read: Reader = msgspec.json.Decoder(cls).decode
    if kind == (type_, schema_version):
        return read
    parse = msgspec.json.Decoder(upcasts.Json).decode
    return lambda data: read(msgspec.json.encode(upcasts.apply(kind, parse(data))))


class NewEvent(Struct, frozen=True, gc=False):
    """An event on its way into the log: everything that the envelope holds except the position and recorded_at.

    `subjects` are the persons that its personal fields are about; where there are any, those fields are sealed.
    """

    event_id: UUID
    stream_id: UUID
    version: int
    payload: Event
    occurred_at: datetime
    actor: str
    causation_id: UUID | None
    correlation_id: UUID
    traceparent: str | None
    subjects: tuple[UUID, ...] = ()

    @property
    def data(self) -> bytes:
        """The canonical bytes that are stored and hashed."""
        return canonical.encode(self.payload)


class _Payload:
    """The event itself, decoded at the first look; personal fields are ciphertext until a vault has opened it. Raises
    UnknownEvent. (functools.cached_property takes a lock at every first look before Python 3.12.)
    """

    def __get__(self, event: "Recorded", owner: object = None) -> Event:
        broken: Exception | None = event.__dict__.get("broken")
        if broken is not None:
            raise broken
        reader = _READERS.get((event.type, event.schema_version))  # as `decode`, which costs a call
        payload = decode(event.type, event.schema_version, event.data) if reader is None else reader(event.data)
        event.__dict__["payload"] = payload
        return payload


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
    subjects: tuple[UUID, ...] = ()

    payload = _Payload()

    def open_as(self, payload: Event) -> None:
        """From now on `payload` is what a vault made of the bytes, which stay as they are."""
        self.__dict__.pop("broken", None)
        self.__dict__["payload"] = payload

    def break_with(self, error: Exception) -> None:
        """A vault could not open it: whoever looks at `payload` gets the error; nobody takes ciphertext for words."""
        self.__dict__.pop("payload", None)
        self.__dict__["broken"] = error
