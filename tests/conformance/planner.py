"""What every Planner promises, whatever it thinks with: proposals that the domain can take, about what was said."""

import unicodedata
from datetime import UTC, datetime
from uuid import UUID

import pytest

from domain import canonical
from domain.limits import (
    ARGUMENTS_BYTES_MAX,
    EVIDENCE_PER_ACTION_MAX,
    LABEL_CHARS_MAX,
    PROPOSALS_PER_PLAN_MAX,
    TEXT_CHARS_MAX,
)
from domain.ports import Planner, Utterance

_PROMISE = "I'll send the drawings to the workshop by Friday. "

TEXTS = {
    "nothing": "",
    "only space": " \n\t ",
    "only noise": "{vocalsound} um , uh .",
    "one word": "Yes.",
    "a promise": _PROMISE,
    "a request": "Could you please book the workshop for the next meeting?",
    "a decision": "Okay, let's go with the wooden handle.",
    "talk": "The weather was lovely at the coast.",
    "as many promises as fit": (_PROMISE * TEXT_CHARS_MAX)[:TEXT_CHARS_MAX],
    "a promise without an end": ("I'll paint the fence " + "and the gate " * TEXT_CHARS_MAX)[:TEXT_CHARS_MAX],
    "a promise of one long word": ("I'll paint the fence " + "e" * TEXT_CHARS_MAX)[:TEXT_CHARS_MAX],
    "wide characters": ("I'll bring the cake 🎂 for us " + "🎂" * TEXT_CHARS_MAX)[:TEXT_CHARS_MAX],
    "control characters": ("I'll send\x00 the \x1bdrawings \x07today " + "\x01" * TEXT_CHARS_MAX)[:TEXT_CHARS_MAX],
    "quotes and backslashes": ('I\'ll write "the \\ end" on it ' + '"\\' * TEXT_CHARS_MAX)[:TEXT_CHARS_MAX],
    "another script": "我星期五之前把图纸发给你。 سأرسل الرسومات غدا.",
    "joined emoji": "please call the 👩🏽‍🚒 before noon tomorrow 🇪🇺",
}


def said(text: str) -> Utterance:
    return Utterance(
        agent_id=UUID(int=1),
        space_id=UUID(int=2),
        position=42,
        person_id=UUID(int=3),
        speaker="Grace 🦉",
        text=text,
        occurred_at=datetime(2025, 1, 1, tzinfo=UTC),
    )


class PlannerContract:
    """Inherit, and give the fixture `planner`."""

    @pytest.fixture(params=list(TEXTS.values()), ids=list(TEXTS))
    def utterance(self, request: pytest.FixtureRequest) -> Utterance:
        return said(request.param)

    async def test_proposes_no_more_than_a_plan_may_hold(self, planner: Planner, utterance: Utterance) -> None:
        assert len(await planner.plan(utterance)) <= PROPOSALS_PER_PLAN_MAX

    async def test_tool_and_title_are_labels(self, planner: Planner, utterance: Utterance) -> None:
        for proposal in await planner.plan(utterance):
            assert 1 <= len(proposal.tool) <= LABEL_CHARS_MAX
            assert 1 <= len(proposal.title) <= LABEL_CHARS_MAX
            assert "Cc" not in map(unicodedata.category, proposal.title), "a control character would break a list"

    async def test_arguments_are_canonical_and_bounded(self, planner: Planner, utterance: Utterance) -> None:
        for proposal in await planner.plan(utterance):
            assert len(canonical.encode_any(proposal.arguments)) <= ARGUMENTS_BYTES_MAX

    async def test_a_proposal_says_why(self, planner: Planner, utterance: Utterance) -> None:
        for proposal in await planner.plan(utterance):
            assert proposal.rationale.strip()

    async def test_a_proposal_rests_on_the_utterance(self, planner: Planner, utterance: Utterance) -> None:
        for proposal in await planner.plan(utterance):
            assert utterance.position in proposal.rests_on
            assert max(proposal.rests_on) == utterance.position
            assert len(proposal.rests_on) <= EVIDENCE_PER_ACTION_MAX

    @pytest.mark.parametrize("silence", ["", " \n\t "])
    async def test_silence_is_no_ground_for_a_proposal(self, planner: Planner, silence: str) -> None:
        assert await planner.plan(said(silence)) == []
