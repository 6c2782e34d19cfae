"""What every reader of the topics gets: pages in the order of the log, that never split a position, of one agent."""

from uuid import UUID

import pytest

from projections.ports import GenerationGone, Read, Topics
from tests.conformance.entries import AGENT, OTHER, SPACE, Store, entry


class TopicsContract:
    """Inherit, and give the fixtures of EntryStoreContract."""

    async def test_a_topic_that_no_projector_has_seen_is_not_served(self, store: Store, topics: Topics) -> None:
        await store.create_aside("notes", 1)
        assert await topics.serving("notes") is None

    async def test_the_live_generation_is_served_with_its_checkpoint(self, store: Store, topics: Topics) -> None:
        live = await store.save(await store.open("notes", 2), [], 7)
        await store.open("notes", 3)
        serving = await topics.serving("notes")
        assert serving is not None
        assert (serving.generation, serving.version, serving.position) == (live.id, 2, 7)
        assert (serving.floor, serving.log_head) == (0, 0)

    async def test_a_page_has_what_changed_after_a_position_in_order(self, store: Store, topics: Topics) -> None:
        changed = [entry("c", 3, b"3"), entry("a", 5, None), entry("b", 4, b"4", space=None), entry("d", 2)]
        live = await store.save(await store.open("notes", 1), changed, 9)
        page = await topics.page(live.id, AGENT, None, after=2, limit=10)
        assert page.entries == (Read("c", SPACE, 3, b"3"), Read("b", None, 4, b"4"), Read("a", SPACE, 5, None))
        assert (page.checkpoint, page.full) == (9, False)

    async def test_I5_a_page_never_splits_a_position(self, store: Store, topics: Topics) -> None:
        changed = [entry("a", 1), entry("d", 2), entry("c", 2), entry("b", 2), entry("e", 3)]
        live = await store.save(await store.open("notes", 1), changed, 3)
        page = await topics.page(live.id, AGENT, None, after=0, limit=2)
        assert [read.key for read in page.entries] == ["a", "b", "c", "d"]
        assert page.full
        page = await topics.page(live.id, AGENT, None, after=2, limit=2)
        assert ([read.key for read in page.entries], page.full) == (["e"], False)

    async def test_an_empty_page_still_tells_the_checkpoint(self, store: Store, topics: Topics) -> None:
        live = await store.save(await store.open("notes", 1), [entry("k", 1)], 6)
        page = await topics.page(live.id, AGENT, None, after=1, limit=10)
        assert (page.entries, page.checkpoint, page.full) == ((), 6, False)

    async def test_I10_a_page_is_of_one_agent_and_when_asked_of_one_space(self, store: Store, topics: Topics) -> None:
        elsewhere = UUID(int=0x6)
        changed = [
            entry("a", 1),
            entry("b", 2, space=elsewhere),
            entry("c", 3, space=None),
            entry("d", 4, agent=OTHER),
        ]
        live = await store.save(await store.open("notes", 1), changed, 4)

        async def keys(agent: UUID, space: UUID | None) -> list[str]:
            return [read.key for read in (await topics.page(live.id, agent, space, 0, 10)).entries]

        assert await keys(AGENT, None) == ["a", "b", "c"]
        assert await keys(AGENT, elsewhere) == ["b"]
        assert await keys(OTHER, SPACE) == ["d"]
        assert await keys(OTHER, elsewhere) == []

    async def test_a_replaced_generation_is_not_read_any_more(self, store: Store, topics: Topics) -> None:
        old = await store.open("notes", 1)
        new = await store.create_aside("notes", 1)
        with pytest.raises(GenerationGone):
            await topics.page(new.id, AGENT, None, 0, 10)
        await store.take_over(new)
        with pytest.raises(GenerationGone):
            await topics.page(old.id, AGENT, None, 0, 10)
        assert (await topics.page(new.id, AGENT, None, 0, 10)).entries == ()

    async def test_one_entry_is_found_by_its_agent_and_key(self, store: Store, topics: Topics) -> None:
        live = await store.save(await store.open("notes", 1), [entry("k", 1, b"1"), entry("gone", 2, None)], 2)
        assert await topics.one(live.id, AGENT, "k") == Read("k", SPACE, 1, b"1")
        assert await topics.one(live.id, AGENT, "gone") == Read("gone", SPACE, 2, None)
        assert await topics.one(live.id, OTHER, "k") is None
        assert await topics.one(live.id, AGENT, "absent") is None

    async def test_every_generation_is_listed_the_live_one_first(self, store: Store, topics: Topics) -> None:
        await store.open("tasks", 1)
        replaced = await store.open("notes", 1)
        building = await store.open("notes", 2)
        live = await store.create_aside("notes", 1)
        await store.take_over(live)
        assert [(one.topic, one.version, one.live, one.aside) for one in await topics.list()] == [
            ("notes", 1, True, False),
            ("notes", 1, False, True),
            ("notes", 2, False, False),
            ("tasks", 1, True, False),
        ]
        assert [one.generation for one in await topics.list()][:3] == [live.id, replaced.id, building.id]

    async def test_I4_equal_states_have_equal_digests_and_others_do_not(self, store: Store, topics: Topics) -> None:
        state = [entry("a", 1, b"1"), entry("b", 2, b"2"), entry("a", 3, b"3", agent=OTHER)]
        digests = []
        for changed in (
            state,
            [*reversed(state), entry("gone", 4, None)],
            [entry("a", 1, b"1"), entry("b", 2, b"x"), state[2]],
            [entry("a", 9, b"1"), *state[1:]],
            [entry("z", 1, b"1"), *state[1:]],
            state[:2],
        ):
            built = await store.save(await store.create_aside("notes", 1), changed, 9)
            digests.append(await topics.digest(built.id))
        assert digests[0] == digests[1], "the order of writing and tombstones do not count"
        assert len(set(digests)) == 5
