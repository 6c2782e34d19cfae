"""What a projection is: a topic, a version, the events it reads, `key` and `fold`. Nothing else (invariant I4)."""

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec
from msgspec import Struct

from domain import canonical
from domain.events import Event, Recorded


class Value(Struct, frozen=True, omit_defaults=True):
    """What an entry says. A field `space_id`, where there is one, is the space that the entry is shown in."""


V = TypeVar("V", bound=Value)


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
    ) -> None:
        self.topic = topic
        self.version = version
        self.reads = frozenset(event.type for event in reads)
        self.key = key
        self.fold = fold
        self._decoder = msgspec.json.Decoder(value)

    def apply(self, entry: Entry | None, event: Recorded, key: str) -> Entry | None:
        """The entry after `event`; None when there was none and there is none."""
        before = None if entry is None or entry.value is None else self._decoder.decode(entry.value)
        after = self.fold(before, event)
        if after is None:
            if entry is None:
                return None
            return Entry(event.agent_id, key, entry.space_id, event.position, None)
        return Entry(event.agent_id, key, getattr(after, "space_id", None), event.position, canonical.encode(after))


AnyProjection = Projection[Any]
