"""What was said is recorded once, in its order, whole or not at all; who said it becomes a person at first sight."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from domain import ids
from domain.limits import CHUNKS_PER_BATCH_MAX, LABEL_CHARS_MAX, SOURCE_ID_CHARS_MAX, TEXT_CHARS_MAX
from domain.people import PersonRegistered
from domain.refusals import Refusal
from domain.spaces import CreateSpace, SpaceCreated
from domain.transcripts import RecordTranscript, Spoken, TranscriptChunkRecorded
from tests.unit.world import AGENT, OTHER, World

SPACE = ids.space_id(AGENT, "kickoff")
NOON = datetime(2025, 6, 1, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
async def world() -> World:
    world = World()
    await world.do(CreateSpace("kickoff"))
    return world


def said(*chunks: Spoken, space: UUID = SPACE) -> RecordTranscript:
    return RecordTranscript(space, chunks)


async def chunks(world: World) -> list[TranscriptChunkRecorded]:
    return [event for event in await world.payloads() if isinstance(event, TranscriptChunkRecorded)]


async def people(world: World) -> list[str]:
    return [event.label for event in await world.payloads() if isinstance(event, PersonRegistered)]


async def test_a_chunk_is_recorded_with_the_person_who_said_it(world: World) -> None:
    answer = await world.result(said(Spoken("Ada", "Hello.", id="1")))
    chunk, ada = ids.chunk_id(SPACE, "1"), await world.person("Ada")
    assert answer == {
        "space_id": str(SPACE),
        "recorded": 1,
        "chunks": [{"chunk_id": str(chunk), "person_id": str(ada), "recorded": True}],
    }
    assert (await world.payloads())[1:] == [
        PersonRegistered(ada, "Ada"),
        TranscriptChunkRecorded(chunk, SPACE, ada, "Ada", "Hello.", source_id="1"),
    ]


async def test_a_batch_keeps_its_order_and_meets_each_person_once(world: World) -> None:
    await world.do(said(Spoken("Ada", "One."), Spoken("Grace", "Two."), Spoken("Ada", "Three.")))
    assert [(chunk.speaker, chunk.text) for chunk in await chunks(world)] == [
        ("Ada", "One."),
        ("Grace", "Two."),
        ("Ada", "Three."),
    ]
    await world.do(said(Spoken("Ada", "Four.")))
    assert await people(world) == ["Ada", "Grace"]


@pytest.mark.parametrize("label", ["Zoë Ray", " Zoë  Ray ", "Zoe\u0308\tRay", "Zoë\u00a0Ray"])
async def test_one_label_in_any_spelling_is_one_person(world: World, label: str) -> None:
    await world.do(said(Spoken("Zoë Ray", "One.")))
    await world.do(said(Spoken(label, "Two.")))
    assert await people(world) == ["Zoë Ray"]
    assert [chunk.speaker for chunk in await chunks(world)] == ["Zoë Ray", "Zoë Ray"]


async def test_I10_the_same_label_is_another_person_for_another_agent(world: World) -> None:
    await world.do(CreateSpace("kickoff"), agent=OTHER)
    await world.do(said(Spoken("Ada", "Mine.")))
    await world.do(said(Spoken("Ada", "Theirs."), space=ids.space_id(OTHER, "kickoff")), agent=OTHER)
    mine, theirs = await chunks(world)
    assert mine.person_id != theirs.person_id


async def test_I10_a_space_of_another_agent_is_not_found(world: World) -> None:
    with pytest.raises(Refusal, match="space_not_found"):
        await world.do(said(Spoken("Ada", "Hello.")), agent=OTHER)
    assert [type(event) for event in await world.payloads()] == [SpaceCreated]


async def test_I6_a_chunk_that_is_sent_again_stays_as_it_is(world: World) -> None:
    first = await world.result(said(Spoken("Ada", "Hello.", id="1")))
    again = await world.result(said(Spoken("Ada ", "Hello.", id="1"), Spoken("Ada", "And more.", id="2")))
    assert again["recorded"] == 1
    assert [chunk["recorded"] for chunk in again["chunks"]] == [False, True]
    assert again["chunks"][0]["chunk_id"] == first["chunks"][0]["chunk_id"]
    assert [chunk.text for chunk in await chunks(world)] == ["Hello.", "And more."]


async def test_a_chunk_twice_in_one_batch_is_recorded_once(world: World) -> None:
    answer = await world.result(said(Spoken("Ada", "Hello.", id="1"), Spoken("Ada", "Hello.", id="1")))
    assert [chunk["recorded"] for chunk in answer["chunks"]] == [True, False]
    assert len(await chunks(world)) == 1


@pytest.mark.parametrize("other", [Spoken("Ada", "Goodbye.", id="1"), Spoken("Grace", "Hello.", id="1")])
async def test_history_is_not_rewritten_and_the_whole_batch_stays_out(world: World, other: Spoken) -> None:
    await world.do(said(Spoken("Ada", "Hello.", id="1")))
    with pytest.raises(Refusal, match="chunk_differs"):
        await world.do(said(Spoken("Mary", "Before.", id="0"), other))
    assert [chunk.text for chunk in await chunks(world)] == ["Hello."]
    assert await people(world) == ["Ada"]


async def test_the_same_source_id_in_another_space_is_another_chunk(world: World) -> None:
    await world.do(CreateSpace("retro"))
    await world.do(said(Spoken("Ada", "Hello.", id="1")))
    answer = await world.result(said(Spoken("Ada", "Goodbye.", id="1"), space=ids.space_id(AGENT, "retro")))
    assert answer["recorded"] == 1


async def test_chunks_without_a_source_id_are_never_the_same(world: World) -> None:
    await world.do(said(Spoken("Ada", "Yes."), Spoken("Ada", "Yes.")))
    assert len({chunk.chunk_id for chunk in await chunks(world)}) == 2


async def test_a_chunk_happened_when_it_was_said_and_its_times_are_kept_in_utc(world: World) -> None:
    east = timezone(timedelta(hours=5, minutes=30))
    await world.do(
        said(Spoken("Ada", "Hello.", started_at=NOON.astimezone(east), ended_at=NOON + timedelta(seconds=2)))
    )
    [chunk] = await chunks(world)
    assert (chunk.started_at, chunk.ended_at) == (NOON, NOON + timedelta(seconds=2))
    assert chunk.started_at is not None
    assert chunk.started_at.utcoffset() == timedelta(0)
    assert (await world.events())[-1].occurred_at == NOON


@pytest.mark.parametrize(
    ("spoken", "code"),
    [
        (Spoken("Ada", ""), "text_empty"),
        (Spoken("Ada", " \n\t\u00a0"), "text_empty"),
        (Spoken("Ada", "x" * (TEXT_CHARS_MAX + 1)), "text_too_long"),
        (Spoken("", "Hello."), "invalid_name"),
        (Spoken(" \t ", "Hello."), "invalid_name"),
        (Spoken("x" * (LABEL_CHARS_MAX + 1), "Hello."), "invalid_name"),
        (Spoken("Ada", "Hello.", id=""), "invalid_name"),
        (Spoken("Ada", "Hello.", id="x" * (SOURCE_ID_CHARS_MAX + 1)), "invalid_name"),
        (Spoken("Ada", "Hel\0lo."), "invalid_command"),
        (Spoken("A\0da", "Hello."), "invalid_command"),
        (Spoken("Ada", "Hello.", id="\0"), "invalid_command"),
        (Spoken("Ada", "Hello.", started_at=NOON.replace(tzinfo=None)), "invalid_command"),
        (Spoken("Ada", "Hello.", ended_at=NOON.replace(year=1969)), "invalid_command"),
        (Spoken("Ada", "Hello.", ended_at=NOON.replace(year=9999)), "invalid_command"),
        (Spoken("Ada", "Hello.", started_at=NOON, ended_at=NOON - timedelta(seconds=1)), "times_reversed"),
    ],
)
async def test_a_chunk_that_is_not_well_formed_keeps_its_whole_batch_out(
    world: World, spoken: Spoken, code: str
) -> None:
    with pytest.raises(Refusal) as refused:
        await world.do(said(Spoken("Grace", "Fine."), spoken))
    assert refused.value.code == code
    assert refused.value.detail.startswith("chunk 1: ")
    assert await world.log.head() == 1
    with pytest.raises(Refusal) as refused:
        await world.do(said(spoken))
    assert not refused.value.detail.startswith("chunk")


@pytest.mark.parametrize(
    "spoken",
    [
        Spoken("Ada", "x" * TEXT_CHARS_MAX),
        Spoken("x" * LABEL_CHARS_MAX, "Hello."),
        Spoken("Ada", "Hello.", id="x" * SOURCE_ID_CHARS_MAX),
        Spoken("Ada", "👩🏽‍🚒", started_at=NOON, ended_at=NOON),
    ],
)
async def test_I12_what_is_just_at_a_bound_is_recorded_as_it_is(world: World, spoken: Spoken) -> None:
    await world.do(said(spoken))
    [chunk] = await chunks(world)
    assert (chunk.speaker, chunk.text, chunk.source_id) == (spoken.speaker, spoken.text, spoken.id)


async def test_I12_a_batch_has_at_least_one_chunk_and_no_more_than_a_transaction_should(world: World) -> None:
    with pytest.raises(Refusal, match="batch_empty"):
        await world.do(said())
    with pytest.raises(Refusal, match="batch_too_large"):
        await world.do(said(*[Spoken("Ada", "Hello.")] * (CHUNKS_PER_BATCH_MAX + 1)))
    assert (await world.result(said(*[Spoken("Ada", "Hello.")] * CHUNKS_PER_BATCH_MAX)))[
        "recorded"
    ] == CHUNKS_PER_BATCH_MAX
