"""Runs projections: read a page of events, load the touched entries once, fold in memory, write once."""

from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from domain import upcasts
from domain.events import REGISTRY, Recorded
from domain.limits import PAGE_EVENTS_MAX, READ_AHEAD_PAGES
from domain.people import PersonErased
from projections import folding
from projections.folding import Failure, Folded, Kept, Name, Stored, Touched
from projections.ports import EntryStore, EventSource, Generation, Scanned
from projections.projection import AnyProjection
from projections.reading import reading
from projections.seen import Seen

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class ProjectionStopped(Exception):
    """A fold failed. The projection stands just before `position`; nothing is skipped."""

    def __init__(self, topic: str, position: int, cause: Exception) -> None:
        super().__init__(f"{topic} stopped at position {position}: {type(cause).__name__}: {cause}")
        self.topic = topic
        self.position = position


class Started(Awaitable[T_co], Protocol[T_co]):
    """Work that may be under way already. An asyncio.Task is one."""

    def cancel(self) -> object: ...

    def add_done_callback(self, told: Callable[[Any], object], /) -> object: ...


class InTurn(Generic[T]):
    """Work that is done when it is awaited, and not before."""

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self._work = work

    def __await__(self) -> Generator[Any, Any, T]:
        return self._work.__await__()

    def cancel(self) -> None:
        self._work.close()

    def add_done_callback(self, told: Callable[[Any], object], /) -> None:
        """Who asks for this does not wait for it: it is never begun."""
        self._work.close()


Start = Callable[[Coroutine[Any, Any, Any]], Started[Any]]


class Page:
    """A page of events that a projection reads, and what is known of the entries that they touch."""

    def __init__(self, projection: AnyProjection, scanned: Scanned) -> None:
        mine, failed = scanned.events, None
        self.end = scanned.position
        self.count = scanned.count
        self.erasure: Recorded | None = None
        """The one event of the page, which takes a person out of many entries."""
        self.cut = False
        """It ends early, before an erasure or with it."""
        if mine:
            mine, _, failed = reading(mine, projection.reads)
        erasures = [number for number, event in enumerate(mine) if event.type == PersonErased.type]
        if erasures:
            self.cut, failed, first = True, None, mine[erasures[0]]
            alone = first.position == scanned.position - scanned.count + 1
            self.erasure = first if alone else None
            self.end = first.position if alone else first.position - 1
            mine = mine[: erasures[0]]
        self.touched = folding.touch(projection, mine)
        self._projection = projection
        self._failed = self.touched.failed or failed

    def fold(self, stored: Stored) -> Folded:
        """Raises nothing; a poisoned event is in `failed`, and the page then ends just before it."""
        folded = folding.fold(self._projection, self.touched, stored)
        failed = folded.failed or self._failed
        if failed is not None:
            self.end = failed[0] - 1
        return Folded(folded.entries, folded.kept, failed)


class Run:
    """One projection on its way through the log, page after page, on one generation.

    While a page is written, the next one is folded on what the first has made of the entries, and those after it are
    read; `start` begins work that is awaited later (asyncio.create_task), and without it everything happens in turn.
    Nothing of a page that is not written is lost but time: the checkpoint tells. Whoever ends it before its time calls
    `close`.
    """

    def __init__(
        self,
        log: EventSource,
        store: EntryStore,
        projection: AnyProjection,
        generation: Generation,
        *,
        start: Start = InTurn,
        lasting: bool = True,
    ) -> None:
        """`lasting`: more than a page will be folded, so it pays to remember which entries there are."""
        self.generation = generation
        """As it was written last."""
        self.at_end = False
        """The last `advance` found nothing new, and all is written."""
        self._log = log
        self._store = store
        self._projection = projection
        self._start = start
        self._known = [type_ for type_ in REGISTRY if upcasts.present_name(type_) not in projection.reads]
        """Types that are not read. What this release does not know is read, and stops the projection."""
        self._folded = generation.position
        self._ahead: deque[tuple[int, Started[Scanned]]] = deque()
        """Where the pages go on from that are being read, and their readings."""
        self._full_to = -1
        """Where the last full page ends that was read."""
        self._saved: Started[Generation] | None = None
        self._unsaved: dict[Name, Kept] = {}
        self._seen = Seen() if lasting and generation.position == 0 else None

    async def advance(self, *, limit: int = PAGE_EVENTS_MAX, up_to: int | None = None) -> Generation:
        """Fold the next page and begin to write it; at the end of the log, or of what was asked for, wait until all is
        written. Returns the generation as it was written last, unchanged when there is nothing new.

        Raises CheckpointMoved when another process was faster, ProjectionStopped when the fold fails, and ValueError
        when the log shows a hole, which it never does (invariant I3).
        """
        page = await self._next(limit, up_to)
        self.at_end = page.count == 0
        if self.at_end:
            self._read_anew()
            self._seen = None  # from now on there is little to load
            await self._settle()
            await self._store.still(self.generation)
            return self.generation
        more = (page.cut or page.count == limit) and (up_to is None or page.end < up_to)
        if not more:
            self._read_anew()
        elif not self._ahead:
            self._read_ahead(page.end, limit, up_to)
        elif self._ahead[-1][0] + limit == self._full_to:  # it was full when as many were being read as may be
            self._read_ahead(self._full_to, limit, up_to)
        if page.erasure is not None:
            return await self._erase(page.erasure)
        stored = await self._stored(page.touched)
        folded = page.fold(stored)
        await self._settle()
        if page.end > self._folded:
            save = self._store.save(self.generation, folded.entries, page.end, new=not stored.kept)
            self._saved = self._start(save)
            self._folded, self._unsaved = page.end, folded.kept
        if folded.failed is not None or not more:
            await self._settle()
        if folded.failed is not None:
            await self._stop(folded.failed)
        return self.generation

    async def _erase(self, erasure: Recorded) -> Generation:
        """Which entries are about a person, only the store can tell. Wait until all is written, and have it look."""
        await self._settle()
        agent_id, person_id, position = erasure.agent_id, erasure.stream_id, erasure.position
        what_is_left = partial(self._projection.erase, person_id=person_id, position=position)
        self.generation = await self._store.erase(self.generation, agent_id, person_id, position, what_is_left)
        self._folded = position
        return self.generation

    def close(self) -> None:
        """Give up what is under way."""
        self._read_anew()
        if self._saved is not None:
            self._saved.cancel()
            self._saved = None

    def _read_ahead(self, begin: int, limit: int, up_to: int | None) -> None:
        """Begin to read the page after `begin`, unless enough are being read."""
        if len(self._ahead) < READ_AHEAD_PAGES and (up_to is None or begin < up_to):
            self._ahead.append((begin, self._start(self._scan_ahead(begin, limit, up_to))))

    async def _scan_ahead(self, begin: int, limit: int, up_to: int | None) -> Scanned:
        """Only after a full page is there another one to read."""
        scanned = await self._scan(begin, _room(begin, limit, up_to))
        if scanned.count == limit:
            self._full_to = begin + limit
            if self._ahead and self._ahead[-1][0] == begin:
                self._read_ahead(self._full_to, limit, up_to)
        return scanned

    def _read_anew(self) -> None:
        """What is being read is not wanted. It runs out: breaking queries off has cost a pool its connections."""
        while self._ahead:
            self._ahead.popleft()[1].add_done_callback(_told)

    async def _next(self, limit: int, up_to: int | None) -> Page:
        """Its events are decoded now, and not when they were read: they are folded while they are in the processor's
        caches.
        """
        if self._ahead and self._ahead[0][0] == self._folded:
            scanned = await self._ahead.popleft()[1]
        else:
            self._read_anew()
            scanned = await self._scan(self._folded, _room(self._folded, limit, up_to))
        return Page(self._projection, scanned)

    async def _scan(self, after: int, limit: int) -> Scanned:
        scanned = Scanned((), after, 0) if limit <= 0 else await self._log.read_but(self._known, after, limit)
        if scanned.position != after + scanned.count:
            raise ValueError(f"the log has a hole between {after} and {scanned.position}")
        return scanned

    async def _stored(self, touched: Touched) -> Stored:
        """What there is of these entries: of the page before, which may not be written yet, and in the store."""
        names, unsaved = touched.names, self._unsaved
        wanted = self._seen.add(names) if self._seen is not None else names
        kept = {name: unsaved[name] for name in wanted if name in unsaved} if unsaved else {}
        missing = folding.keys(touched, [name for name in wanted if name not in kept])
        if not missing:
            return Stored(kept, {})
        await self._settle()
        stored = folding.keep(self._projection, await self._store.load(self.generation.id, missing))
        return Stored(stored.kept | kept, stored.broken)

    async def _settle(self) -> None:
        """Until the page before is written."""
        if self._saved is not None:
            saved, self._saved = self._saved, None
            self.generation = await saved
            self._unsaved = {}

    async def _stop(self, failed: Failure) -> None:
        self.close()
        position, cause = failed
        stopped = ProjectionStopped(self._projection.topic, position, cause)
        await self._store.stop(self.generation, position, str(stopped))
        raise stopped from cause


def _told(reading: Any) -> None:
    """Whatever became of it is of no interest."""
    reading.cancelled() or reading.exception()


def _room(after: int, limit: int, up_to: int | None) -> int:
    return limit if up_to is None else min(limit, up_to - after)
