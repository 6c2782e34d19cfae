"""What every EntryStore promises about generations that are built beside the live one, take over and are dropped."""

from collections.abc import Awaitable, Callable

import pytest

from projections.ports import CheckpointMoved, Generation, LiveIsNewer, Topics
from tests.conformance.entries import AGENT, Store, entry, listed

Kill = Callable[[], Awaitable[None]]


async def _at(store: Store, generation: Generation, position: int) -> Generation:
    return await store.save(generation, [entry("k", position)], position)


class BuildingContract:
    """Inherit, and give the fixtures of EntryStoreContract; and `kill_second`, which kills the process `second`."""

    async def test_a_built_generation_takes_over(self, store: Store, second: Store) -> None:
        old = await _at(store, await store.open("notes", 1), 5)
        new = await _at(second, await second.create_aside("notes", 1), 5)
        assert await second.take_over(new) == (old.id,)
        assert await store.open("notes", 1) == Generation(new.id, "notes", 1, position=5, live=True)

    async def test_a_generation_that_is_behind_does_not_take_over(self, store: Store) -> None:
        old = await _at(store, await store.open("notes", 1), 5)
        new = await _at(store, await store.create_aside("notes", 1), 4)
        assert await store.take_over(new) is None
        assert await store.live("notes") == old
        assert await store.take_over(await _at(store, new, 6)) == (old.id,)

    async def test_a_generation_built_aside_is_nobodys_to_open(self, store: Store, second: Store) -> None:
        live = await store.open("notes", 1)
        aside = await second.create_aside("notes", 1)
        assert aside.id != live.id
        assert await store.open("notes", 1) == live
        later = await second.create_aside("notes", 2)
        assert (await store.open("notes", 2)).id != later.id

    async def test_a_topic_that_nobody_has_opened_can_be_built_aside(self, store: Store) -> None:
        built = await _at(store, await store.create_aside("notes", 1), 3)
        assert await store.live("notes") is None
        assert await store.take_over(built) == ()
        live = await store.live("notes")
        assert live is not None
        assert (live.id, live.position) == (built.id, 3)

    async def test_I5_a_replaced_generation_is_advanced_no_further(self, store: Store, second: Store) -> None:
        old = await _at(store, await store.open("notes", 1), 5)
        new = await _at(second, await second.create_aside("notes", 1), 5)
        await second.take_over(new)  # and is killed before it drops the old one
        with pytest.raises(CheckpointMoved):
            await _at(store, old, 6)
        assert (await store.open("notes", 1)).id == new.id

    async def test_taking_over_twice_is_taking_over_once(self, store: Store) -> None:
        old = await store.open("notes", 1)
        new = await store.create_aside("notes", 1)
        assert await store.take_over(new) == (old.id,)
        assert await store.take_over(new) == ()
        live = await store.live("notes")
        assert live is not None
        assert live.id == new.id

    async def test_a_generation_that_is_gone_takes_nothing_over(self, store: Store) -> None:
        live = await store.open("notes", 1)
        gone = await store.create_aside("notes", 1)
        await store.drop(gone.id)
        with pytest.raises(CheckpointMoved):
            await store.take_over(gone)
        assert await store.live("notes") == live

    async def test_a_generation_that_somebody_else_has_advanced_takes_nothing_over(self, store: Store) -> None:
        live = await store.open("notes", 1)
        stale = await store.create_aside("notes", 1)
        current = await _at(store, stale, 5)
        with pytest.raises(CheckpointMoved):
            await store.take_over(stale)
        assert await store.live("notes") == live
        assert await store.take_over(current) == (live.id,)

    async def test_taking_over_replaces_older_versions_that_were_never_finished(self, store: Store) -> None:
        one, two, three = [await store.open("notes", version) for version in (1, 2, 3)]
        replaced = await store.take_over(three)
        assert replaced is not None
        assert set(replaced) == {one.id, two.id}

    async def test_taking_over_replaces_what_a_projector_builds_of_the_same_version(self, store: Store) -> None:
        one, two = await store.open("notes", 1), await store.open("notes", 2)
        built = await store.create_aside("notes", 2)
        assert set(await store.take_over(built) or ()) == {one.id, two.id}
        assert (await store.open("notes", 2)).id == built.id

    async def test_an_older_version_does_not_take_over_from_a_newer_one(self, store: Store) -> None:
        live = await store.open("notes", 2)
        with pytest.raises(LiveIsNewer):
            await store.take_over(await _at(store, await store.create_aside("notes", 1), 5))
        assert await store.live("notes") == live

    async def test_taking_over_leaves_newer_versions_being_built(self, store: Store) -> None:
        one, two, three = [await store.open("notes", version) for version in (1, 2, 3)]
        assert await store.take_over(two) == (one.id,)
        assert await store.open("notes", 3) == three

    async def test_taking_over_leaves_other_topics_alone(self, store: Store) -> None:
        tasks, notes = await store.open("tasks", 1), await store.open("notes", 1)
        assert await store.take_over(await store.create_aside("notes", 2)) == (notes.id,)
        assert await store.live("tasks") == tasks

    async def test_a_dropped_generation_is_gone_and_no_other(self, store: Store, topics: Topics) -> None:
        live = await _at(store, await store.open("notes", 1), 5)
        aside = await _at(store, await store.create_aside("notes", 1), 5)
        await store.drop(aside.id)
        assert await listed(topics, aside) is None
        assert await store.load(aside.id, [(AGENT, "k")]) == []
        with pytest.raises(CheckpointMoved):
            await _at(store, aside, 6)
        assert await store.load(live.id, [(AGENT, "k")]) == [entry("k", 5)]

    async def test_dropping_twice_is_dropping_once(self, store: Store) -> None:
        aside = await store.create_aside("notes", 1)
        await store.drop(aside.id)
        await store.drop(aside.id)
        assert await store.open("notes", 1) != aside

    async def test_what_a_dead_builder_left_is_dropped_by_the_next(
        self, store: Store, second: Store, topics: Topics, kill_second: Kill
    ) -> None:
        left = await _at(second, await second.create_aside("notes", 1), 5)
        await kill_second()
        new = await store.create_aside("tasks", 1)
        assert await listed(topics, left) is None
        assert await listed(topics, new) is not None

    async def test_a_sweep_drops_what_nobody_wants_any_more_and_nothing_else(
        self, store: Store, second: Store, topics: Topics, kill_second: Kill
    ) -> None:
        live, building = await store.open("notes", 1), await store.open("notes", 2)
        mine = await store.create_aside("tasks", 1)
        left = await second.create_aside("notes", 1)
        assert await store.sweep() == []
        await kill_second()
        assert await store.sweep() == [left.id]
        assert {one.generation for one in await topics.list()} == {live.id, building.id, mine.id}
        replaced = await store.take_over(building)
        assert replaced == (live.id,)
        assert await store.sweep() == [live.id]

    async def test_what_a_living_builder_has_is_left_alone(self, store: Store, second: Store, topics: Topics) -> None:
        theirs = await second.create_aside("notes", 1)
        mine = await store.create_aside("notes", 1)
        assert await listed(topics, theirs) is not None
        assert (await _at(second, theirs, 1)).position == (await _at(store, mine, 1)).position

    async def test_a_builder_keeps_what_it_builds_while_it_begins_another(self, store: Store, topics: Topics) -> None:
        one, two = await store.create_aside("notes", 1), await store.create_aside("tasks", 1)
        assert await listed(topics, one) is not None
        assert await listed(topics, two) is not None

    async def test_what_was_replaced_but_not_dropped_is_dropped_by_the_next_builder(
        self, store: Store, second: Store, topics: Topics, kill_second: Kill
    ) -> None:
        old = await store.open("notes", 1)
        await second.take_over(await second.create_aside("notes", 1))
        await kill_second()
        await store.create_aside("notes", 1)
        assert await listed(topics, old) is None
