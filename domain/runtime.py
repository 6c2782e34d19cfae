"""The runtime: the only code that appends (invariant I2).

`execute` gives a command to its handler with a unit of work, appends what the handler's aggregates emitted under the
versions that it had seen, and decides again when another command was faster.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from domain import canonical
from domain.cache import AggregateCache
from domain.limits import AGGREGATES_CACHED_MAX, CONFLICT_RETRIES_MAX, SNAPSHOT_EVENTS
from domain.ports import Appended, Clock, Conflict, Ids, KeyReused, Log, Repeated, Transaction, Vault
from domain.refusals import NOT_NOW, Refusal
from domain.work import Cause, Context, IfMatch, Work

__all__ = ["HANDLERS", "Accepted", "Cause", "Command", "Context", "IfMatch", "Runtime", "Work", "handles"]


class Command(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A request to the runtime; it becomes events or a refusal."""


class Accepted(Struct, frozen=True, gc=False):
    """The command is durable. A read with `min_position=position` sees its effect."""

    position: int
    result: dict[str, Any]
    repeated: bool = False
    """The key had been used for this same command before; this is the first answer."""


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


class _Answer(Struct, frozen=True, omit_defaults=True, gc=False):
    """What is kept beside an idempotency key."""

    result: dict[str, Any] | None = None
    refusal_code: str | None = None
    refusal_detail: str | None = None
    retry_after_seconds: float | None = None


class Runtime:
    """Executes commands against the log. Its only state is a cache."""

    def __init__(self, log: Log, clock: Clock, ids: Ids, vault: Vault) -> None:
        self._log = log
        self._clock = clock
        self._ids = ids
        self._vault = vault
        self._cache = AggregateCache(AGGREGATES_CACHED_MAX)

    async def execute(self, command: Command, context: Context) -> Accepted:
        """Carry out one command.

        Raises Refusal; nothing of the command is written then, except, with a key, that it was refused.
        """
        cache: AggregateCache | None = self._cache
        for _ in range(CONFLICT_RETRIES_MAX):
            work = Work(self._log, self._clock, self._ids, self._vault, context, cache)
            try:
                answer, transaction = await self._decide(command, work)
            except Refusal as refusal:
                if not work.trusted:
                    return await self._refuse(work, context, refusal)
                cache = None  # nothing would hold this decision to the log: make it again on what the log says
                continue
            if not work.events and work.trusted:
                cache = None
                continue
            if not work.events and context.key is None:
                return Accepted(work.position, answer)
            match await self._log.append(transaction):
                case Conflict():
                    for aggregate in work.loaded:
                        self._cache.forget(work.agent_id, aggregate)
                    cache = None
                case KeyReused():
                    raise _key_reused()
                case Repeated(last_position=position, result=first):
                    return _replay(position, first)
                case appended:
                    self._vault.forget(work.agent_id, transaction.destroyed_keys)
                    await self._settle(work, appended)
                    return Accepted(appended.last_position, answer)
        raise Refusal(
            "conflict",
            f"other commands changed the same streams {CONFLICT_RETRIES_MAX} times in a row; send it again",
            retry_after_seconds=1.0,
        )

    async def _decide(self, command: Command, work: Work) -> tuple[dict[str, Any], Transaction]:
        """The answer as JSON values, so that the first one and its repetition are equal, and what it takes."""
        try:
            result = await HANDLERS[type(command)](command, work)
        finally:
            work.decided()
        answer: dict[str, Any] = msgspec.to_builtins(result)
        kept = canonical.encode(_Answer(result=answer)) if work.keyed else b""
        return answer, await work.transaction(kept)

    async def _settle(self, work: Work, appended: Appended) -> None:
        if work.events:
            work.settled(appended)
        for aggregate in work.loaded:
            if not aggregate.cached:
                continue
            if aggregate.version - aggregate.snapshotted >= SNAPSHOT_EVENTS:
                await self._log.keep_snapshot(work.agent_id, aggregate.snapshot())
                aggregate.snapshotted = aggregate.version
            self._cache.keep(work.agent_id, aggregate)

    async def _refuse(self, work: Work, context: Context, refusal: Refusal) -> Accepted:
        """Refuse; with a key, the same command gets the same answer later, whatever has changed since."""
        if context.key is None or refusal.code in NOT_NOW:
            raise refusal
        after = refusal.retry_after_seconds
        kept = _Answer(refusal_code=refusal.code, refusal_detail=refusal.detail, retry_after_seconds=after)
        transaction = Transaction(work.agent_id, (), (), context.key, context.fingerprint, canonical.encode(kept))
        match await self._log.append(transaction):
            case KeyReused():
                raise _key_reused()
            case Repeated(last_position=position, result=first):
                return _replay(position, first)
        raise refusal


def _replay(position: int, first: bytes) -> Accepted:
    answer = msgspec.json.decode(first, type=_Answer)
    if answer.refusal_code is not None:
        after = answer.retry_after_seconds
        raise Refusal(answer.refusal_code, answer.refusal_detail or "", retry_after_seconds=after)
    return Accepted(position, answer.result or {}, repeated=True)


def _key_reused() -> Refusal:
    return Refusal(
        "idempotency_key_reused",
        "this Idempotency-Key came before with another request; use a new key for a new request",
    )
