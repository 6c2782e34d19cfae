"""Several projector processes, of several releases: one goes on where another was killed, or stands still."""

import time
from collections.abc import AsyncIterator
from contextlib import ExitStack

import pytest

from projections.topics import TOPICS
from tests.integration.projecting import Projected, process, projected, until
from tests.integration.releases import POISON

OURS = ("workers", "projector")
_TAKE_OVER_SECONDS_MAX = 10.0
"""A second for the poll and moments for the rest; the machine may be busy."""


def release(name: str) -> tuple[str, str]:
    return ("tests.integration.releases", name)


@pytest.fixture
async def hub(database: str) -> AsyncIterator[Projected]:
    async with projected(database) as found:
        yield found


async def _projectors(hub: Projected) -> int:
    row = await (
        await hub.owner.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'stele projector people'"
        )
    ).fetchone()
    return int(row[0]) if row else 0


async def test_a_projector_that_is_killed_is_replaced_within_seconds(hub: Projected) -> None:
    """`kill -9`, three times, while the log grows."""
    taken: list[float] = []
    with ExitStack() as processes:
        working = processes.enter_context(process(hub.conninfo, *OURS))
        await hub.reach(await hub.register("Ada"))
        for _ in range(3):
            waiting = processes.enter_context(process(hub.conninfo, *OURS))

            async def both() -> bool:
                return await _projectors(hub) == 2

            await until(both)
            working.kill()
            began = time.monotonic()
            await hub.reach(await hub.talk(200))
            taken.append(time.monotonic() - began)
            working = waiting
    print(f"taken over {', '.join(f'{seconds:.2f}' for seconds in taken)} s after kill -9")
    assert max(taken) < _TAKE_OVER_SECONDS_MAX
    for topic in TOPICS:
        assert (await hub.built("verify", topic))[-1]["outcome"] == "equal"


async def test_a_projector_with_nothing_to_do_notices_that_entries_are_lost(hub: Projected) -> None:
    with process(hub.conninfo, *OURS):
        head = await hub.register("Ada", "Bob")
        await hub.reach(head)
        before = await hub.digest("people")
        await hub.owner.execute("TRUNCATE stele.entries")
        await hub.reach(head)
        assert await hub.digest("people") == before


async def test_a_poisoned_event_stops_one_topic_until_it_is_fixed(hub: Projected) -> None:
    with process(hub.conninfo, *release("poisoned")):
        poisoned = await hub.register("Ada", POISON) + 0
        head = await hub.register("Bob") + 0
        head = await hub.talk(50)
        await hub.reach(head, *(topic for topic in TOPICS if topic != "people"))

        async def stopped() -> bool:
            shown = await hub.listed("people")
            return shown is not None and shown.error_position == poisoned

        await until(stopped)
        shown = await hub.listed("people")
        assert shown is not None
        assert shown.position == poisoned - 1
        assert shown.error == f"people stopped at position {poisoned}: ValueError: this release cannot fold that"
        assert (await hub.built("verify", "people"))[-1]["outcome"] == "equal", "up to where it stands"
    with process(hub.conninfo, *release("fixed")):
        await hub.reach(head)
    shown = await hub.listed("people")
    assert shown is not None
    assert (shown.error, shown.error_position) == (None, None)
    assert (await hub.built("verify", "people"))[-1]["outcome"] == "equal"


async def test_the_older_release_goes_on_until_the_newer_one_has_taken_over(hub: Projected) -> None:
    """The newer one stops on its way; what is live must not wait for it."""
    with process(hub.conninfo, *OURS):
        await hub.reach(poisoned := await hub.register("Ada", POISON))
        with process(hub.conninfo, *release("newer, poisoned")):

            async def stopped() -> bool:
                shown = await hub.listed("people", live=False)
                return shown is not None and (shown.version, shown.error_position) == (2, poisoned)

            await until(stopped)
            await hub.reach(await hub.register("Bob"))
            serving = await hub.serving("people")
            assert serving is not None
            assert serving.version == 1
        with process(hub.conninfo, *release("newer, fixed")):

            async def newer() -> bool:
                serving = await hub.serving("people")
                return serving is not None and serving.version == 2

            await until(newer)
            await hub.reach(await hub.register("Cleo"))

            async def one_is_left() -> bool:
                return [one.version for one in await hub.topics.list() if one.topic == "people"] == [2]

            await until(one_is_left)
