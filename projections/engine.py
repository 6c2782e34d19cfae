"""Runs projections: read a page of events, load the touched entries once, fold in memory, write once."""

from collections.abc import Sequence

from msgspec import Struct

from domain.events import Recorded
from domain.limits import PAGE_EVENTS_MAX
from domain.ports import Log
from projections.ports import EntryKey, EntryStore, Generation
from projections.projection import AnyProjection, Entry


class ProjectionStopped(Exception):
    """A fold failed. The projection stands just before `position`; nothing is skipped."""

    def __init__(self, topic: str, position: int, cause: Exception) -> None:
        super().__init__(f"{topic} stopped at position {position}: {type(cause).__name__}: {cause}")
        self.topic = topic
        self.position = position


class Page(Struct, frozen=True):
    """What a page of events did: the entries to write, up to where, and the failure that ended it early, if any."""

    changed: tuple[Entry, ...]
    position: int
    failed: tuple[int, Exception] | None = None


class Engine:
    def __init__(self, log: Log, store: EntryStore) -> None:
        self._log = log
        self._store = store

    async def advance(
        self,
        projection: AnyProjection,
        generation: Generation,
        *,
        limit: int = PAGE_EVENTS_MAX,
        up_to: int | None = None,
    ) -> Generation:
        """Fold one page of events. Returns the generation unchanged when there is nothing new.

        Raises CheckpointMoved when another process was faster, ProjectionStopped when the fold fails, and
        ValueError when the log shows a hole, which it never does (invariant I3).
        """
        if up_to is not None:
            limit = min(limit, up_to - generation.position)
        if limit <= 0:
            return generation
        events = await self._log.read(generation.position, limit)
        if not events:
            return generation
        if events[-1].position != generation.position + len(events):
            raise ValueError(f"the log has a hole between {generation.position} and {events[-1].position}")
        page = await self._fold(projection, generation, events)
        if page.position > generation.position:
            generation = await self._store.save(generation, page.changed, page.position)
        if page.failed is not None:
            position, cause = page.failed
            stopped = ProjectionStopped(projection.topic, position, cause)
            await self._store.stop(generation, position, str(stopped))
            raise stopped from cause
        return generation

    async def _fold(self, projection: AnyProjection, generation: Generation, events: Sequence[Recorded]) -> Page:
        mine = [event for event in events if event.type in projection.reads]
        touched: list[tuple[Recorded, list[str]]] = []
        end, failed = events[-1].position, None
        for event in mine:
            try:
                touched.append((event, list(projection.key(event))))
            except Exception as error:  # a poisoned event: whatever it raises, this projection stops here
                end, failed = event.position - 1, (event.position, error)
                break
        keys = {(event.agent_id, key) for event, names in touched for key in names}
        entries = {(e.agent_id, e.key): e for e in await self._store.load(generation.id, keys)} if keys else {}
        changed: dict[EntryKey, Entry] = {}
        for event, names in touched:
            try:
                outcome = [(key, projection.apply(_current(entries, changed, event, key), event, key)) for key in names]
            except Exception as error:  # as above
                end, failed = event.position - 1, (event.position, error)
                break
            changed.update({(event.agent_id, key): entry for key, entry in outcome if entry is not None})
        return Page(tuple(changed.values()), end, failed)


def _current(entries: dict[EntryKey, Entry], changed: dict[EntryKey, Entry], event: Recorded, key: str) -> Entry | None:
    return changed.get((event.agent_id, key)) or entries.get((event.agent_id, key))
