"""Plans: what a planner concludes from something that was said. It proposes; it never executes (invariant I7)."""

from typing import Any
from uuid import UUID

from domain import canonical, ids
from domain.actions import Action, ActionProposed
from domain.limits import (
    ARGUMENTS_BYTES_MAX,
    EVIDENCE_PER_ACTION_MAX,
    LABEL_CHARS_MAX,
    PROPOSALS_PER_PLAN_MAX,
    RATIONALE_CHARS_MAX,
)
from domain.people import require_people
from domain.ports import Proposal
from domain.refusals import Refusal
from domain.runtime import Command, Work, handles
from domain.spaces import Space
from domain.transcripts import TranscriptChunkRecorded


class RecordPlan(Command, frozen=True):
    """Everything that a planner concludes from one event, together. Sent again for it, it changes nothing."""

    space_id: UUID
    about: UUID
    """The event that was planned about; the proposals' ids follow from it."""
    proposals: tuple[Proposal, ...]


@handles(RecordPlan)
async def record_plan(command: RecordPlan, work: Work) -> dict[str, Any]:
    if len(command.proposals) > PROPOSALS_PER_PLAN_MAX:
        raise Refusal("batch_too_large", f"{len(command.proposals)} proposals; at most {PROPOSALS_PER_PLAN_MAX}")
    speakers = await _speakers(command, work)
    space = Space(command.space_id)
    actions = [Action(ids.action_id(command.about, index)) for index in range(len(command.proposals))]
    await work.load(space, *actions)
    space.require()
    about = await require_people(work, speakers.values())
    if not any(action.exists for action in actions):  # a planner that thinks again may come to other proposals
        for action, proposal in zip(actions, command.proposals, strict=True):
            proposed = _proposed(action.id, space.id, proposal, speakers)
            action.emit(proposed, about=tuple([person for person in proposed.person_ids if person in about]))
    return {"space_id": space.id, "action_ids": [action.id for action in actions if action.exists]}


async def _speakers(command: RecordPlan, work: Work) -> dict[int, UUID]:
    """Who said what the proposals rest on. Raises Refusal `evidence_unknown` for anything that was not said there."""
    positions = sorted({position for proposal in command.proposals for position in proposal.rests_on})
    said = {
        recorded.position: recorded.payload.person_id
        for recorded in await work.evidence(positions)
        if isinstance(recorded.payload, TranscriptChunkRecorded) and recorded.payload.space_id == command.space_id
    }
    unknown = [position for position in positions if position not in said]
    if unknown:
        raise Refusal("evidence_unknown", f"nothing was said in this space at the positions {unknown}")
    return said


def _proposed(action_id: UUID, space_id: UUID, proposal: Proposal, speakers: dict[int, UUID]) -> ActionProposed:
    if not 1 <= len(proposal.tool) <= LABEL_CHARS_MAX or not 1 <= len(proposal.title) <= LABEL_CHARS_MAX:
        raise Refusal("invalid_arguments", f"a tool's name and a title have 1 to {LABEL_CHARS_MAX} characters")
    if len(proposal.rationale) > RATIONALE_CHARS_MAX or "\0" in proposal.rationale + proposal.title + proposal.tool:
        raise Refusal("invalid_arguments", f"a rationale has at most {RATIONALE_CHARS_MAX} characters; NUL is no text")
    if not 1 <= len(proposal.rests_on) <= EVIDENCE_PER_ACTION_MAX:
        raise Refusal("evidence_unknown", f"a proposal rests on 1 to {EVIDENCE_PER_ACTION_MAX} positions")
    try:
        arguments = canonical.encode_any(proposal.arguments)
    except ValueError as error:
        raise Refusal("invalid_arguments", f"the arguments are not canonical JSON: {error}") from error
    if len(arguments) > ARGUMENTS_BYTES_MAX:
        raise Refusal("invalid_arguments", f"{len(arguments)} bytes of arguments; at most {ARGUMENTS_BYTES_MAX}")
    return ActionProposed(
        action_id=action_id,
        space_id=space_id,
        tool=proposal.tool,
        title=proposal.title,
        arguments_json=arguments.decode(),
        arguments_sha256=canonical.sha256_hex(arguments),
        rationale=proposal.rationale,
        rests_on=tuple(sorted(set(proposal.rests_on))),
        person_ids=tuple(dict.fromkeys(speakers[position] for position in sorted(set(proposal.rests_on)))),
    )
