"""Topic `actions`: every proposed action and what became of it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from domain.actions import (
    ActionApproved,
    ActionFailed,
    ActionOutcomeUnknown,
    ActionProposed,
    ActionRejected,
    ActionStarted,
    ActionSucceeded,
    Status,
)
from domain.events import Recorded
from domain.personal import ERASED
from projections.projection import Projection, Value, text


class Failure(Struct, frozen=True):
    code: str
    detail: str


class ActionEntry(Value, frozen=True):
    """`rests_on` are log positions. `arguments` is for reading; an approval binds `arguments_sha256`."""

    action_id: UUID
    space_id: UUID
    status: Status
    tool: str
    title: str
    arguments: dict[str, Any]
    arguments_sha256: str
    rationale: str
    rests_on: tuple[int, ...]
    person_ids: tuple[UUID, ...]
    proposed_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    reason: str | None = None
    approval_expires_at: datetime | None = None
    started_at: datetime | None = None
    executor: str | None = None
    ended_at: datetime | None = None
    result: dict[str, Any] | None = None
    failure: Failure | None = None


_EVENTS = (
    ActionProposed,
    ActionApproved,
    ActionRejected,
    ActionStarted,
    ActionSucceeded,
    ActionFailed,
    ActionOutcomeUnknown,
)


def key(event: Recorded) -> Iterable[str]:
    payload = event.payload
    return (text(payload.action_id),) if isinstance(payload, _EVENTS) else ()


def fold(entry: ActionEntry | None, event: Recorded) -> ActionEntry | None:  # noqa: PLR0911  one return an event
    payload = event.payload
    if isinstance(payload, ActionProposed):
        return _proposed(payload, event.occurred_at)
    if entry is None:
        raise ValueError(f"{event.type} about an action that was never proposed")
    at = event.occurred_at
    match payload:
        case ActionApproved(approved_by=by, expires_at=expires_at):
            return replace(entry, status=Status.APPROVED, decided_by=by, decided_at=at, approval_expires_at=expires_at)
        case ActionRejected(rejected_by=by, reason=reason):
            return replace(entry, status=Status.REJECTED, decided_by=by, decided_at=at, reason=reason or None)
        case ActionStarted(executor=executor):
            return replace(entry, status=Status.STARTED, started_at=at, executor=executor)
        case ActionSucceeded(result_json=result):
            return replace(entry, status=Status.SUCCEEDED, ended_at=at, result=_object(result))
        case ActionFailed(code=code, detail=detail):
            return replace(entry, status=Status.FAILED, ended_at=at, failure=Failure(code, detail))
        case ActionOutcomeUnknown():
            return replace(entry, status=Status.UNKNOWN, ended_at=at)
    return entry


def _proposed(payload: ActionProposed, at: datetime) -> ActionEntry:
    return ActionEntry(
        action_id=payload.action_id,
        space_id=payload.space_id,
        status=Status.PROPOSED,
        tool=payload.tool,
        title=payload.title,
        arguments=_object(payload.arguments_json),
        arguments_sha256=payload.arguments_sha256,
        rationale=payload.rationale,
        rests_on=payload.rests_on,
        person_ids=payload.person_ids,
        proposed_at=at,
    )


def forget(entry: ActionEntry) -> ActionEntry:
    """What was decided and done stays; what it was about goes."""
    return replace(
        entry,
        title=_erased(entry.title),
        arguments={},
        arguments_sha256=ERASED,
        rationale=_erased(entry.rationale),
        reason=entry.reason and ERASED,
        result=None if entry.result is None else {},
        failure=entry.failure and Failure(entry.failure.code, _erased(entry.failure.detail)),
    )


def _erased(text: str) -> str:
    return text and ERASED


def _object(text: str) -> dict[str, Any]:
    """JSON, or nothing when it is about somebody who was erased."""
    return {} if text == ERASED else msgspec.json.decode(text, type=dict[str, Any])


ACTIONS = Projection(topic="actions", version=1, reads=_EVENTS, value=ActionEntry, key=key, fold=fold, forget=forget)
