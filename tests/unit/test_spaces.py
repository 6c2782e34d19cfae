"""A space is created once under a name that can be part of a URL, and belongs to its agent."""

from uuid import UUID

import pytest

from domain import ids
from domain.limits import LABEL_CHARS_MAX, SPACE_NAME_CHARS_MAX
from domain.refusals import Refusal
from domain.spaces import CreateSpace, SpaceCreated
from tests.unit.world import AGENT, OTHER, World


@pytest.fixture
def world() -> World:
    return World()


async def test_a_space_is_created_under_the_id_that_its_name_gives(world: World) -> None:
    id = ids.space_id(AGENT, "kickoff")
    assert await world.result(CreateSpace("kickoff", "The kick-off")) == {"space_id": str(id), "name": "kickoff"}
    assert await world.payloads() == [SpaceCreated(id, "kickoff", "The kick-off")]


async def test_a_space_without_a_title_is_titled_by_its_name(world: World) -> None:
    await world.do(CreateSpace("kickoff"))
    assert await world.payloads() == [SpaceCreated(ids.space_id(AGENT, "kickoff"), "kickoff", "kickoff")]


async def test_a_name_is_taken_once(world: World) -> None:
    await world.do(CreateSpace("kickoff"))
    with pytest.raises(Refusal, match="space_exists"):
        await world.do(CreateSpace("kickoff", "Another"))
    assert await world.log.head() == 1


async def test_I10_two_agents_may_use_the_same_name(world: World) -> None:
    mine = await world.result(CreateSpace("kickoff"))
    theirs = await world.result(CreateSpace("kickoff"), agent=OTHER)
    assert mine["space_id"] != theirs["space_id"]


@pytest.mark.parametrize("name", ["a", "7", "a-b", "a.b_c-d", "0-0", "x" * SPACE_NAME_CHARS_MAX])
async def test_names_of_lower_case_letters_digits_and_marks_are_taken(world: World, name: str) -> None:
    assert (await world.result(CreateSpace(name)))["name"] == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "A",
        "ä",
        "a b",
        "a/b",
        "-a",
        "a-",
        ".",
        "..",
        "a\n",
        "\na",
        "a\0",
        "٣",
        "x" * (SPACE_NAME_CHARS_MAX + 1),
    ],
)
async def test_other_names_are_refused(world: World, name: str) -> None:
    with pytest.raises(Refusal, match="invalid_name"):
        await world.do(CreateSpace(name))
    assert await world.events() == []


@pytest.mark.parametrize("name", [UUID(int=7).hex, str(UUID(int=7)), "0123-4567-89ab-cdef-0123-4567-89ab-cdef"])
async def test_a_name_that_reads_as_an_id_is_refused(world: World, name: str) -> None:
    assert ids.space_reference(AGENT, name) != ids.space_id(AGENT, name)
    with pytest.raises(Refusal, match="invalid_name"):
        await world.do(CreateSpace(name))


@pytest.mark.parametrize("title", ["", "   ", "x" * (LABEL_CHARS_MAX + 1)])
async def test_an_empty_or_endless_title_is_refused(world: World, title: str) -> None:
    with pytest.raises(Refusal, match="invalid_name"):
        await world.do(CreateSpace("kickoff", title))


async def test_I12_white_space_around_a_title_is_not_kept(world: World) -> None:
    await world.do(CreateSpace("kickoff", " " * 5_000 + "Kick-off\n"))
    assert await world.payloads() == [SpaceCreated(ids.space_id(AGENT, "kickoff"), "kickoff", "Kick-off")]


def test_a_space_is_referred_to_by_its_name_or_its_id() -> None:
    id = ids.space_id(AGENT, "kickoff")
    assert ids.space_reference(AGENT, "kickoff") == ids.space_reference(AGENT, str(id)) == id
    assert ids.space_reference(OTHER, "kickoff") != id
