"""What is done with actions: the handlers of the commands of domain/actions.py."""

from typing import Any

from domain import canonical
from domain.actions import (
    Action,
    ActionApproved,
    ActionProposed,
    ApproveAction,
    FinishAction,
    RejectAction,
    StartAction,
    Status,
)
from domain.people import require_people, subjects
from domain.refusals import Refusal
from domain.runtime import Work, handles


@handles(ApproveAction)
async def approve(command: ApproveAction, work: Work) -> dict[str, Any]:
    action = Action(command.action_id)
    await work.load(action)
    about = await require_people(work, action.require().person_ids)
    action.approve(work.actor, work.now, command.arguments_sha256, about)
    return {"action_id": action.id, "status": action.status}


@handles(RejectAction)
async def reject(command: RejectAction, work: Work) -> dict[str, Any]:
    action = Action(command.action_id)
    await work.load(action)
    about = await subjects(work, action.require().person_ids)
    action.reject(work.actor, command.reason, about)
    return {"action_id": action.id, "status": action.status}


@handles(StartAction)
async def start(command: StartAction, work: Work) -> dict[str, Any]:
    """Answers with where the arguments are that were approved, for the executor that holds the lease: answers are kept,
    and nothing personal is kept in them. `event_id` is the start itself, the cause of the outcome.
    """
    action = Action(command.action_id)
    await work.load(action)
    about = await require_people(work, action.require().person_ids)
    action.start(command.attempt_id, work.actor, work.now, about)
    answer: dict[str, Any] = {"action_id": action.id, "status": action.status}
    if action.status is Status.STARTED and action.last is not None and action.approved is not None:
        position = await _approved_at(action.approved, work)
        answer |= {"tool": action.approved.tool, "proposed_position": position, "event_id": action.last.event_id}
    return answer


async def _approved_at(approved: ActionApproved, work: Work) -> int:
    """The position of the proposal. Raises Refusal unless its arguments are the bytes that were approved."""
    for recorded in await work.history(approved.action_id):
        if isinstance(recorded.payload, ActionProposed):
            if canonical.sha256_hex(recorded.payload.arguments_json.encode()) != approved.arguments_sha256:
                raise Refusal("approval_mismatch", "the approval is for other arguments")
            return recorded.position
    raise Refusal("action_not_found", f"no action {approved.action_id} in this agent")


@handles(FinishAction)
async def finish(command: FinishAction, work: Work) -> dict[str, Any]:
    action = Action(command.action_id)
    await work.load(action)
    action.finish(command, await subjects(work, action.require().person_ids))
    return {"action_id": action.id, "status": action.status}
