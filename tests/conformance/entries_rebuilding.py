"""What every EntryStore promises about rebuilds: they are gone on with, compared, and counted when they correct."""

import pytest

from projections.ports import BuildRunning, Difference, Generation, Topics
from projections.projection import Entry
from tests.conformance.entries import AGENT, OTHER, Store, entry, listed
from tests.conformance.entries_building import Kill


async def _served(topics: Topics) -> int:
    serving = await topics.serving("notes")
    assert serving is not None
    return serving.version


class RebuildingContract:
    """Inherit, and give the fixtures of BuildingContract."""

    # --- going on -------------------------------------------------------------------------------

    async def test_a_rebuild_whose_builder_was_killed_is_gone_on_with(
        self, store: Store, second: Store, kill_second: Kill
    ) -> None:
        begun = await second.resume_aside("notes", 1)
        begun = await second.save(begun, [entry("k", 5)], 5)
        await kill_second()
        resumed = await store.resume_aside("notes", 1)
        assert resumed == begun
        assert await store.load(resumed.id, [(AGENT, "k")]) == [entry("k", 5)]
        assert (await store.save(resumed, [], 6)).position == 6

    async def test_a_topic_is_rebuilt_by_one_at_a_time(self, store: Store, second: Store) -> None:
        await second.resume_aside("notes", 1)
        with pytest.raises(BuildRunning) as refused:
            await store.resume_aside("notes", 1)
        assert refused.value.code == "build_running"
        with pytest.raises(BuildRunning):
            await store.resume_aside("notes", 2)
        assert (await store.resume_aside("tasks", 1)).position == 0

    async def test_a_rebuild_of_another_version_begins_anew(
        self, store: Store, second: Store, topics: Topics, kill_second: Kill
    ) -> None:
        begun = await second.save(await second.resume_aside("notes", 1), [entry("k", 5)], 5)
        await kill_second()
        new = await store.resume_aside("notes", 2)
        assert (new.version, new.position) == (2, 0)
        assert await listed(topics, begun) is None

    async def test_what_may_be_gone_on_with_is_not_swept(
        self, store: Store, second: Store, topics: Topics, kill_second: Kill
    ) -> None:
        begun = await second.resume_aside("notes", 1)
        await kill_second()
        await store.create_aside("notes", 1)
        assert await store.sweep() == []
        assert await listed(topics, begun) is not None

    async def test_a_rebuild_that_has_taken_over_is_not_gone_on_with(
        self, store: Store, second: Store, kill_second: Kill
    ) -> None:
        live = await second.resume_aside("notes", 1)
        await second.take_over(live)
        await kill_second()
        assert (await store.resume_aside("notes", 1)).id != live.id

    # --- comparing ------------------------------------------------------------------------------

    async def differences(self, store: Store, live: list[Entry], built: list[Entry]) -> Difference | None:
        mine = await store.save(await store.open("notes", 1), live, 5)
        theirs = await store.save(await store.create_aside("notes", 1), built, 7)
        return await store.differences(mine, theirs)

    async def test_equal_generations_have_no_difference(self, store: Store) -> None:
        state = [entry("a", 1, b"1"), entry("b", 2, None), entry("a", 3, b"3", agent=OTHER)]
        assert await self.differences(store, [*state], [*reversed(state)]) is None

    async def test_the_first_difference_is_the_one_with_the_lowest_position(self, store: Store) -> None:
        live = [entry("same", 1), entry("gone", 4), entry("other", 2, b"mine"), entry("third", 5, b"mine")]
        built = [entry("same", 1), entry("more", 3), entry("other", 2, b"theirs"), entry("third", 5, b"theirs")]
        found = await self.differences(store, [*live], [*built])
        assert found == Difference(AGENT, "other", 2, 2, 2, 4)
        assert found.what == "differs"

    @pytest.mark.parametrize(
        ("live", "built", "what", "position"),
        [
            ([entry("k", 3)], [], "only live", 3),
            ([], [entry("k", 3)], "only rebuilt", 3),
            ([], [entry("k", 3, None)], "only rebuilt", 3),
            ([entry("k", 3)], [entry("k", 3, None)], "differs", 3),
            ([entry("k", 3)], [entry("k", 4)], "differs", 3),
            ([entry("k", 4)], [entry("k", 3)], "differs", 3),
            ([entry("k", 3)], [entry("k", 3, space=None)], "differs", 3),
            ([entry("k", 3)], [entry("k", 3, agent=OTHER)], "only live", 3),
        ],
    )
    async def test_a_difference_tells_what_it_is(
        self, store: Store, live: list[Entry], built: list[Entry], what: str, position: int
    ) -> None:
        found = await self.differences(store, live, built)
        assert found is not None
        assert (found.key, found.what, found.position) == ("k", what, position)

    async def test_what_the_built_one_has_changed_since_is_no_difference(self, store: Store) -> None:
        """The live one is at 5. Whoever has a cursor of it gets what changed after 5 in any case."""
        live, built = [entry("k", 3, b"tampered")], [entry("k", 6, b"new"), entry("l", 7)]
        assert await self.differences(store, [*live], [*built]) is None

    async def test_one_that_is_gone_differs_in_all_that_there_is(self, store: Store) -> None:
        gone = await store.create_aside("notes", 1)
        built = await store.save(await store.create_aside("notes", 1), [entry("k", 3)], 5)
        await store.drop(gone.id)
        found = await store.differences(Generation(gone.id, "notes", 1, 5, live=True), built)
        assert found == Difference(AGENT, "k", 3, None, 3, 1)

    # --- counting -------------------------------------------------------------------------------

    async def test_I5_cursors_stay_good_when_the_rebuilt_one_was_found_equal(
        self, store: Store, topics: Topics
    ) -> None:
        live = await store.open("notes", 2)
        before = await _served(topics)
        await store.take_over(await store.resume_aside("notes", 2), same_as=live.id)
        assert await _served(topics) == before == 2

    async def test_I5_every_rebuild_that_may_have_corrected_something_has_cursors_of_its_own(
        self, store: Store, topics: Topics
    ) -> None:
        await store.open("notes", 2)
        served = [await _served(topics)]
        for _ in range(3):
            await store.take_over(await store.resume_aside("notes", 2))
            served.append(await _served(topics))
        assert served == [2, 1002, 2002, 3002]

    async def test_I5_whoever_was_compared_with_another_one_was_not_compared(
        self, store: Store, second: Store, topics: Topics
    ) -> None:
        compared = await store.open("notes", 1)
        built = await second.create_aside("notes", 1)
        await store.take_over(await store.resume_aside("notes", 1))
        await second.take_over(built, same_as=compared.id)
        assert await _served(topics) == 2001

    async def test_a_new_version_begins_with_its_own_revision(self, store: Store, topics: Topics) -> None:
        await store.open("notes", 1)
        await store.take_over(await store.resume_aside("notes", 1))
        await store.take_over(await store.open("notes", 2))
        assert await _served(topics) == 2

    async def test_taking_over_twice_counts_once(self, store: Store, topics: Topics) -> None:
        await store.open("notes", 1)
        built = await store.resume_aside("notes", 1)
        await store.take_over(built)
        await store.take_over(built)
        assert await _served(topics) == 1001
        shown = await listed(topics, Generation(built.id, "notes", 1, 0, live=True))
        assert shown is not None
        assert shown.revision == 1
