"""A projector by hand, without our engine: the loop that a good engineer writes for one topic.

It reads a page, decodes it, loads the entries that the page touches where the topic needs them, folds, writes them and
the checkpoint in one transaction, and only then reads the next page. It folds what it expects and nothing else: no
earlier versions of an event, nothing sealed, nobody erased, no second projector, no fold that fails.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import psycopg
from msgspec import Struct
from psycopg import Cursor

from adapters.postgres.arrays import byteas, int8s, texts, uuids
from tests.bench.peers.upsert import SCHEMA, WRITE
from tests.bench.row import run_sql

NAME = "a loop by hand, without our engine"
_READ = (
    "SELECT position, agent_id, type, data, occurred_at FROM stele.log"
    " WHERE position > %b AND type = ANY(%b::text[]) ORDER BY position LIMIT %b"
)
_LOAD = (  # of several agents it may find more than was asked for; a join with unnest gets plans ten times slower
    "SELECT agent_id, key, value FROM bench.entries"
    " WHERE generation = 1 AND agent_id = ANY(%b::uuid[]) AND key = ANY(%b::text[])"
)
_encode = msgspec.json.Encoder(order="sorted").encode

# --- transcripts ----------------------------------------------------------------------------------


class _Chunk(Struct, omit_defaults=True):
    """An event and, with its time, the entry. Here and below, what is only passed on stays text."""

    chunk_id: str
    space_id: UUID
    person_id: str
    speaker: str
    text: str
    source_id: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    occurred_at: datetime | None = None


def _said(_before: object, _kind: str, event: _Chunk, at: datetime) -> _Chunk:
    event.occurred_at = at
    return event


# --- actions --------------------------------------------------------------------------------------


class _Happened(Struct):
    """What any event about an action says."""

    action_id: str
    space_id: UUID
    tool: str = ""
    title: str = ""
    arguments_json: str = ""
    arguments_sha256: str = ""
    rationale: str = ""
    rests_on: list[int] = []
    person_ids: list[str] = []
    approved_by: str = ""
    expires_at: str = ""
    rejected_by: str = ""
    reason: str = ""
    executor: str = ""
    result_json: str = ""
    code: str = ""
    detail: str = ""


class _Action(Struct, omit_defaults=True):
    action_id: str
    space_id: UUID
    status: str
    tool: str
    title: str
    arguments: dict[str, Any]
    arguments_sha256: str
    rationale: str
    rests_on: list[int]
    person_ids: list[str]
    proposed_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    reason: str | None = None
    approval_expires_at: str | None = None
    started_at: datetime | None = None
    executor: str | None = None
    ended_at: datetime | None = None
    result: dict[str, Any] | None = None
    failure: dict[str, str] | None = None


def _acted(action: _Action | None, kind: str, event: _Happened, at: datetime) -> _Action:
    if kind == "stele.actions.v1.ActionProposed":
        what = (event.tool, event.title, msgspec.json.decode(event.arguments_json), event.arguments_sha256)
        why = (event.rationale, event.rests_on, event.person_ids)
        return _Action(event.action_id, event.space_id, "proposed", *what, *why, at)
    if action is None:
        raise ValueError(f"{kind} about an action that was never proposed")
    match kind:
        case "stele.actions.v1.ActionApproved":
            action.status, action.decided_by, action.decided_at = "approved", event.approved_by, at
            action.approval_expires_at = event.expires_at
        case "stele.actions.v1.ActionRejected":
            action.status, action.decided_by, action.decided_at = "rejected", event.rejected_by, at
            action.reason = event.reason or None
        case "stele.actions.v1.ActionStarted":
            action.status, action.started_at, action.executor = "started", at, event.executor
        case "stele.actions.v1.ActionSucceeded":
            action.status, action.ended_at, action.result = "succeeded", at, msgspec.json.decode(event.result_json)
        case "stele.actions.v1.ActionFailed":
            action.failure = {"code": event.code, "detail": event.detail}
            action.status, action.ended_at = "failed", at
        case "stele.actions.v1.ActionOutcomeUnknown":
            action.status, action.ended_at = "unknown", at
    return action


# --- the loop -------------------------------------------------------------------------------------


class Topic(NamedTuple):
    types: Sequence[str]
    """Events that it reads."""
    event: Callable[[bytes], Any]
    key: Callable[[Any], str]
    fold: Callable[[Any, str, Any, datetime], Any]
    entry: Callable[[bytes], Any] | None
    """How an entry that is there is decoded; None where every event makes a new one."""


_ACTED = ("Proposed", "Approved", "Rejected", "Started", "Succeeded", "Failed", "OutcomeUnknown")
_chunk, _happened, _action = (msgspec.json.Decoder(kind).decode for kind in (_Chunk, _Happened, _Action))
TOPICS = {
    "transcripts": Topic(["stele.transcripts.v1.TranscriptChunkRecorded"], _chunk, attrgetter("chunk_id"), _said, None),
    "actions": Topic(
        [f"stele.actions.v1.Action{name}" for name in _ACTED], _happened, attrgetter("action_id"), _acted, _action
    ),
}


async def follow(conninfo: str, topic: Topic, page: int, head: int) -> float:
    """Seconds to fold the log up to `head` into an empty table."""
    await run_sql(conninfo, SCHEMA)
    return await asyncio.to_thread(_follow, conninfo, topic, page, head)


def _follow(conninfo: str, topic: Topic, page: int, head: int) -> float:
    with psycopg.connect(conninfo, autocommit=True) as connection, connection.cursor(binary=True) as cursor:
        connection.execute("SET TimeZone = 'UTC'")
        began, position, types = time.perf_counter(), 0, texts(topic.types)
        while position < head:
            rows = cursor.execute(_READ, [position, types, page], prepare=True).fetchall()
            position = rows[-1][0]
            _write(cursor, position, _fold(cursor, topic, rows))
        return time.perf_counter() - began


_Entries = dict[tuple[int, str], Any]  # by agent and key: the agent, the position of the last event, the value


def _fold(cursor: Cursor[Any], topic: Topic, rows: Sequence[Any]) -> _Entries:
    events = [(agent, kind, topic.event(data), at, position) for position, agent, kind, data, at in rows]
    entries: _Entries = {}
    before: dict[tuple[int, str], Any] = {}
    if topic.entry is not None:
        agents, keys = {event[0] for event in events}, {topic.key(event[2]) for event in events}
        found = cursor.execute(_LOAD, [uuids(list(agents)), texts(list(keys))], prepare=True)
        before = {(agent.int, key): topic.entry(value) for agent, key, value in found}
    for agent, kind, event, at, position in events:
        name = (agent.int, topic.key(event))
        known = entries[name][2] if name in entries else before.get(name)
        entries[name] = (agent, position, topic.fold(known, kind, event, at))
    return entries


def _write(cursor: Cursor[Any], position: int, entries: _Entries) -> None:
    changed = entries.values()
    arguments = [
        position,
        uuids([agent for agent, _, _ in changed]),
        texts([key for _, key in entries]),
        uuids([value.space_id for _, _, value in changed]),
        int8s([at for _, at, _ in changed]),
        byteas([_encode(value) for _, _, value in changed]),
    ]
    cursor.execute(WRITE, arguments, prepare=True)
