"""A refusal that was kept under its key is told again as it was told first."""

from uuid import UUID

import pytest

from domain.actions import ActionApproved, ActionProposed, StartAction
from domain.canonical import sha256_hex
from domain.limits import LEASE_SECONDS
from domain.refusals import Refusal
from tests.unit.world import START, World

ACTION, SPACE = UUID(int=1), UUID(int=2)


async def test_when_to_come_again_is_part_of_it() -> None:
    world = World()
    arguments = '{"text":"x"}'
    digest = sha256_hex(arguments.encode())
    until = START.replace(year=START.year + 1)
    await world.happen(
        ACTION,
        ActionProposed(ACTION, SPACE, "note", "A note", arguments, digest, "asked", (1,), (SPACE,)),
        ActionApproved(ACTION, SPACE, "note", digest, 1, "person", until),
    )
    await world.do(StartAction(ACTION, UUID(int=11)))
    world.clock.move(LEASE_SECONDS / 4)
    told = []
    for _ in range(2):
        with pytest.raises(Refusal) as refused:
            await world.do(StartAction(ACTION, UUID(int=12)), key="k")
        told.append((refused.value.code, refused.value.detail, refused.value.retry_after_seconds))
    assert told[0] == told[1]
    assert told[0][2] == pytest.approx(LEASE_SECONDS * 3 / 4)
