"""A command that is meant for one version of a stream is carried out at that version or not at all."""

from uuid import UUID

import pytest

from adapters.memory.log import MemoryLog
from domain.actions import ActionProposed, ActionRejected, ApproveAction, RejectAction
from domain.events import NewEvent
from domain.ports import Transaction, Verdict
from domain.refusals import Refusal
from domain.runtime import Accepted, Command, Context, IfMatch
from tests.unit.world import AGENT, START, MovableClock, World

ACTION, SPACE = UUID(int=1), UUID(int=2)
_ARGUMENTS = '{"text":"x"}'
_SHA256 = "6f4fb4a4cb2ab5d5fb2d7f2aba2d2a0b9cd4f9ae0b4a4f8ec3f2a5c0b3c1f0aa"
PROPOSED = ActionProposed(ACTION, SPACE, "note", "A note", _ARGUMENTS, _SHA256, "asked", (1,), (SPACE,))


async def send(world: World, command: Command, *versions: int, key: str | None = None, any_: bool = False) -> Accepted:
    wanted = IfMatch(ACTION, None if any_ else frozenset(versions))
    return await world.runtime.execute(command, Context(AGENT, "token:ada", key, b"request", if_match=wanted))


async def refusal(world: World, command: Command, *versions: int, **how: bool) -> str:
    before = await world.log.head()
    with pytest.raises(Refusal) as refused:
        await send(world, command, *versions, **how)  # type: ignore[arg-type]  # only any_
    assert await world.log.head() == before, "a refused command wrote something"
    return refused.value.code


async def test_at_the_version_that_was_read_it_happens() -> None:
    world = World()
    await world.happen(ACTION, PROPOSED)
    assert (await send(world, ApproveAction(ACTION), 1)).result["status"] == "approved"


@pytest.mark.parametrize("versions", [(), (2,), (2, 3)])
async def test_at_another_version_it_is_refused_and_nothing_is_written(versions: tuple[int, ...]) -> None:
    world = World()
    await world.happen(ACTION, PROPOSED)
    assert await refusal(world, ApproveAction(ACTION), *versions) == "version_mismatch"
    assert (await send(world, ApproveAction(ACTION), 1, 2)).position == 2


async def test_a_stream_must_exist_for_any_version() -> None:
    world = World()
    assert await refusal(world, ApproveAction(ACTION), any_=True) == "version_mismatch"
    await world.happen(ACTION, PROPOSED)
    assert (await send(world, ApproveAction(ACTION), any_=True)).position == 2


async def test_a_cache_that_has_fallen_behind_refuses_nothing() -> None:
    """The version is looked for in the log before the answer is no."""
    world = World()
    await world.happen(ACTION, PROPOSED)
    await send(world, ApproveAction(ACTION), 1)
    await world.happen(ACTION, ActionRejected(ACTION, SPACE, "another process", ""))
    assert await refusal(world, RejectAction(ACTION), 3) == "action_not_proposed"
    assert await refusal(world, RejectAction(ACTION), 2) == "version_mismatch"


class Raced(MemoryLog):
    """Somebody else is faster, once: after the first decision was made and before it is appended."""

    async def append(self, transaction: Transaction) -> Verdict:
        if transaction.events and not hasattr(self, "raced"):
            self.raced = True
            faster = ActionRejected(ACTION, SPACE, "faster", "")
            event = NewEvent(UUID(int=77), ACTION, 2, faster, START, "faster", None, UUID(int=77), None)
            await super().append(Transaction(AGENT, (event,), ()))
        return await super().append(transaction)


async def test_what_happens_between_the_look_and_the_append_is_seen() -> None:
    """The log conflicts, the runtime decides again, and the second look finds another version."""
    clock = MovableClock()
    log = Raced(clock)
    world = World(log, clock)
    log.raced = True
    await world.happen(ACTION, PROPOSED)
    del log.raced
    with pytest.raises(Refusal) as refused:
        await send(world, ApproveAction(ACTION), 1)
    assert refused.value.code == "version_mismatch"
    assert [type(event.payload) for event in await log.read(0, 10)] == [ActionProposed, ActionRejected]


async def test_the_same_request_again_is_answered_the_same_though_the_version_has_moved() -> None:
    world = World()
    await world.happen(ACTION, PROPOSED)
    first = await send(world, ApproveAction(ACTION), 1, key="k")
    again = await send(world, ApproveAction(ACTION), 1, key="k")
    assert (again.position, again.result, again.repeated) == (first.position, first.result, True)
