"""The rules propose what people promised, asked for and decided, and keep quiet about the rest of what they say."""

import time
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.rules import speech
from adapters.rules.planner import PROPOSALS_PER_UTTERANCE_MAX, TITLE_CHARS_MAX, RulePlanner
from adapters.rules.rules import RULES
from domain import canonical
from domain.limits import ARGUMENTS_BYTES_MAX, LABEL_CHARS_MAX, TEXT_CHARS_MAX
from domain.ports import Proposal, Utterance

GRACE = UUID(int=3)


def said(text: str, speaker: str = "Grace") -> Utterance:
    return Utterance(UUID(int=1), UUID(int=2), 42, GRACE, speaker, text, datetime(2025, 1, 1, tzinfo=UTC))


async def plan(text: str) -> list[Proposal]:
    return await RulePlanner().plan(said(text))


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("I'll send the drawings to the workshop.", "Send the drawings to the workshop"),
        ("I’ll send the drawings to the workshop.", "Send the drawings to the workshop"),
        ("Sure, I will water the plants in the hall", "Water the plants in the hall"),
        ("Okay so I'm going to sand the table.", "Sand the table"),
        ("Well, let me measure the door frame", "Measure the door frame"),
        ("I think we need to order more varnish.", "Order more varnish"),
        ("We'll be testing the hinges, I guess.", "Testing the hinges"),
        ("And we have to return the drill, so.", "Return the drill"),
        ("I'll have to phone the landlord.", "Phone the landlord"),
    ],
)
async def test_a_commitment_becomes_a_reminder_about_the_speaker(text: str, title: str) -> None:
    [proposal] = await plan(text)
    assert (proposal.tool, proposal.title) == ("reminder", title)
    assert proposal.arguments["about"] == "Grace"
    assert proposal.arguments["person_id"] == str(GRACE)


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Could you send me the offer from the mill?", "Send me the offer from the mill"),
        ("Would you mind checking the fuse box?", "Checking the fuse box"),
        ("Can you please wipe the counter?", "Wipe the counter"),
        ("Can someone sweep the yard?", "Sweep the yard"),
        ("Please bring your own brush.", "Bring your own brush"),
        ("Make sure that the gas is off!", "Make sure that the gas is off"),
        ("Don't forget to lock the shed.", "Don't forget to lock the shed"),
        ("Let me know when the glue has dried.", "Let me know when the glue has dried"),
        ("You need to carry the ladder upstairs.", "Carry the ladder upstairs"),
    ],
)
async def test_a_request_becomes_a_reminder_about_nobody_yet(text: str, title: str) -> None:
    [proposal] = await plan(text)
    assert (proposal.tool, proposal.title) == ("reminder", title)
    assert "about" not in proposal.arguments


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Okay, let's go with oak.", "Go with oak"),
        ("We'll go for the cheaper lamp then.", "Go for the cheaper lamp"),
        ("We've decided to close the side entrance.", "Decided to close the side entrance"),
        ("Agreed, we open at nine on Sundays.", "We open at nine on Sundays"),
        ("So we're going to build two benches.", "Build two benches"),
        ("We'll just say that it's a garden chair.", "That it's a garden chair"),
        ("Our budget is nine hundred pounds.", "Our budget is nine hundred pounds"),
        ("The seat must be wide and washable.", "The seat must be wide and washable"),
    ],
)
async def test_a_decision_becomes_a_note(text: str, title: str) -> None:
    [proposal] = await plan(text)
    assert (proposal.tool, proposal.title) == ("note", title)
    assert proposal.arguments == {"text": text, "kind": "decision", "person_id": str(GRACE)}


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("I'll send the drawings by Friday.", "by Friday"),
        ("I'll send the drawings tomorrow morning.", "tomorrow morning"),
        ("I'll send the drawings next week.", "next week"),
        ("I'll send the drawings before the next meeting.", "before the next meeting"),
        ("I'll send the drawings in five minutes.", "in five minutes"),
        ("I'll send the drawings within 14 days.", "within 14 days"),
        ("I'll send the drawings by the end of the month.", "by the end of the month"),
        ("I'll send the drawings on May 3.", "on May 3"),
        ("I'll send the drawings before 15:30.", "before 15:30"),
        ("By Monday I'll send the drawings.", "By Monday"),
        ("We should call the plumber this afternoon.", "this afternoon"),
        ("Prepare two samples for the next meeting.", "for the next meeting"),
        ("The next meeting starts in half an hour.", "in half an hour"),
    ],
)
async def test_a_time_that_was_named_is_kept_as_it_was_said(text: str, due: str) -> None:
    [proposal] = await plan(text)
    assert proposal.arguments["due"] == due


@pytest.mark.parametrize("text", ["I'll send the drawings.", "I'll send last Friday's drawings."])
async def test_without_a_time_nothing_is_due(text: str) -> None:
    [proposal] = await plan(text)
    assert "due" not in proposal.arguments


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Can you hear me at the back?", id="asking whether one is heard"),
        pytest.param("Could you repeat the last figure, please?", id="asking to hear it again"),
        pytest.param("Could you explain the second drawing?", id="asking to understand"),
        pytest.param("Would you like some more coffee, Grace?", id="an offer of coffee"),
        pytest.param("Would you use a lamp with two switches?", id="asking for an opinion"),
        pytest.param("Please wait a moment outside.", id="a courtesy"),
        pytest.param("Let's see what the garden looks like.", id="let's see"),
        pytest.param("Let me see the list of plants.", id="let me see"),
        pytest.param("Let me share my screen with everyone.", id="handling the call"),
        pytest.param("I'll just say one more thing about paint.", id="talk about talking"),
        pytest.param("I'll do that.", id="a promise of nothing in particular"),
        pytest.param("I think we'll come round to that one later.", id="a promise to come to it"),
        pytest.param("I will be the host of the evening show.", id="a role"),
        pytest.param("I'm going to the dentist on Monday.", id="a way to go"),
        pytest.param("If I'll paint the fence, you mow the lawn.", id="a condition"),
        pytest.param("If the pipe bursts, we need to call the plumber.", id="something that may never be"),
        pytest.param("Suppose we have to paint the fence tomorrow.", id="a supposition"),
        pytest.param("Guests will want a second bathroom.", id="what others will want"),
        pytest.param("I won't paint the fence today.", id="a refusal"),
        pytest.param("I will not paint the fence today.", id="a refusal in full"),
        pytest.param("We don't have to paint the fence.", id="something that need not be"),
        pytest.param("I don't think we need to paint the fence.", id="something thought needless"),
        pytest.param("Do you think we need to paint the fence?", id="a question"),
        pytest.param("Do you remember what we have to paint outside?", id="a question about a task"),
        pytest.param("You have to add salt to the water if you like it.", id="general advice"),
        pytest.param("We should paint the fence.", id="an idea without a time"),
        pytest.param("Our budget is too small for marble.", id="a complaint about money"),
        pytest.param("Agreed, that sounds like a good plan.", id="plain assent"),
        pytest.param("Let's go for a walk along the river.", id="a walk"),
        pytest.param("We have to {disfmarker} the paint is still wet.", id="a sentence that broke off"),
        pytest.param("Um , yeah . {vocalsound} Mm-hmm .", id="noise"),
        pytest.param("Yes please.", id="an answer"),
    ],
)
async def test_nothing_is_proposed_upon(text: str) -> None:
    assert await plan(text) == []


@pytest.mark.parametrize(
    ("raw", "readable"),
    [
        pytest.param("So um , the the {gap} lamp , uh , works .", "So the lamp, works.", id="noise and stutter"),
        pytest.param("I I'll we we need two", "I'll we need two", id="a restart with a contraction"),
        pytest.param("it's it's very very late", "it's very late", id="contractions said twice"),
        pytest.param("if you can if you can come", "if you can come", id="a phrase said twice"),
        pytest.param("a G_P_S_ for the U_K_ van", "a GPS for the UK van", id="spelled letters"),
        pytest.param("set MAX_SIZE to 3", "set MAX_SIZE to 3", id="an identifier stays"),
        pytest.param("a b box of th the pencils", "a box of the pencils", id="half-said words"),
        pytest.param("I don't think so", "I don't think so", id="a contraction is no half-said word"),
        pytest.param("we could {disfmarker} um no", "we could – no", id="a broken-off thought"),
        pytest.param("room two two one", "room two two one", id="a number said twice is meant"),
        pytest.param("it is 5 mm thick", "it is 5 mm thick", id="millimetres are no hesitation"),
        pytest.param("paint version 2.5 . Um . Good", "paint version 2.5. Good", id="a fraction and an empty sentence"),
        pytest.param("tabs\tand\x00nulls\ud800 too", "tabs and nulls too", id="what cannot be shown"),
    ],
)
def test_speech_is_written_down_readably(raw: str, readable: str) -> None:
    assert speech.clean(raw) == readable


async def test_the_text_is_the_whole_sentence_for_its_context() -> None:
    """A title may lose a condition that the speaker added; the approver still reads it."""
    [proposal] = await plan("It rained. I'll paint the fence, but they must bring the ladder.")
    assert proposal.title == "Paint the fence"
    assert proposal.arguments["text"] == "I'll paint the fence, but they must bring the ladder."


async def test_each_clause_may_hold_its_own_proposal() -> None:
    proposals = await plan("I'll cut the boards, so you need to sharpen the saw, and please order some screws.")
    assert [proposal.title for proposal in proposals] == ["Cut the boards", "Sharpen the saw", "Order some screws"]


async def test_in_one_clause_the_trigger_that_comes_first_counts() -> None:
    [proposal] = await plan("I'll cut the boards and please order some screws.")
    assert proposal.title == "Cut the boards and please order some screws"
    assert proposal.arguments["about"] == "Grace"


async def test_a_label_that_json_cannot_hold_is_cleaned() -> None:
    [proposal] = await RulePlanner().plan(said("I'll cut the boards.", speaker="Gra\ud800ce \x07 H."))
    assert proposal.arguments["about"] == "Gra ce H."


async def test_what_is_said_twice_is_proposed_once() -> None:
    assert len(await plan("I'll cut the boards. Yeah, I'll cut the boards!")) == 1


async def test_a_flood_of_promises_is_cut_at_the_fourth() -> None:
    proposals = await plan(" ".join(f"I'll paint fence number {number}." for number in range(9)))
    assert [proposal.title[-1] for proposal in proposals] == ["0", "1", "2", "3"]


async def test_a_long_title_is_cut_at_a_word() -> None:
    [proposal] = await plan("I'll carry " + " and ".join(f"chair{number}" for number in range(60)))
    assert len(proposal.title) <= TITLE_CHARS_MAX
    assert proposal.title.endswith("…")
    assert proposal.title[:-1].split()[-1] in str(proposal.arguments["text"]).split()


async def test_the_rationale_names_the_rule_and_quotes_nobody() -> None:
    """Rationales are stored in the clear, so they must not hold what was said (invariant I9)."""
    of_the_table = {f"Rule “{rule.name}”: {rule.reason}" for rule in RULES}
    for text in ("I'll send the drawings by Friday.", "Please call Ada Lovelace.", "Let's go with oak."):
        [proposal] = await plan(text)
        assert proposal.rationale in of_the_table


def test_every_rule_has_its_own_name() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)


TRIGGERS = [
    "I'll send the drawings", "please sweep the yard", "let's go with oak",
    "I'll", "I will", "we need to", "you have to", "let me", "could you", "please", "let's go with", "we decided to",
    "agreed,", "so we're going to", "the price is ten", "it must be", "make sure", "send", "the next meeting is",
    "by Friday", "tomorrow", "in five minutes", "if", "not", "so", "I think",
    "{disfmarker}", "um", ".", ",", "?", "–", "\n",
]  # fmt: skip
anything = st.text(st.characters(), max_size=60)
talk = st.lists(st.sampled_from(TRIGGERS) | anything | st.from_regex(r"[a-z]{1,12}", fullmatch=True), max_size=60)


@given(text=anything | talk.map(" ".join), speaker=st.text(st.characters(), max_size=LABEL_CHARS_MAX))
async def test_whatever_is_said_the_proposals_are_in_bounds_and_the_same_twice(text: str, speaker: str) -> None:
    utterance = said(text, speaker)
    proposals = await RulePlanner().plan(utterance)
    assert len(proposals) <= PROPOSALS_PER_UTTERANCE_MAX
    for proposal in proposals:
        assert len(canonical.encode_any(proposal.arguments)) <= ARGUMENTS_BYTES_MAX
        assert 1 <= len(proposal.title) <= TITLE_CHARS_MAX <= LABEL_CHARS_MAX
        assert proposal.rests_on == (utterance.position,)
    assert await RulePlanner().plan(utterance) == proposals


HOSTILE = [
    "I will ", "(", "a", "{", "[a", "A_", "1 ", "thirty ", " ,", "– ", "I I'", "x'", "no no ", "so, so we need to ",
    "the our ", "could you please please ", "by the end of the ", "it has to be ", "not I will ", "\n", "I will.\n",
    "🎂", ",", ", ", "so I'll not ",
    pytest.param(" ".join(f"fence{number}" for number in range(TEXT_CHARS_MAX // 8)), id="words that never repeat"),
]  # fmt: skip


@pytest.mark.parametrize("seed", HOSTILE)
async def test_hostile_text_costs_no_more_than_its_length(seed: str) -> None:
    """Four times the text may cost about four times the time; sixteen times would be the square."""
    whole = (seed * (TEXT_CHARS_MAX // len(seed) + 1))[:TEXT_CHARS_MAX]
    quarter_seconds = await _best_of_three(whole[: TEXT_CHARS_MAX // 4])
    noise_seconds = 0.005  # below this, the clock and the machine say more than the patterns
    assert await _best_of_three(whole) <= 10 * max(quarter_seconds, noise_seconds)


async def _best_of_three(text: str) -> float:
    """Processor seconds of this process, so that a busy machine does not count."""
    seconds = []
    for _ in range(3):
        before = time.process_time()
        await plan(text)
        seconds.append(time.process_time() - before)
    return min(seconds)
