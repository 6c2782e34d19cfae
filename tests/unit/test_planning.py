"""A plan proposes, once, what rests on words that were said in its space; it decides and executes nothing."""

from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from domain import canonical, ids
from domain.actions import ActionProposed
from domain.limits import ARGUMENTS_BYTES_MAX, EVIDENCE_PER_ACTION_MAX, LABEL_CHARS_MAX, PROPOSALS_PER_PLAN_MAX
from domain.planning import RecordPlan
from domain.ports import Proposal
from domain.refusals import Refusal
from domain.spaces import CreateSpace
from domain.transcripts import RecordTranscript, Spoken
from tests.unit.world import AGENT, OTHER, World

SPACE, RETRO = ids.space_id(AGENT, "kickoff"), ids.space_id(AGENT, "retro")
ABOUT = UUID(int=0xE)
FIRST, SECOND, ELSEWHERE = 4, 6, 7
"""Positions: what Ada said, what Grace said, and what Ada said in another space."""
PROPOSAL = Proposal("note", "Buy varnish", {"text": "buy varnish"}, "because", (FIRST,))


@pytest.fixture
async def world() -> World:
    world = World()
    await world.do(CreateSpace("kickoff"))
    await world.do(CreateSpace("retro"))
    await world.do(RecordTranscript(SPACE, (Spoken("Ada", "I'll buy varnish."), Spoken("Grace", "Good."))))
    await world.do(RecordTranscript(RETRO, (Spoken("Ada", "It went well."),)))
    return world


def plan(*proposals: Proposal, space: UUID = SPACE, about: UUID = ABOUT) -> RecordPlan:
    return RecordPlan(space, about, proposals)


async def proposed(world: World) -> list[ActionProposed]:
    return [event for event in await world.payloads() if isinstance(event, ActionProposed)]


async def test_I7_a_plan_only_proposes(world: World) -> None:
    before = await world.log.head()
    action = ids.action_id(ABOUT, 0)
    assert await world.result(plan(PROPOSAL)) == {"space_id": str(SPACE), "action_ids": [str(action)]}
    assert (await world.payloads())[before:] == [
        ActionProposed(
            action_id=action,
            space_id=SPACE,
            tool="note",
            title="Buy varnish",
            arguments_json='{"text":"buy varnish"}',
            arguments_sha256=canonical.sha256_hex(b'{"text":"buy varnish"}'),
            rationale="because",
            rests_on=(FIRST,),
            person_ids=(await world.person("Ada"),),
        )
    ]


async def test_I6_planned_twice_it_is_proposed_once(world: World) -> None:
    first = await world.result(plan(PROPOSAL, replace(PROPOSAL, title="Sand the door")))
    head = await world.log.head()
    again = await world.result(plan(PROPOSAL, replace(PROPOSAL, title="Sand the door")))
    assert again == first
    assert await world.log.head() == head


async def test_I6_a_planner_that_thinks_again_changes_nothing(world: World) -> None:
    first = await world.result(plan(PROPOSAL))
    again = await world.result(plan(replace(PROPOSAL, title="Buy paint"), replace(PROPOSAL, title="Buy brushes")))
    assert again == first
    assert [action.title for action in await proposed(world)] == ["Buy varnish"]


async def test_plans_about_different_events_propose_different_actions(world: World) -> None:
    await world.do(plan(PROPOSAL))
    await world.do(plan(PROPOSAL, about=UUID(int=0xF)))
    assert len({action.action_id for action in await proposed(world)}) == 2


async def test_I10_plans_of_two_agents_about_the_same_event_do_not_meet(world: World) -> None:
    await world.do(CreateSpace("kickoff"), agent=OTHER)
    theirs = ids.space_id(OTHER, "kickoff")
    said = await world.do(RecordTranscript(theirs, (Spoken("Ada", "Me too."),)), agent=OTHER)
    await world.do(plan(PROPOSAL))
    await world.do(plan(replace(PROPOSAL, rests_on=(said.position,)), space=theirs), agent=OTHER)
    assert [action.space_id for action in await proposed(world)] == [SPACE, theirs]


async def test_evidence_is_kept_in_order_once_with_the_people_who_said_it(world: World) -> None:
    await world.do(plan(replace(PROPOSAL, rests_on=(SECOND, FIRST, SECOND))))
    [action] = await proposed(world)
    assert (action.rests_on, action.person_ids) == (
        (FIRST, SECOND),
        (await world.person("Ada"), await world.person("Grace")),
    )


@pytest.mark.parametrize(
    "rests_on",
    [
        pytest.param((), id="nothing"),
        pytest.param((999,), id="a position that is not there"),
        pytest.param((0,), id="zero"),
        pytest.param((-FIRST,), id="negative"),
        pytest.param((2**70,), id="beyond every log"),
        pytest.param((1,), id="something that nobody said"),
        pytest.param((ELSEWHERE,), id="something said in another space"),
        pytest.param((FIRST, ELSEWHERE), id="partly said in another space"),
        pytest.param((FIRST,) * (EVIDENCE_PER_ACTION_MAX + 1), id="too much"),
    ],
)
async def test_I7_a_proposal_rests_on_what_was_said_in_its_space(world: World, rests_on: tuple[int, ...]) -> None:
    with pytest.raises(Refusal, match="evidence_unknown"):
        await world.do(plan(PROPOSAL, replace(PROPOSAL, rests_on=rests_on)))
    assert await proposed(world) == []


async def test_I10_what_another_agent_heard_is_no_evidence(world: World) -> None:
    await world.do(CreateSpace("kickoff"), agent=OTHER)
    with pytest.raises(Refusal, match="evidence_unknown"):
        await world.do(plan(PROPOSAL, space=ids.space_id(OTHER, "kickoff")), agent=OTHER)


async def test_a_space_that_does_not_exist_has_no_plans(world: World) -> None:
    with pytest.raises(Refusal, match="space_not_found"):
        await world.do(plan(space=UUID(int=5)))


@pytest.mark.parametrize(
    ("changed", "detail"),
    [
        ({"tool": ""}, "a tool's name and a title"),
        ({"tool": "x" * (LABEL_CHARS_MAX + 1)}, "a tool's name and a title"),
        ({"title": ""}, "a tool's name and a title"),
        ({"title": "x" * (LABEL_CHARS_MAX + 1)}, "a tool's name and a title"),
        ({"arguments": {"price": 1.5}}, "not canonical JSON"),
        ({"arguments": {"amount": 2**53}}, "not canonical JSON"),
        ({"arguments": {"ключ": 1}}, "not canonical JSON"),
        ({"arguments": {"text": "\ud800"}}, "not canonical JSON"),
        ({"arguments": {"text": "x" * ARGUMENTS_BYTES_MAX}}, "bytes of arguments"),
    ],
)
async def test_I12_a_proposal_that_nobody_could_read_keeps_the_whole_plan_out(
    world: World, changed: dict[str, Any], detail: str
) -> None:
    with pytest.raises(Refusal, match=detail) as refused:
        await world.do(plan(PROPOSAL, replace(PROPOSAL, **changed)))
    assert refused.value.code == "invalid_arguments"
    assert await proposed(world) == []


async def test_I12_a_plan_has_no_more_proposals_than_somebody_can_look_at(world: World) -> None:
    with pytest.raises(Refusal, match="batch_too_large"):
        await world.do(plan(*[PROPOSAL] * (PROPOSALS_PER_PLAN_MAX + 1)))
    await world.do(plan(*[PROPOSAL] * PROPOSALS_PER_PLAN_MAX))
    assert len(await proposed(world)) == PROPOSALS_PER_PLAN_MAX


async def test_arguments_of_just_the_largest_size_are_taken(world: World) -> None:
    fits = {"text": "x" * (ARGUMENTS_BYTES_MAX - len('{"text":""}'))}
    await world.do(plan(replace(PROPOSAL, arguments=fits)))
    assert len(await proposed(world)) == 1
