"""Stele's events as the library's domain events: one class a type, registered under the topic that the view shows."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from eventsourcing.utils import register_topic

import domain.contexts  # noqa: F401  every event of this release
from adapters.eventsourcing.aggregates import of_stream
from domain import upcasts
from domain.aggregate import Aggregate
from domain.events import REGISTRY, Event, Recorded


class Happened:
    """An event of the log. The library makes it from what the transcoder returns, its id and its version."""

    TOPIC: ClassVar[str]
    originator_id: UUID
    originator_version: int
    recorded: Recorded

    @property
    def payload(self) -> Event:
        """The event itself, upcast; personal fields are sealed unless a cipher has opened them. Raises UnknownEvent."""
        return self.recorded.payload

    @property
    def timestamp(self) -> datetime:
        return self.recorded.recorded_at

    def mutate(self, aggregate: Aggregate | None) -> Aggregate:
        """Fold this event, as the library's repositories ask. Raises ValueError for a gap in the stream's versions."""
        if aggregate is None:
            aggregate = of_stream(self.recorded)
        aggregate.replay(self.recorded)
        return aggregate


def _class(type_: str) -> type[Happened]:
    """Raises eventsourcing.utils.TopicError when the topic is taken by something else."""
    made = type(type_.rpartition(".")[2], (Happened,), {"TOPIC": type_, "__module__": __name__})
    for name in upcasts.names(type_):
        register_topic(name, made)
    return made


CLASSES: dict[str, type[Happened]] = {type_: _class(type_) for type_ in REGISTRY}
"""By type, for applications that dispatch on the class of an event."""
