"""What every EntryStore promises: entries and their checkpoint move together, and only for who is up to date."""

import asyncio
from uuid import UUID

import pytest

from projections.ports import Builds, CheckpointMoved, Generation, Listed, LiveIsNewer, Topics
from projections.projection import Entry

AGENT, OTHER, SPACE = UUID(int=0xA), UUID(int=0xB), UUID(int=0x5)


Store = Builds
"""What can also build a generation beside the live one and let it take over."""


def entry(
    key: str, position: int, value: bytes | None = b"{}", agent: UUID = AGENT, space: UUID | None = SPACE
) -> Entry:
    return Entry(agent, key, space, position, value)


async def listed(topics: Topics, generation: Generation) -> Listed | None:
    return next((one for one in await topics.list() if one.generation == generation.id), None)


class EntryStoreContract:
    """Inherit, and give the fixtures `store` and `second`: two processes at the same entries, which are none yet; and
    `topics`, their reader.
    """

    # --- open -----------------------------------------------------------------------------------

    async def test_a_topic_begins_at_first_sight(self, store: Store) -> None:
        assert await store.live("notes") is None
        generation = await store.open("notes", 3)
        assert generation == Generation(generation.id, "notes", 3, position=0, live=True)
        assert await store.live("notes") == generation

    async def test_opened_again_it_is_the_same_generation(self, store: Store, second: Store) -> None:
        first = await store.open("notes", 1)
        assert await store.open("notes", 1) == await second.open("notes", 1) == first

    async def test_two_processes_that_see_a_topic_first_begin_one(self, store: Store, second: Store) -> None:
        mine, theirs = await asyncio.gather(store.open("notes", 1), second.open("notes", 1))
        assert mine == theirs

    async def test_topics_have_generations_of_their_own(self, store: Store) -> None:
        notes, tasks = await store.open("notes", 1), await store.open("tasks", 1)
        await store.save(notes, [entry("k", 4)], 4)
        assert (await store.open("tasks", 1)).position == 0
        assert await store.load(tasks.id, [(AGENT, "k")]) == []

    async def test_a_newer_version_is_built_beside_the_live_one(self, store: Store, second: Store) -> None:
        old = await store.save(await store.open("notes", 1), [entry("k", 4)], 4)
        new = await store.open("notes", 2)
        assert new == Generation(new.id, "notes", 2, position=0, live=False)
        assert await second.open("notes", 2) == new
        assert await store.live("notes") == old
        assert await store.load(new.id, [(AGENT, "k")]) == []

    async def test_a_version_older_than_the_live_one_is_not_opened(self, store: Store) -> None:
        live = await store.open("notes", 2)
        with pytest.raises(LiveIsNewer, match="notes is live in version 2; this release has 1"):
            await store.open("notes", 1)
        assert await store.open("notes", 2) == live

    # --- load and save --------------------------------------------------------------------------

    async def test_what_was_saved_is_loaded(self, store: Store, second: Store) -> None:
        saved = [entry("a", 1, b'{"text":"\xf0\x9f\x8c\xb7"}'), entry("b", 2, None), entry("ключ", 3, b"", space=None)]
        generation = await store.save(await store.open("notes", 1), saved, 9)
        loaded = await second.load(generation.id, {(AGENT, "a"), (AGENT, "b"), (AGENT, "ключ"), (AGENT, "absent")})
        assert sorted(loaded, key=lambda e: e.position) == saved

    async def test_only_the_keys_that_are_asked_for_are_loaded(self, store: Store) -> None:
        generation = await store.save(await store.open("notes", 1), [entry("a", 1), entry("b", 2)], 2)
        assert await store.load(generation.id, [(AGENT, "b")]) == [entry("b", 2)]
        assert await store.load(generation.id, []) == []

    async def test_I10_a_key_of_one_agent_is_not_that_of_another(self, store: Store) -> None:
        mine, theirs = entry("k", 1, b"1"), entry("k", 2, b"2", agent=OTHER)
        generation = await store.save(await store.open("notes", 1), [mine, theirs], 2)
        assert await store.load(generation.id, [(AGENT, "k")]) == [mine]
        assert await store.load(generation.id, [(OTHER, "k")]) == [theirs]

    async def test_I4_saving_moves_the_checkpoint_with_the_entries(self, store: Store, second: Store) -> None:
        before = await store.open("notes", 1)
        after = await store.save(before, [entry("k", 3)], 7)
        assert after == Generation(before.id, "notes", 1, position=7, live=True)
        assert await second.open("notes", 1) == after

    async def test_a_page_without_changes_moves_the_checkpoint_as_well(self, store: Store) -> None:
        await store.save(await store.open("notes", 1), [], 5_000)
        assert (await store.open("notes", 1)).position == 5_000

    async def test_an_entry_is_replaced_whole(self, store: Store) -> None:
        generation = await store.save(await store.open("notes", 1), [entry("k", 1, b"1")], 1)
        generation = await store.save(generation, [entry("k", 2, None, space=None)], 2)
        assert await store.load(generation.id, [(AGENT, "k")]) == [entry("k", 2, None, space=None)]

    async def test_I4_who_is_behind_saves_nothing(self, store: Store, second: Store) -> None:
        stale = await second.open("notes", 1)
        current = await store.save(await store.open("notes", 1), [entry("k", 1, b"1")], 1)
        with pytest.raises(CheckpointMoved):
            await second.save(stale, [entry("k", 2, b"2"), entry("l", 2)], 2)
        assert await store.open("notes", 1) == current
        assert await store.load(current.id, [(AGENT, "k"), (AGENT, "l")]) == [entry("k", 1, b"1")]

    async def test_I4_of_two_that_save_at_once_one_does(self, store: Store, second: Store) -> None:
        generation = await store.open("notes", 1)
        saved = await asyncio.gather(
            store.save(generation, [entry("k", 1, b"mine")], 1),
            second.save(generation, [entry("k", 2, b"theirs")], 2),
            return_exceptions=True,
        )
        [won] = [outcome for outcome in saved if isinstance(outcome, Generation)]
        assert [type(outcome) for outcome in saved if outcome != won] == [CheckpointMoved]
        assert await store.open("notes", 1) == won
        assert [e.position for e in await store.load(won.id, [(AGENT, "k")])] == [won.position]

    async def test_new_entries_are_written_as_others_are(self, store: Store, second: Store) -> None:
        saved = [entry("a", 1, b'{"text":"\xf0\x9f\x8c\xb7"}'), entry("b", 2, None), entry("ключ", 3, b"", space=None)]
        saved += [entry("a", 2, b"other", agent=OTHER), entry("c", 3, b"", agent=OTHER, space=AGENT)]
        generation = await store.save(await store.open("notes", 1), saved, 9, new=True)
        assert await second.open("notes", 1) == generation
        loaded = await second.load(generation.id, [(e.agent_id, e.key) for e in saved])
        assert sorted(loaded, key=lambda e: (e.position, e.agent_id)) == sorted(
            saved, key=lambda e: (e.position, e.agent_id)
        )

    async def test_entries_that_are_not_new_after_all_are_replaced(self, store: Store) -> None:
        generation = await store.save(await store.open("notes", 1), [entry("k", 1, b"1")], 1)
        generation = await store.save(generation, [entry("j", 2), entry("k", 2, b"2")], 2, new=True)
        assert await store.load(generation.id, [(AGENT, "k")]) == [entry("k", 2, b"2")]
        assert await store.open("notes", 1) == generation

    async def test_I4_who_is_behind_saves_nothing_new_either(self, store: Store, second: Store) -> None:
        stale = await second.open("notes", 1)
        current = await store.save(await store.open("notes", 1), [entry("k", 1, b"1")], 1)
        with pytest.raises(CheckpointMoved):
            await second.save(stale, [entry("l", 2)], 2, new=True)
        assert await store.load(current.id, [(AGENT, "l")]) == []

    async def test_who_asks_learns_that_the_checkpoint_has_moved(self, store: Store, second: Store) -> None:
        before = await store.open("notes", 1)
        await store.still(before)
        after = await second.save(before, [], 1)
        with pytest.raises(CheckpointMoved):
            await store.still(before)
        await store.still(after)

    # --- stop -----------------------------------------------------------------------------------

    async def test_a_stopped_projection_shows_where_and_why_until_it_moves(self, store: Store, topics: Topics) -> None:
        generation = await store.open("notes", 1)
        await store.stop(generation, 8, "ValueError: no")
        shown = await listed(topics, generation)
        assert shown is not None
        assert (shown.error_position, shown.error, shown.position) == (8, "ValueError: no", 0)
        await store.save(generation, [], 8)
        shown = await listed(topics, generation)
        assert shown is not None
        assert (shown.error_position, shown.error, shown.position) == (None, None, 8)

    async def test_a_projection_that_moves_up_to_its_error_shows_it_again(self, store: Store, topics: Topics) -> None:
        generation = await store.open("notes", 1)
        await store.stop(generation, 8, "first")
        await store.stop(await store.save(generation, [], 7), 8, "second")
        shown = await listed(topics, generation)
        assert shown is not None
        assert (shown.error_position, shown.error) == (8, "second")
