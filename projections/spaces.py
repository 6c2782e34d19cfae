"""Topic `spaces`: where people and agents meet."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from domain.events import Recorded
from domain.spaces import SpaceCreated
from projections.projection import Projection, Value


class SpaceEntry(Value, frozen=True):
    space_id: UUID
    name: str
    title: str
    created_at: datetime


def key(event: Recorded) -> Iterable[str]:
    match event.payload:
        case SpaceCreated(space_id=space_id):
            yield str(space_id)


def fold(entry: SpaceEntry | None, event: Recorded) -> SpaceEntry | None:
    match event.payload:
        case SpaceCreated(space_id=space_id, name=name, title=title):
            return SpaceEntry(space_id, name, title, event.recorded_at)
    return entry


SPACES = Projection(topic="spaces", version=1, reads=[SpaceCreated], value=SpaceEntry, key=key, fold=fold)
