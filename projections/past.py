"""What was: topics and streams as they were when the log ended at a position (docs/adr/0012)."""

from collections.abc import Iterable, Sequence
from typing import Protocol
from uuid import UUID

from domain import upcasts
from domain.events import Recorded
from projections.ports import EntryPage
from projections.projection import AnyProjection, Entry


class StillBuilding(Exception):
    """The state is being built and goes on being built; ask again."""


class TooMany(Exception):
    """As many states are waiting to be built as may wait."""


class Unavailable(Exception):
    """What builds states is not there just now; says why."""


class NotBuilt(Exception):
    """The state cannot be built; says why."""


class Past(Protocol):
    async def page(
        self, topic: str, position: int, agent_id: UUID, space_id: UUID | None, after: int, limit: int
    ) -> EntryPage:
        """As Topics.page, of the topic as it was at `position`, which is not beyond the head of the log.

        Raises StillBuilding when that takes longer than a caller is kept waiting, TooMany, Unavailable and NotBuilt.
        """


class Streams(Protocol):
    async def version(self, agent_id: UUID, stream_id: UUID, position: int) -> int:
        """The version that a stream had at a position; 0 when it did not exist."""

    async def positions(self, agent_id: UUID, stream_id: UUID, after: int, limit: int, position: int) -> Sequence[int]:
        """Where the events with the versions after `after` are, at most `limit` and up to `position`, in order."""


def fold(projection: AnyProjection, key: str, entry: Entry | None, events: Iterable[Recorded]) -> Entry | None:
    """One entry of a topic whose keys are its streams: what the next events of that stream, opened, make of it."""
    for event in events:
        if upcasts.present_name(event.type) in projection.reads and key in projection.key(event):
            entry = projection.apply(entry, event, key) or entry
    return entry
