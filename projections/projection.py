"""What a projection is: a topic, a version, the events it reads, `key` and `fold`. Nothing else (invariant I4)."""

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec
from msgspec import Struct

from domain import canonical
from domain.events import Event, Recorded
from domain.limits import PROJECTION_VERSION_MAX
from domain.people import PersonErased


class Value(Struct, frozen=True, omit_defaults=True):
    """What an entry says. A field `space_id`, where there is one, is the space that the entry is shown in."""


V = TypeVar("V", bound=Value)


text: Callable[[UUID], str] = msgspec.to_builtins
"""As str(id), in a quarter of the time; a key is made for every event."""


class Entry(Struct, frozen=True):
    """One keyed value of a topic. `value` is canonical JSON, or None for a tombstone."""

    agent_id: UUID
    key: str
    space_id: UUID | None
    position: int
    """The position of the last event that changed it."""
    value: bytes | None


class Projection(Generic[V]):
    """A topic's definition. Raise `version` with every change of `key` or `fold` that changes any entry."""

    def __init__(
        self,
        *,
        topic: str,
        version: int,
        reads: Iterable[type[Event]],
        value: type[V],
        key: Callable[[Recorded], Iterable[str]],
        fold: Callable[[V | None, Recorded], V | None],
        forget: Callable[[V], V | None] | None = None,
    ) -> None:
        """`forget` says what is left of a value when a person that it is about is erased: exactly what `fold` makes of
        the same events when nobody can open them any more. Without it, values are about nobody.
        """
        if not 0 < version <= PROJECTION_VERSION_MAX:
            raise ValueError(f"{topic} has version {version}; expected 1 to {PROJECTION_VERSION_MAX}")
        self.topic = topic
        self.version = version
        self.reads = frozenset(event.type for event in reads) | ({PersonErased.type} if forget is not None else set())
        self.forget = forget
        self.key = key
        self.fold = fold
        self.decode: Callable[[bytes], V] = msgspec.json.Decoder(value).decode
        """A stored value. It has to be the value that was stored: whether an entry was stored in between, or folded on
        in memory, must not be seen by `fold` (tests/conformance/test_values.py).
        """

    def apply(self, entry: Entry | None, event: Recorded, key: str) -> Entry | None:
        """The entry after `event`, for whoever folds one; None when there was none and there is none."""
        before = None if entry is None or entry.value is None else self.decode(entry.value)
        after = self.fold(before, event)
        if after is None:
            return Entry(event.agent_id, key, entry.space_id, event.position, None) if entry is not None else None
        return Entry(event.agent_id, key, getattr(after, "space_id", None), event.position, canonical.encode(after))

    def erase(self, entry: Entry, person_id: UUID, position: int) -> Entry | None:
        """The entry after a person was erased at a position; None when it is not about that person."""
        if entry.value is None or self.forget is None:
            return None
        value = self.decode(entry.value)
        if person_id != getattr(value, "person_id", None) and person_id not in getattr(value, "person_ids", ()):
            return None
        after = self.forget(value)
        return Entry(
            entry.agent_id, entry.key, entry.space_id, position, None if after is None else canonical.encode(after)
        )


def nothing(value: object) -> None:
    """For `forget`: the whole entry goes."""


AnyProjection = Projection[Any]
