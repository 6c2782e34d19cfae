"""An aggregate: the state that its stream's events fold to, and the one place that may add to that stream."""

from abc import ABC, abstractmethod
from datetime import datetime
from functools import cache
from typing import Any, ClassVar, Protocol, get_type_hints
from uuid import UUID

import msgspec
from msgspec import Struct

from domain import canonical
from domain.events import Event, Recorded


class Emit(Protocol):
    """How an aggregate hands a new event to the unit of work that loaded it."""

    def __call__(
        self, aggregate: "Aggregate", event: Event, occurred_at: datetime | None, about: tuple[UUID, ...]
    ) -> None: ...


class Link(Struct, frozen=True, gc=False):
    """The newest event of a stream, as the cause of the one that follows it."""

    event_id: UUID
    correlation_id: UUID


class Snapshot(Struct, frozen=True):
    """An aggregate's state at a version. A cache: it can be dropped at any time (invariant I1), and holds nothing
    personal. `fold` names the fold that made it; another one does not read it.
    """

    stream_id: UUID
    version: int
    position: int
    link: Link
    fold: str
    state: bytes


class Aggregate(ABC):
    """Subclasses declare their state as annotated attributes with defaults in the class body, change it only in `when`,
    and decide only in methods that `emit`.

    Values are immutable, because caches share them, and hold nothing personal: ids and digests, not names and words.
    """

    fold_version: ClassVar[int] = 1
    """Raise it with every change of `when` or of the state: snapshots of other versions are not read."""
    cached: ClassVar[bool] = True
    """False for what is written once and hardly looked at again."""

    def __init__(self, id: UUID) -> None:
        self.id = id
        self.version = 0
        """Events folded so far; the version that the stream must still have when the decision is appended."""
        self.position = 0
        """Of the newest event that is in the log."""
        self.last: Link | None = None
        self.snapshotted = 0
        """The version that a snapshot is known to have."""
        self.emitter: Emit | None = None

    @property
    def exists(self) -> bool:
        return self.version > 0

    def replay(self, recorded: Recorded) -> None:
        """Fold one event of the log. Raises ValueError for a gap in the stream's versions."""
        if recorded.stream_id != self.id or recorded.version != self.version + 1:
            raise ValueError(
                f"stream {self.id} at version {self.version} was given {recorded.stream_id} version {recorded.version}"
            )
        self.when(recorded.payload)
        self.version = recorded.version
        self.position = recorded.position
        self.last = Link(recorded.event_id, recorded.correlation_id)

    def emit(self, event: Event, occurred_at: datetime | None = None, *, about: tuple[UUID, ...] = ()) -> None:
        """Let `event` happen: fold it and hand it to the unit of work. `about` names the persons whose keys seal its
        personal fields.
        """
        if self.emitter is None:
            raise RuntimeError(f"{type(self).__name__} {self.id} was not loaded by a unit of work")
        self.when(event)
        self.version += 1
        self.emitter(self, event, occurred_at, about)

    @abstractmethod
    def when(self, event: Event) -> None:
        """Fold one event into the state. It decides nothing and cannot fail on an event of its stream."""

    def freeze(self) -> dict[str, Any]:
        """Everything that it is now, for `thaw`; values are shared."""
        return self.__dict__ | {"emitter": None}

    def thaw(self, frozen: dict[str, Any]) -> None:
        """Be as another one of the same id was. Raises ValueError for another id."""
        if frozen["id"] != self.id:
            raise ValueError(f"{frozen['id']} is not {self.id}")
        self.__dict__.update(frozen)

    @classmethod
    def fold(cls) -> str:
        """The name of the fold, for snapshots."""
        return f"{cls.__module__}.{cls.__qualname__}/{cls.fold_version}"

    def snapshot(self) -> Snapshot:
        """Raises ValueError for a stream without events."""
        if self.last is None:
            raise ValueError(f"{self.id} has no events")
        kind = _state(type(self))
        state = kind(**{name: getattr(self, name) for name in kind.__struct_fields__})
        written = canonical.encode(msgspec.to_builtins(state, str_keys=True))  # keys of mappings may be ids
        return Snapshot(self.id, self.version, self.position, self.last, self.fold(), written)

    def restore(self, snapshot: Snapshot) -> bool:
        """Be as the snapshot says; False, with nothing changed, when another fold made it."""
        if snapshot.stream_id != self.id or snapshot.fold != self.fold():
            return False
        state = msgspec.json.decode(snapshot.state, type=_state(type(self)))
        for name in state.__struct_fields__:
            setattr(self, name, getattr(state, name))
        self.version = self.snapshotted = snapshot.version
        self.position, self.last = snapshot.position, snapshot.link
        return True


@cache
def _state(cls: type[Aggregate]) -> type[Struct]:
    """The annotated attributes of an aggregate, as a struct that can be decoded."""
    inherited = get_type_hints(Aggregate)
    own = [(name, hint) for name, hint in get_type_hints(cls).items() if name not in inherited]
    return msgspec.defstruct(f"{cls.__name__}State", own, frozen=True)
