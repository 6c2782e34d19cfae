"""The engine folds pages of the log into entries, each page whole, and stops where it cannot go on."""

from collections.abc import Callable, Collection, Sequence
from uuid import UUID

import msgspec
import pytest
from msgspec.structs import replace

from adapters.memory.entries import MemoryEntryStore, Shelf
from adapters.memory.log import MemoryLog
from domain.agents import TokenIssued
from domain.events import Recorded
from domain.people import PersonRegistered
from domain.ports import Clock
from domain.spaces import SpaceCreated
from projections.engine import ProjectionStopped
from projections.ports import CheckpointMoved, EntryKey, Generation
from projections.projection import AnyProjection, Entry
from tests.folding import advance
from tests.unit.letters import Letter, letters
from tests.unit.world import AGENT, OTHER, MovableClock, World

SPACE = UUID(int=1)


class CountingStore(MemoryEntryStore):
    """Remembers what it was asked for."""

    def __init__(self, shelf: Shelf) -> None:
        super().__init__(shelf)
        self.loads: list[Collection[EntryKey]] = []
        self.saves: list[int] = []

    async def load(self, generation: int, keys: Collection[EntryKey]) -> list[Entry]:
        self.loads.append(keys)
        return await super().load(generation, keys)

    async def save(
        self, generation: Generation, changed: Sequence[Entry], position: int, *, new: bool = False
    ) -> Generation:
        self.saves.append(len(changed))
        return await super().save(generation, changed, position, new=new)


class Setting:
    """A log to write words into, and a store that they are folded into."""

    def __init__(self, log: MemoryLog | None = None) -> None:
        self.world = World(log)
        self.shelf = Shelf()
        self.store = CountingStore(self.shelf)

    async def say(self, *labels: str, agent: UUID = AGENT) -> None:
        await self.world.happen(
            self.world.ids.new(), *(PersonRegistered(SPACE, label) for label in labels), agent=agent
        )

    async def advance(
        self, projection: AnyProjection | None = None, *, limit: int = 100, up_to: int | None = None
    ) -> Generation:
        projection = projection or letters()
        generation = await self.store.open(projection.topic, projection.version)
        return await advance(self.world.log, self.store, projection, generation, limit=limit, up_to=up_to)

    def entries(self, agent: UUID = AGENT) -> dict[str, tuple[int, int | None]]:
        """By letter: position, and how many times; None for a tombstone."""
        [live] = [build for build in self.shelf.builds.values() if build.live]
        return {
            key.removeprefix("1"): (entry.position, _times(entry))
            for (whose, key), entry in sorted(live.entries.items())
            if whose == agent
        }


def _times(entry: Entry) -> int | None:
    return None if entry.value is None else msgspec.json.decode(entry.value, type=Letter).times


@pytest.fixture
def setting() -> Setting:
    return Setting()


async def test_an_event_may_touch_several_entries(setting: Setting) -> None:
    await setting.say("ab", "bc")
    assert (await setting.advance()).position == 2
    assert setting.entries() == {"a": (1, 1), "b": (2, 2), "c": (2, 1)}


async def test_an_entry_that_ends_leaves_a_tombstone_and_may_come_back(setting: Setting) -> None:
    await setting.say("ab", "-ad")
    await setting.advance()
    assert setting.entries() == {"a": (2, None), "b": (1, 1)}, "what never was leaves none"
    await setting.say("a")
    await setting.advance()
    assert setting.entries()["a"] == (3, 1)


async def test_a_page_loads_once_and_writes_once(setting: Setting) -> None:
    await setting.say("ab", "a", "a", "b", "-c")
    await setting.advance()
    [keys] = setting.store.loads
    assert sorted(keys) == [(AGENT, "1a"), (AGENT, "1b"), (AGENT, "1c")]
    assert setting.store.saves == [2]


async def test_a_page_without_events_of_the_projection_moves_the_checkpoint_and_loads_nothing(setting: Setting) -> None:
    await setting.world.happen(SPACE, SpaceCreated(SPACE, "kickoff", "Kick-off"))
    assert (await setting.advance()).position == 1
    assert (setting.store.loads, setting.store.saves) == ([], [0])


async def test_nothing_new_changes_nothing(setting: Setting) -> None:
    await setting.say("a")
    first = await setting.advance()
    assert await setting.advance() == first
    assert setting.store.saves == [1]


async def test_I10_the_same_key_of_two_agents_is_two_entries(setting: Setting) -> None:
    await setting.say("a")
    await setting.say("a", agent=OTHER)
    await setting.say("a", agent=OTHER)
    await setting.advance()
    assert (setting.entries(AGENT), setting.entries(OTHER)) == ({"a": (1, 1)}, {"a": (3, 2)})


@pytest.mark.parametrize(("limit", "up_to", "reached"), [(2, None, 2), (100, 3, 3), (2, 3, 2), (100, 0, 0), (9, 9, 5)])
async def test_a_page_ends_at_its_limit_and_where_it_is_told(
    setting: Setting, limit: int, up_to: int | None, reached: int
) -> None:
    await setting.say("a", "a", "a", "a", "a")
    assert (await setting.advance(limit=limit, up_to=up_to)).position == reached


async def test_up_to_a_place_that_is_behind_changes_nothing(setting: Setting) -> None:
    await setting.say("a", "a", "a")
    await setting.advance()
    assert (await setting.advance(up_to=1)).position == 3


@pytest.mark.parametrize("poison", ["ab!", "ab?"], ids=["in the fold", "in the key"])
async def test_a_poisoned_event_stops_the_projection_just_before_it(setting: Setting, poison: str) -> None:
    await setting.say("a", "b", poison, "a")
    with pytest.raises(ProjectionStopped) as stopped:
        await setting.advance(letters(fixed=False))
    assert (stopped.value.topic, stopped.value.position) == ("letters", 3)
    assert setting.entries() == {"a": (1, 1), "b": (2, 1)}
    [build] = setting.shelf.builds.values()
    assert (build.position, build.error_position) == (2, 3)
    assert build.error is not None
    assert build.error.startswith("letters stopped at position 3: ValueError: this event ")


async def test_a_projection_that_is_stopped_stays_where_it_is_until_it_is_fixed(setting: Setting) -> None:
    await setting.say("a", "!a", "a")
    for _ in range(2):
        with pytest.raises(ProjectionStopped):
            await setting.advance(letters(fixed=False))
    assert setting.entries() == {"a": (1, 1)}
    assert (await setting.advance(letters(fixed=True))).position == 3
    assert setting.entries() == {"a": (3, 3)}
    [build] = setting.shelf.builds.values()
    assert build.error is None


async def test_the_first_of_two_poisoned_events_counts(setting: Setting) -> None:
    await setting.say("a", "!a", "?")
    with pytest.raises(ProjectionStopped, match="stopped at position 2"):
        await setting.advance(letters(fixed=False))


async def test_an_event_of_a_type_that_is_not_read_is_not_even_decoded() -> None:
    log = _Log(MovableClock(), lambda event: replace(event, type=TokenIssued.type, data=b"?"))
    setting = Setting(log)
    await setting.say("a")
    assert (await setting.advance()).position == 1


async def test_an_event_of_a_type_that_nobody_knows_stops_the_projection_just_before_it() -> None:
    newer = "stele.future.v1.Unheard"
    setting = Setting(_Log(MovableClock(), lambda event: replace(event, type=newer) if event.position == 3 else event))
    await setting.say("a", "b", "c", "d")
    with pytest.raises(ProjectionStopped, match=f"stopped at position 3: UnknownEvent: {newer}"):
        await setting.advance()
    assert (await setting.store.open("letters", 1)).position == 2


async def test_an_event_of_a_newer_schema_stops_the_projection() -> None:
    setting = Setting(_Log(MovableClock(), lambda event: replace(event, schema_version=2)))
    await setting.say("a")
    with pytest.raises(ProjectionStopped, match="this release reads only 1"):
        await setting.advance()


async def test_I3_a_log_with_a_hole_is_not_folded() -> None:
    setting = Setting(_Log(MovableClock(), lambda event: None if event.position == 2 else event))
    await setting.say("a", "a", "a")
    with pytest.raises(ValueError, match="the log has a hole between 0 and 3"):
        await setting.advance()
    assert setting.entries() == {}


async def test_I4_whoever_is_behind_is_told_and_writes_nothing(setting: Setting) -> None:
    stale = await setting.store.open("letters", 1)
    await setting.say("a")
    await setting.advance()
    with pytest.raises(CheckpointMoved):
        await advance(setting.world.log, setting.store, letters(), stale)
    assert setting.entries() == {"a": (1, 1)}


class _Log(MemoryLog):
    """A log that shows its events otherwise than they are, or not at all."""

    def __init__(self, clock: Clock, show: Callable[[Recorded], Recorded | None]) -> None:
        super().__init__(clock)
        self._show = show

    async def read(self, after: int, limit: int, agent_id: UUID | None = None) -> list[Recorded]:
        shown = map(self._show, await super().read(after, limit, agent_id))
        return [event for event in shown if event is not None]
