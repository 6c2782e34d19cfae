"""An aggregate: the state that its stream's events fold to, and the one place that may add to that stream."""

from abc import ABC, abstractmethod
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.events import Event, Recorded


class Emit(Protocol):
    """How an aggregate hands a new event to the unit of work that loaded it."""

    def __call__(self, aggregate: "Aggregate", event: Event, occurred_at: datetime | None) -> None: ...


class Aggregate(ABC):
    """Subclasses hold their state as attributes, change it only in `when`, and decide only in methods that `emit`."""

    def __init__(self, id: UUID) -> None:
        self.id = id
        self.version = 0
        """Events folded so far; the version that the stream must still have when the decision is appended."""
        self.last: Recorded | None = None
        """The newest recorded event, for its cause and its position."""
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
        self.last = recorded

    def emit(self, event: Event, occurred_at: datetime | None = None) -> None:
        """Let `event` happen: fold it and hand it to the unit of work."""
        if self.emitter is None:
            raise RuntimeError(f"{type(self).__name__} {self.id} was not loaded by a unit of work")
        self.when(event)
        self.version += 1
        self.emitter(self, event, occurred_at)

    @abstractmethod
    def when(self, event: Event) -> None:
        """Fold one event into the state. It decides nothing and cannot fail on an event of its stream."""
