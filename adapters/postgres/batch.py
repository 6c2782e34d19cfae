"""One batch of commands: which ones go together, and the columns in which they travel to stele.append_v3."""

import asyncio
from collections import deque
from collections.abc import Collection
from typing import Any
from uuid import UUID

from msgspec import Struct

from adapters.postgres import arrays
from domain.limits import APPEND_BATCH_EVENTS_MAX
from domain.ports import Transaction, Verdict

Kind = tuple[str, int]
"""An event's type and schema version."""


class Waiting(Struct):
    """A command's outcome on its way into the log, and who waits for the verdict."""

    transaction: Transaction
    verdict: asyncio.Future[Verdict]
    sent_again: bool = False


def take(queue: deque[Waiting]) -> list[Waiting]:
    """The next batch: commands in their order, none of which touches what another of the batch writes or its key.

    What has to wait for its turn stays in the queue, and whoever waits for it as well; behind a whole batch of them
    nobody is looked for, so that a stream that everybody wants costs no more than that.
    """
    batch: list[Waiting] = []
    deferred: list[Waiting] = []
    written: set[UUID] = set()
    read: set[UUID] = set()
    keys: set[tuple[UUID, str]] = set()
    events = 0
    while queue and events < APPEND_BATCH_EVENTS_MAX and len(deferred) < APPEND_BATCH_EVENTS_MAX:
        waiting = queue.popleft()
        if waiting.verdict.cancelled():
            continue
        transaction = waiting.transaction
        writes = [event.stream_id for event in transaction.events]
        reads = [expectation.stream_id for expectation in transaction.expectations]
        clash = not (written.isdisjoint(reads) and written.isdisjoint(writes) and read.isdisjoint(writes))
        if transaction.key is not None:
            key = (transaction.agent_id, transaction.key)
            clash = clash or key in keys
            keys.add(key)
        written.update(writes)
        read.update(reads)
        if clash:
            deferred.append(waiting)
        else:
            batch.append(waiting)
            events += len(transaction.events) or 1
    queue.extendleft(reversed(deferred))
    return batch


def columns(transactions: list[Transaction], seen: Collection[Kind]) -> tuple[list[Any], set[Kind]]:
    """The arguments of stele.append_v3, commands numbered from 1; and the kinds of events that are not in `seen`."""
    commands = list(enumerate(transactions, start=1))
    keyed = [(n, t) for n, t in commands if t.key is not None]
    new_keys = [(n, key) for n, t in commands if t.new_keys for key in t.new_keys]
    destroyed = [(n, subject) for n, t in commands if t.destroyed_keys for subject in t.destroyed_keys]
    expected = [row for n, t in commands for row in _expected(n, t)]
    events = [event for t in transactions for event in t.events]
    payloads = [event.payload for event in events]
    kinds = {(payload.type, payload.schema_version) for payload in payloads}.difference(seen)
    return [
        arrays.uuids([t.agent_id for t in transactions]),
        arrays.int4s([len(t.events) for t in transactions]),
        arrays.int4s([n for n, _ in keyed]),
        arrays.texts([t.key for _, t in keyed]),
        arrays.byteas([t.fingerprint for _, t in keyed]),
        arrays.byteas([t.result for _, t in keyed]),
        arrays.int4s([n for n, _, _ in expected]),
        arrays.uuids([stream for _, stream, _ in expected]),
        arrays.int4s([version for _, _, version in expected]),
        arrays.int4s([n for n, t in commands for _ in t.events]),
        arrays.uuids([event.event_id for event in events]),
        arrays.uuids([event.stream_id for event in events]),
        arrays.int4s([event.version for event in events]),
        arrays.texts([payload.type for payload in payloads]),
        arrays.int2s([payload.schema_version for payload in payloads]),
        arrays.byteas([event.data for event in events]),
        arrays.times([event.occurred_at for event in events]),
        arrays.texts([event.actor for event in events]),
        arrays.uuids([event.causation_id for event in events]),
        arrays.uuids([event.correlation_id for event in events]),
        arrays.texts([event.traceparent for event in events]),
        arrays.texts([_literal(event.subjects) if event.subjects else None for event in events]),
        arrays.int4s([n for n, _ in new_keys]),
        arrays.uuids([key.subject_id for _, key in new_keys]),
        arrays.texts([key.master_key_id for _, key in new_keys]),
        arrays.byteas([key.wrapped for _, key in new_keys]),
        arrays.int4s([n for n, _ in destroyed]),
        arrays.uuids([subject for _, subject in destroyed]),
        arrays.texts([type_ for type_, _ in kinds]),
        arrays.int2s([version for _, version in kinds]),
    ], kinds


def _expected(n: int, transaction: Transaction) -> list[tuple[int, UUID, int]]:
    """What has to be looked up: streams that were only read, and streams that go on. That a stream which begins with
    version 1 is new, the log's primary key holds.
    """
    begun = transaction.first_versions()
    if len(begun) == len(transaction.expectations) == 1 and not transaction.expectations[0].version:
        only = transaction.expectations[0]
        if begun.get(only.stream_id) == 1:
            return []
    rows = [(n, x.stream_id, x.version) for x in transaction.expectations if begun.get(x.stream_id) != 1 or x.version]
    named = {x.stream_id for x in transaction.expectations}
    rows += [(n, stream, version - 1) for stream, version in begun.items() if version > 1 and stream not in named]
    return rows


def _literal(subjects: tuple[UUID, ...]) -> str:
    """uuid[] as text; an array of arrays would have to be a rectangle."""
    return "{" + ",".join(map(str, subjects)) + "}"
