"""States of the past, by the real process from a real Postgres: what they say."""

import random
from typing import Any
from uuid import UUID

import pytest

from adapters.postgres.as_of import PostgresStates, PostgresStreams, StateShelf
from adapters.postgres.connect import Pool
from adapters.postgres.entries import PostgresEntryStore
from adapters.postgres.log import PostgresLog
from adapters.postgres.topics import PostgresTopics
from domain.actions import ActionApproved
from domain.limits import PAGE_ENTRIES_MAX
from projections.past import NotBuilt, fold
from projections.ports import Read
from projections.topics import TOPICS
from tests.folding import advance
from tests.integration.histories import AGENTS, append, history
from tests.integration.pasts import EVENTS, SEED, Connection, Pasts, made, states
from workers.past import BuiltPast

_KEY = "INSERT INTO stele_keys.subject_keys (agent_id, subject_id, master_key_id, wrapped) VALUES (%s, %s, 'm', '')"


class TestThePast(Pasts):
    async def test_I4_a_state_of_the_past_equals_the_live_one_of_that_moment(
        self, connection: Connection, reading: Pool, past: BuiltPast
    ) -> None:
        """Digest for digest, at positions in any order, also of a topic that stood still there."""
        print(f"seed {SEED}")
        chance = random.Random(SEED)
        head = await append(connection, history(SEED, EVENTS))
        log, topics = PostgresLog(reading), PostgresTopics(reading)
        moments = [*sorted(chance.sample(range(1, head), 9)), head]
        store = PostgresEntryStore(connection)
        seen: dict[tuple[str, int], tuple[str, list[Any]]] = {}
        for topic, projection in TOPICS.items():
            live = await store.open(topic, projection.version)
            for moment in moments:
                while live.position < moment:
                    live = await advance(log, store, projection, live, up_to=moment)
                entries = [(await topics.page(live.id, agent, None, 0, PAGE_ENTRIES_MAX)).entries for agent in AGENTS]
                seen[topic, moment] = await topics.digest(live.id), entries
        chance.shuffle(moments)
        find = PostgresStates(reading).find
        for topic, projection in TOPICS.items():
            for moment in moments:
                pages = [await past.page(topic, moment, agent, None, 0, PAGE_ENTRIES_MAX) for agent in AGENTS]
                built = await find(topic, projection.version, moment)
                assert built is not None
                assert (await topics.digest(built), [page.entries for page in pages]) == seen[topic, moment]
                assert {page.checkpoint for page in pages} == {moment}
        assert len({digest for digest, _ in seen.values()}) > len(moments), "the history changes what is compared"

    async def test_pages_and_spaces_of_the_past_are_cut_as_those_of_now(
        self, connection: Connection, past: BuiltPast
    ) -> None:
        head = await append(connection, history(SEED, EVENTS))
        space = UUID(int=1)
        whole = await past.page("actions", head - 100, AGENTS[0], space, 0, PAGE_ENTRIES_MAX)
        assert len(whole.entries) > 20
        assert {entry.space_id for entry in whole.entries} == {space}
        read: list[Read] = []
        after = 0
        while True:
            page = await past.page("actions", head - 100, AGENTS[0], space, after, 7)
            read += page.entries
            if not page.full:
                break
            after = page.entries[-1].position
        assert tuple(read) == whole.entries
        assert await past.page("actions", 0, AGENTS[0], None, 0, 10) == type(whole)((), 0, False)

    async def test_an_aggregate_of_the_past_equals_its_entry(
        self, connection: Connection, reading: Pool, past: BuiltPast
    ) -> None:
        head = await append(connection, history(SEED, EVENTS))
        log, streams = PostgresLog(reading), PostgresStreams(reading)
        for moment in (head // 3, head // 2):
            page = await past.page("actions", moment, AGENTS[0], None, 0, PAGE_ENTRIES_MAX)
            for entry in page.entries:
                id = UUID(entry.key)
                events = [event for event in await log.read_streams(AGENTS[0], [id]) if event.position <= moment]
                folded = fold(TOPICS["actions"], entry.key, None, events)
                assert folded is not None
                assert (folded.position, folded.value) == (entry.position, entry.value)
                assert await streams.version(AGENTS[0], id, moment) == len(events)
                assert await streams.version(AGENTS[1], id, moment) == 0
                assert await streams.positions(AGENTS[0], id, 1, 9, moment) == [event.position for event in events[1:]]
                assert await streams.positions(AGENTS[1], id, 0, 9, moment) == []

    async def test_a_fold_that_fails_is_told_with_its_position_and_before_it_the_past_is_there(
        self, connection: Connection, past: BuiltPast
    ) -> None:
        head = await append(connection, history(SEED, 100))
        never = UUID(int=77)
        stray = ActionApproved(never, never, "note", "0" * 64, 1, "person", (await _now(connection)))
        await append(connection, [(AGENTS[0], never, 1, stray)])
        with pytest.raises(NotBuilt, match=f"stopped at position {head + 1}"):
            await past.page("actions", head + 1, AGENTS[0], None, 0, 10)
        assert (await past.page("actions", head, AGENTS[0], None, 0, 10)).checkpoint == head
        assert (await past.page("people", head + 1, AGENTS[0], None, 0, 10)).checkpoint == head + 1

    async def test_I9_when_a_key_is_destroyed_every_state_of_the_past_is_built_anew(
        self, connection: Connection, past: BuiltPast
    ) -> None:
        await append(connection, history(SEED, 200))
        person = UUID(int=5)
        await connection.execute(
            _KEY,
            [AGENTS[0], person],
        )
        before = await past.page("transcripts", 150, AGENTS[0], None, 0, 100)
        first = await made(connection)
        async with connection.transaction(force_rollback=True):
            await connection.execute("DELETE FROM stele_keys.subject_keys WHERE subject_id = %s", [person])
            assert await states(connection) == []
        assert await states(connection) == [("transcripts", 150)], "an erasure that did not happen forgets nothing"
        await connection.execute("DELETE FROM stele_keys.subject_keys WHERE subject_id = %s", [person])
        assert await past.page("transcripts", 150, AGENTS[0], None, 0, 100) == before
        assert await made(connection) > first

    async def test_I9_a_state_that_was_being_built_when_a_key_was_destroyed_is_not_shown(
        self, connection: Connection
    ) -> None:
        store, shelf = PostgresEntryStore(connection), StateShelf(connection)
        generation = await store.create_aside("people", 1)
        await shelf.begin(generation, 1)
        await connection.execute(
            _KEY,
            [AGENTS[0], UUID(int=5)],
        )
        await connection.execute("DELETE FROM stele_keys.subject_keys")
        assert not await shelf.finish(generation.id)

    async def test_I1_a_state_whose_entries_are_lost_is_built_anew(
        self, connection: Connection, past: BuiltPast
    ) -> None:
        await append(connection, history(SEED, 300))
        before = await past.page("actions", 200, AGENTS[0], None, 0, 100)
        assert before.entries
        await connection.execute("TRUNCATE stele.entries")
        assert await past.page("actions", 200, AGENTS[0], None, 0, 100) == before


async def _now(connection: Connection) -> Any:
    row = await (await connection.execute("SELECT now()")).fetchone()
    return row[0] if row is not None else None
