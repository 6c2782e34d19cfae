"""A token speaks for the agent that issued it, and nobody learns what was wrong with one that does not."""

from uuid import UUID

import pytest

from domain.agents import AgentCreated, BootstrapAgent, IssueToken, Principal, TokenIssued, authenticate, write_token
from domain.canonical import sha256_hex
from domain.limits import LABEL_CHARS_MAX
from domain.refusals import Refusal
from tests.unit.world import AGENT, OTHER, World

TOKEN, SECOND = UUID(int=0x70), UUID(int=0x71)
SECRET = "a-secret-of-more-than-twenty-characters"
SHA256 = sha256_hex(SECRET.encode())
BOOTSTRAP = BootstrapAgent(AGENT, "workshop", TOKEN, SHA256)


@pytest.fixture
def world() -> World:
    return World()


async def test_an_agent_and_its_owners_token_are_one_step(world: World) -> None:
    assert await world.result(BOOTSTRAP) == {"agent_id": str(AGENT), "token_id": str(TOKEN)}
    assert await world.payloads() == [
        AgentCreated(AGENT, "workshop"),
        TokenIssued(AGENT, TOKEN, SHA256, ("owner",)),
    ]


async def test_an_agent_is_created_once(world: World) -> None:
    await world.do(BOOTSTRAP)
    with pytest.raises(Refusal, match="agent_exists"):
        await world.do(BOOTSTRAP)
    assert await world.log.head() == 2


@pytest.mark.parametrize("name", ["", "  ", "x" * (LABEL_CHARS_MAX + 1)])
async def test_an_agent_has_a_name(world: World, name: str) -> None:
    with pytest.raises(Refusal, match="invalid_name"):
        await world.do(BootstrapAgent(AGENT, name, TOKEN, SHA256))
    assert await world.events() == []


@pytest.mark.parametrize("roles", [(), ("admin",), ("owner", "admin"), ("Owner",)])
async def test_a_role_that_does_not_exist_is_not_given(world: World, roles: tuple[str, ...]) -> None:
    with pytest.raises(Refusal, match="invalid_command"):
        await world.do(BootstrapAgent(AGENT, "workshop", TOKEN, SHA256, roles))
    assert await world.events() == []


async def test_a_token_speaks_for_its_agent_with_its_roles(world: World) -> None:
    await world.do(BootstrapAgent(AGENT, "workshop", TOKEN, SHA256, ("owner", "operator")))
    principal = await authenticate(world.log, write_token(AGENT, TOKEN, SECRET))
    assert principal == Principal(AGENT, TOKEN, ("owner", "operator"))


async def test_a_second_token_has_its_own_secret_and_leaves_the_first(world: World) -> None:
    await world.do(BOOTSTRAP)
    other = "another-secret-of-twenty-and-more"
    await world.do(IssueToken(SECOND, sha256_hex(other.encode()), ("operator",)))
    assert await authenticate(world.log, write_token(AGENT, TOKEN, SECRET)) == Principal(AGENT, TOKEN, ("owner",))
    assert await authenticate(world.log, write_token(AGENT, SECOND, other)) == Principal(AGENT, SECOND, ("operator",))
    with pytest.raises(Refusal, match="unauthenticated"):
        await authenticate(world.log, write_token(AGENT, SECOND, SECRET))


async def test_an_agent_that_does_not_exist_issues_nothing(world: World) -> None:
    with pytest.raises(Refusal, match="agent_not_found"):
        await world.do(IssueToken(TOKEN, SHA256))
    assert await world.events() == []


GOOD = write_token(AGENT, TOKEN, SECRET)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "stele",
        GOOD[:-1],
        GOOD + "x",
        GOOD + "\n",
        " " + GOOD,
        GOOD.upper(),
        GOOD.replace("a-secret", "A-secret"),
        write_token(OTHER, TOKEN, SECRET),
        write_token(UUID(int=0xC), TOKEN, SECRET),
        write_token(AGENT, SECOND, SECRET),
        write_token(AGENT, TOKEN, ""),
        write_token(AGENT, TOKEN, SHA256),
        write_token(AGENT, TOKEN, "ä" * 30),
        write_token(AGENT, TOKEN, SECRET * 10_000),
    ],
)
async def test_I10_whatever_is_wrong_with_a_token_the_answer_is_the_same(world: World, token: str) -> None:
    await world.do(BOOTSTRAP)
    await world.do(BootstrapAgent(OTHER, "elsewhere", SECOND, SHA256), agent=OTHER)
    with pytest.raises(Refusal) as refused:
        await authenticate(world.log, token)
    assert (refused.value.code, refused.value.detail) == (
        "unauthenticated",
        "the token is not valid for any agent of this hub",
    )
