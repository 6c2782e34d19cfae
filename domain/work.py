"""A unit of work: what one decision has read, and the events that it adds."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from domain.aggregate import Aggregate, Link, Snapshot
from domain.cache import AggregateCache
from domain.events import Event, NewEvent, Recorded
from domain.limits import STREAM_PAGE_EVENTS_MAX
from domain.ports import WHOLE, Appended, Clock, Expectation, Ids, Log, Transaction, Vault, WrappedKey
from domain.refusals import Refusal


class Cause(Struct, frozen=True, gc=False):
    """The event that made somebody send this command."""

    event_id: UUID
    correlation_id: UUID


class IfMatch(Struct, frozen=True):
    """A command is meant for a stream at one of these versions. None: at any, but the stream must exist."""

    stream_id: UUID
    versions: frozenset[int] | None

    def check(self, aggregate: Aggregate) -> None:
        """Raises Refusal `version_mismatch` when it is of this stream and at another version."""
        version = aggregate.version
        if aggregate.id == self.stream_id and not (version > 0 if self.versions is None else version in self.versions):
            at = f"is at version {version}" if version else "does not exist"
            raise Refusal("version_mismatch", f"{aggregate.id} {at}; read it again and decide anew")


class Context(Struct, frozen=True, gc=False):
    """Who sends a command, for which agent, and what it belongs to."""

    agent_id: UUID
    actor: str
    key: str | None = None
    fingerprint: bytes = b""
    cause: Cause | None = None
    traceparent: str | None = None
    if_match: IfMatch | None = None


class Work:
    """A unit of work: what one decision has read and what it adds. Default: nothing happened."""

    def __init__(
        self, log: Log, clock: Clock, ids: Ids, vault: Vault, context: Context, cache: AggregateCache | None
    ) -> None:
        self._log = log
        self._ids = ids
        self._vault = vault
        self._context = context
        self._cache = cache
        self._seen: dict[UUID, int] = {}
        self.loaded: list[Aggregate] = []
        self.trusted = False
        """Something was not read from the log but taken from the cache, or assumed to be new."""
        self.agent_id = context.agent_id
        self.actor = context.actor
        self.now: datetime = clock.now()
        self.events: list[NewEvent] = []

    @property
    def keyed(self) -> bool:
        """The command carries an idempotency key, so its answer is kept."""
        return self._context.key is not None

    @property
    def position(self) -> int:
        """The newest position that this decision rests on."""
        return max((aggregate.position for aggregate in self.loaded), default=0)

    async def load(self, *aggregates: Aggregate, new: tuple[Aggregate, ...] = ()) -> None:
        """Bring each aggregate to where its stream is: one read for all that are not in the cache. Those in `new` are
        likely to have no stream yet; it is assumed, and held to it by the log. An aggregate is loaded once a decision.
        """
        everything = cold = (*aggregates, *new)
        if self._cache is not None:
            cold = tuple([one for one in aggregates if not self._cache.fill(self.agent_id, one)])
            self.trusted = self.trusted or len(cold) < len(everything)
        if cold:
            await self._read(cold)
        for aggregate in everything:
            if aggregate.id in self._seen:
                raise RuntimeError("an aggregate is loaded once in a unit of work")
            self._seen[aggregate.id] = aggregate.version
            aggregate.emitter = self._emit
            if self._context.if_match is not None:  # it is still that version when the events get their positions
                self._context.if_match.check(aggregate)
        self.loaded += everything

    async def _read(self, aggregates: Sequence[Aggregate]) -> None:
        by_id = {aggregate.id: aggregate for aggregate in aggregates}
        wanted = [(aggregate.id, 0) for aggregate in aggregates]
        while wanted:
            pages: dict[UUID, int] = {}
            stale: set[UUID] = set()
            items = await self._log.load(self.agent_id, wanted)
            events = await self._vault.open([item for item in items if isinstance(item, Recorded)])
            for item in items:
                if isinstance(item, Snapshot) and not by_id[item.stream_id].restore(item):
                    stale.add(item.stream_id)
            for event in events:
                if event.stream_id not in stale:
                    by_id[event.stream_id].replay(event)
                    pages[event.stream_id] = pages.get(event.stream_id, 0) + 1
            wanted = [(id, WHOLE) for id in stale]
            wanted += [(id, by_id[id].version) for id, count in pages.items() if count >= STREAM_PAGE_EVENTS_MAX]

    async def evidence(self, positions: Sequence[int]) -> Sequence[Recorded]:
        """The events of this agent at these positions; fewer than asked for when some are not there."""
        return await self._vault.open(await self._log.read_positions(self.agent_id, positions))

    async def history(self, stream_id: UUID) -> Sequence[Recorded]:
        """The first page of a stream's events."""
        items = await self._log.load(self.agent_id, [(stream_id, WHOLE)])
        return await self._vault.open([item for item in items if isinstance(item, Recorded)])

    async def pseudonym(self, name: str) -> UUID:
        """The id of what this agent knows by a name that may tell who somebody is."""
        return await self._vault.pseudonym(self.agent_id, name)

    def new_id(self) -> UUID:
        return self._ids.new()

    def _emit(self, aggregate: Aggregate, event: Event, occurred_at: datetime | None, about: tuple[UUID, ...]) -> None:
        """An event's cause is the event that the command names, or else the newest of the stream that it extends;
        an event without a cause begins a correlation of its own.
        """
        event_id = self._ids.new()
        cause = self._context.cause or aggregate.last
        link = Link(event_id, event_id if cause is None else cause.correlation_id)
        emitted = NewEvent(
            event_id=event_id,
            stream_id=aggregate.id,
            version=aggregate.version,
            payload=event,
            occurred_at=occurred_at or self.now,
            actor=self.actor,
            causation_id=None if cause is None else cause.event_id,
            correlation_id=link.correlation_id,
            traceparent=self._context.traceparent,
            subjects=about,
        )
        aggregate.last = link
        self.events.append(emitted)

    def decided(self) -> None:
        """No aggregate emits any more. They let go of this, which holds them: nobody has to look for garbage."""
        for aggregate in self.loaded:
            aggregate.emitter = None

    async def transaction(self, result: bytes) -> Transaction:
        """Everything that was read is expected unchanged, so the decision holds at the position that it gets."""
        events: tuple[NewEvent, ...] = tuple(self.events)
        new_keys: tuple[WrappedKey, ...] = ()
        if [event for event in events if event.subjects]:
            sealed = await self._vault.seal(self.agent_id, events)
            events, new_keys = sealed.events, sealed.new_keys
        return Transaction(
            agent_id=self.agent_id,
            events=events,
            expectations=tuple([Expectation(stream, version) for stream, version in self._seen.items()]),
            key=self._context.key,
            fingerprint=self._context.fingerprint,
            result=result,
            new_keys=new_keys,
            destroyed_keys=tuple([e.stream_id for e in events if e.payload.subject_key == "destroyed"]),
        )

    def settled(self, appended: Appended) -> None:
        """The events are in the log: the aggregates know where."""
        if len(self.events) == len(self.loaded) == 1:
            self.loaded[0].position = appended.last_position
            return
        at = {event.stream_id: position for position, event in enumerate(self.events, appended.first_position)}
        for aggregate in self.loaded:
            if aggregate.cached:
                aggregate.position = at.get(aggregate.id, aggregate.position)
