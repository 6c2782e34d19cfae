"""Actions: proposed, approved by a person, started under a lease, ended once.

    proposed ─ approve → approved ─ start → started ─ finish → succeeded | failed
        └─ reject → rejected                    └─ lease lapsed → unknown ─ finish (same attempt) → succeeded | failed

An approval is for exact bytes: tool, SHA-256 of the canonical arguments, policy version and expiry; it is used once.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from msgspec import Struct

from domain import canonical, personal
from domain.aggregate import Aggregate
from domain.events import Event, Personal, event
from domain.limits import APPROVAL_SECONDS, FAILURE_CHARS_MAX, LABEL_CHARS_MAX, LEASE_SECONDS, RESULT_BYTES_MAX
from domain.refusals import Refusal
from domain.runtime import Command

_PACKAGE = "stele.actions.v1"
POLICY_VERSION = 1
"""The rules under which a person approves; every approval names the version that it was given under."""


@event(_PACKAGE)
class ActionProposed(Event, frozen=True):
    """`arguments_json` is canonical JSON; `rests_on` are positions of the transcript chunks that led to it."""

    action_id: UUID
    space_id: UUID
    tool: str
    title: Personal
    arguments_json: Personal
    arguments_sha256: Personal
    rationale: Personal
    rests_on: tuple[int, ...]
    person_ids: tuple[UUID, ...]


@event(_PACKAGE)
class ActionApproved(Event, frozen=True):
    action_id: UUID
    space_id: UUID
    tool: str
    arguments_sha256: Personal
    policy_version: int
    approved_by: str
    expires_at: datetime


@event(_PACKAGE)
class ActionRejected(Event, frozen=True):
    action_id: UUID
    space_id: UUID
    rejected_by: str
    reason: Personal


@event(_PACKAGE)
class ActionStarted(Event, frozen=True):
    """`attempt_id` is the fencing token: only this attempt may report an outcome."""

    action_id: UUID
    space_id: UUID
    attempt_id: UUID
    executor: str
    lease_expires_at: datetime


@event(_PACKAGE)
class ActionSucceeded(Event, frozen=True):
    action_id: UUID
    space_id: UUID
    attempt_id: UUID
    result_json: Personal


@event(_PACKAGE)
class ActionFailed(Event, frozen=True):
    """`attempt_id` is absent when it failed before it was started."""

    action_id: UUID
    space_id: UUID
    code: str
    detail: Personal
    attempt_id: UUID | None = None


@event(_PACKAGE)
class ActionOutcomeUnknown(Event, frozen=True):
    """It was started and nobody knows how it ended. It is never run again by itself."""

    action_id: UUID
    space_id: UUID
    attempt_id: UUID


class Status(StrEnum):
    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"


class ApproveAction(Command, frozen=True):
    """`arguments_sha256`, if given, is the digest of what the approver was shown."""

    action_id: UUID
    arguments_sha256: str | None = None


class RejectAction(Command, frozen=True):
    action_id: UUID
    reason: str = ""


class StartAction(Command, frozen=True):
    action_id: UUID
    attempt_id: UUID


class FinishAction(Command, frozen=True):
    """The outcome of one attempt: a `result`, or a failure's `code` and `detail`."""

    action_id: UUID
    attempt_id: UUID
    result: dict[str, Any] | None = None
    code: str | None = None
    detail: str = ""


class Proposed(Struct, frozen=True):
    """What an action keeps in mind of its proposal."""

    space_id: UUID
    tool: str
    arguments_sha256: str
    person_ids: tuple[UUID, ...]


class Action(Aggregate):
    status: Status | None = None
    proposed: Proposed | None = None
    approved: ActionApproved | None = None
    started: ActionStarted | None = None

    def require(self) -> Proposed:
        """Raises Refusal `action_not_found`."""
        if self.proposed is None:
            raise Refusal("action_not_found", f"no action {self.id} in this agent")
        return self.proposed

    def approve(self, by: str, now: datetime, seen_sha256: str | None, about: tuple[UUID, ...]) -> None:
        proposed = self._require_proposed()
        if seen_sha256 is not None and seen_sha256 != proposed.arguments_sha256:
            raise Refusal("approval_mismatch", "the action's arguments are not those that you saw; read it again")
        digest, expires_at = proposed.arguments_sha256, now + timedelta(seconds=APPROVAL_SECONDS)
        self.emit(
            ActionApproved(self.id, proposed.space_id, proposed.tool, digest, POLICY_VERSION, by, expires_at),
            about=about,
        )

    def reject(self, by: str, reason: str, about: tuple[UUID, ...] | None) -> None:
        """Without `about`, somebody was erased: it is decided all the same, and the reason is not kept."""
        if len(reason) > LABEL_CHARS_MAX or "\0" in reason:
            raise Refusal("text_too_long", f"a reason has at most {LABEL_CHARS_MAX} characters, none of them NUL")
        proposed = self._require_proposed()
        self._tell(ActionRejected(self.id, proposed.space_id, by, reason), about)

    def _require_proposed(self) -> Proposed:
        proposed = self.require()
        if self.status is not Status.PROPOSED:
            raise Refusal("action_not_proposed", f"the action is {self.status}; only a proposed one can be decided")
        return proposed

    def start(self, attempt_id: UUID, executor: str, now: datetime, about: tuple[UUID, ...]) -> None:
        """Claim the action for one attempt, or settle what can no longer be started.

        Raises Refusal `lease_held` while another attempt's lease runs, `action_not_approved` in any other state.
        """
        proposed = self.require()
        if self.status is Status.STARTED and self.started is not None:
            self._claim_again(self.started, attempt_id, now)
            return
        if self.status is not Status.APPROVED or self.approved is None:
            raise Refusal("action_not_approved", f"the action is {self.status}; only an approved one can be started")
        if now >= self.approved.expires_at:
            self.emit(
                ActionFailed(
                    self.id,
                    proposed.space_id,
                    "approval_expired",
                    f"the approval was good until {self.approved.expires_at.isoformat()}",
                ),
                about=about,
            )
            return
        lease = now + timedelta(seconds=LEASE_SECONDS)
        self.emit(ActionStarted(self.id, proposed.space_id, attempt_id, executor, lease))

    def _claim_again(self, started: ActionStarted, attempt_id: UUID, now: datetime) -> None:
        if started.attempt_id == attempt_id:
            return
        if now < started.lease_expires_at:
            raise Refusal(
                "lease_held",
                "another attempt is under way",
                retry_after_seconds=(started.lease_expires_at - now).total_seconds(),
            )
        self.emit(ActionOutcomeUnknown(self.id, started.space_id, started.attempt_id))

    def _tell(self, event: Event, about: tuple[UUID, ...] | None) -> None:
        """Of somebody who was erased nothing is written down."""
        if about is not None:
            self.emit(event, about=about)
        else:
            self.emit(personal.erased(event))

    def finish(self, command: FinishAction, about: tuple[UUID, ...] | None) -> None:
        """Record the outcome of the attempt that holds the lease; said twice, it is recorded once.

        Raises Refusal `lease_lost` for another attempt, `action_not_started` when nothing was started.
        """
        proposed = self.require()
        if self.started is None:
            raise Refusal("action_not_started", f"the action is {self.status}")
        if self.started.attempt_id != command.attempt_id:
            raise Refusal("lease_lost", "another attempt holds this action")
        if self.status not in (Status.STARTED, Status.UNKNOWN):
            return
        outcome = _outcome(command)
        if isinstance(outcome, bytes):
            succeeded = ActionSucceeded(self.id, proposed.space_id, command.attempt_id, outcome.decode())
            self._tell(succeeded, about)
        else:
            failed = ActionFailed(self.id, proposed.space_id, *outcome, attempt_id=command.attempt_id)
            self._tell(failed, about)

    def when(self, event: Event) -> None:
        match event:
            case ActionProposed():
                self.status = Status.PROPOSED
                self.proposed = Proposed(event.space_id, event.tool, event.arguments_sha256, event.person_ids)
            case ActionApproved():
                self.status, self.approved = Status.APPROVED, event
            case ActionRejected():
                self.status = Status.REJECTED
            case ActionStarted():
                self.status, self.started = Status.STARTED, event
            case ActionSucceeded():
                self.status = Status.SUCCEEDED
            case ActionFailed():
                self.status = Status.FAILED
            case ActionOutcomeUnknown():
                self.status = Status.UNKNOWN


def _outcome(command: FinishAction) -> bytes | tuple[str, str]:
    """Canonical bytes of the result, or a failure's code and detail. A result that cannot be kept is a failure."""
    if command.result is None:
        return command.code or "tool_error", command.detail[:FAILURE_CHARS_MAX].replace("\0", " ")
    try:
        result = canonical.encode_any(command.result)
    except ValueError as error:
        return "result_invalid", f"the tool's result is not canonical JSON: {error}"
    if len(result) > RESULT_BYTES_MAX:
        return "result_too_large", f"the tool's result has {len(result)} bytes; at most {RESULT_BYTES_MAX}"
    return result
