"""The runtime: the only code that appends (invariant I2).

`execute` gives a command to its handler with a unit of work, appends what the handler's aggregates emitted under the
versions that it had seen, and decides again when another command was faster.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from msgspec import Struct

from domain import canonical
from domain.aggregate import Aggregate
from domain.events import Event, NewEvent, Recorded
from domain.limits import CONFLICT_RETRIES_MAX
from domain.ports import Clock, Conflict, Expectation, Ids, KeyReused, Log, Repeated, Transaction
from domain.refusals import Refusal


class Command(Struct, frozen=True, forbid_unknown_fields=True):
    """A request to the runtime; it becomes events or a refusal."""


class Cause(Struct, frozen=True):
    """The event that made somebody send this command."""

    event_id: UUID
    correlation_id: UUID


class Context(Struct, frozen=True):
    """Who sends a command, for which agent, and what it belongs to."""

    agent_id: UUID
    actor: str
    key: str | None = None
    fingerprint: bytes = b""
    cause: Cause | None = None
    traceparent: str | None = None


class Accepted(Struct, frozen=True):
    """The command is durable. A read with `min_position=position` sees its effect."""

    position: int
    result: dict[str, Any]
    repeated: bool = False
    """The key had been used for this same command before; this is the first answer."""


class Work:
    """A unit of work: what one decision has read and what it adds. Default: nothing happened."""

    def __init__(self, log: Log, clock: Clock, ids: Ids, context: Context) -> None:
        self._log = log
        self._ids = ids
        self._context = context
        self._seen: dict[UUID, int] = {}
        self._newest: dict[UUID, NewEvent] = {}
        self.agent_id = context.agent_id
        self.actor = context.actor
        self.now: datetime = clock.now()
        self.events: list[NewEvent] = []
        self.position = 0
        """The newest position that this decision has read."""

    async def load(self, *aggregates: Aggregate) -> None:
        """Fold each aggregate's stream into it: one read for all of them. An aggregate is loaded once a decision."""
        by_id = {aggregate.id: aggregate for aggregate in aggregates}
        if len(by_id) != len(aggregates) or by_id.keys() & self._seen.keys():
            raise RuntimeError("an aggregate is loaded once in a unit of work")
        for recorded in await self._log.read_streams(self.agent_id, list(by_id)):
            by_id[recorded.stream_id].replay(recorded)
            self.position = max(self.position, recorded.position)
        for aggregate in aggregates:
            self._seen[aggregate.id] = aggregate.version
            aggregate.emitter = self._emit

    async def evidence(self, positions: Sequence[int]) -> list[Recorded]:
        """The events of this agent at these positions; fewer than asked for when some are not there."""
        return await self._log.read_positions(self.agent_id, positions)

    def new_id(self) -> UUID:
        return self._ids.new()

    def _emit(self, aggregate: Aggregate, event: Event, occurred_at: datetime | None) -> None:
        event_id = self._ids.new()
        causation_id, correlation_id = self._chain(self._newest.get(aggregate.id, aggregate.last), event_id)
        emitted = self._newest[aggregate.id] = NewEvent(
            event_id=event_id,
            stream_id=aggregate.id,
            version=aggregate.version,
            payload=event,
            occurred_at=occurred_at or self.now,
            actor=self.actor,
            causation_id=causation_id,
            correlation_id=correlation_id,
            traceparent=self._context.traceparent,
        )
        self.events.append(emitted)

    def _chain(self, last: NewEvent | Recorded | None, event_id: UUID) -> tuple[UUID | None, UUID]:
        """An event's cause is the event that the command names, or else the newest of the stream that it extends;
        an event without a cause begins a correlation of its own.
        """
        if self._context.cause is not None:
            return self._context.cause.event_id, self._context.cause.correlation_id
        if last is not None:
            return last.event_id, last.correlation_id
        return None, event_id

    def transaction(self, result: bytes) -> Transaction:
        """Everything that was read is expected unchanged, so the decision holds at the position that it gets."""
        return Transaction(
            agent_id=self.agent_id,
            events=tuple(self.events),
            expectations=tuple(Expectation(stream, version) for stream, version in self._seen.items()),
            key=self._context.key,
            fingerprint=self._context.fingerprint,
            result=result,
        )


C = TypeVar("C", bound=Command)
Handler = Callable[[Any, Work], Awaitable[dict[str, Any]]]
HANDLERS: dict[type[Command], Handler] = {}


def handles(
    command: type[C],
) -> Callable[[Callable[[C, Work], Awaitable[dict[str, Any]]]], Callable[[C, Work], Awaitable[dict[str, Any]]]]:
    """Register the handler of a command: it loads, asks aggregates, and returns the answer's content."""

    def register(
        handler: Callable[[C, Work], Awaitable[dict[str, Any]]],
    ) -> Callable[[C, Work], Awaitable[dict[str, Any]]]:
        if command in HANDLERS:
            raise ValueError(f"{command.__name__} has two handlers")
        HANDLERS[command] = handler
        return handler

    return register


class _Answer(Struct, frozen=True, omit_defaults=True):
    """What is kept beside an idempotency key."""

    result: dict[str, Any] | None = None
    refusal_code: str | None = None
    refusal_detail: str | None = None


class Runtime:
    """Executes commands against the log. Holds no state of its own."""

    def __init__(self, log: Log, clock: Clock, ids: Ids) -> None:
        self._log = log
        self._clock = clock
        self._ids = ids

    async def execute(self, command: Command, context: Context) -> Accepted:
        """Carry out one command.

        Raises Refusal; nothing of the command is written then, except, with a key, that it was refused.
        """
        for _ in range(CONFLICT_RETRIES_MAX):
            work = Work(self._log, self._clock, self._ids, context)
            try:
                result = await HANDLERS[type(command)](command, work)
            except Refusal as refusal:
                return await self._refuse(work, context, refusal)
            answer = canonical.encode(_Answer(result=result))
            if not work.events and context.key is None:
                return Accepted(work.position, _plain(answer))
            match await self._log.append(work.transaction(answer)):
                case Conflict():
                    continue
                case KeyReused():
                    raise _key_reused()
                case Repeated(last_position=position, result=first):
                    return _replay(position, first)
                case appended:
                    return Accepted(max(appended.last_position, work.position), _plain(answer))
        raise Refusal(
            "conflict",
            f"other commands changed the same streams {CONFLICT_RETRIES_MAX} times in a row; send it again",
            retry_after_seconds=1.0,
        )

    async def _refuse(self, work: Work, context: Context, refusal: Refusal) -> Accepted:
        """Refuse; with a key, the same command gets the same answer later, whatever has changed since."""
        if context.key is None:
            raise refusal
        kept = _Answer(refusal_code=refusal.code, refusal_detail=refusal.detail)
        transaction = Transaction(work.agent_id, (), (), context.key, context.fingerprint, canonical.encode(kept))
        match await self._log.append(transaction):
            case KeyReused():
                raise _key_reused()
            case Repeated(last_position=position, result=first):
                return _replay(position, first)
        raise refusal


def _plain(answer: bytes) -> dict[str, Any]:
    """The result as JSON values, so that the first answer and its repetition are equal."""
    return msgspec.json.decode(answer, type=_Answer).result or {}


def _replay(position: int, first: bytes) -> Accepted:
    answer = msgspec.json.decode(first, type=_Answer)
    if answer.refusal_code is not None:
        raise Refusal(answer.refusal_code, answer.refusal_detail or "")
    return Accepted(position, answer.result or {}, repeated=True)


def _key_reused() -> Refusal:
    return Refusal(
        "idempotency_key_reused",
        "this Idempotency-Key came before with another request; use a new key for a new request",
    )
