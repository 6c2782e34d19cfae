"""Rebuilds and verifications of a real database: drift is found and corrected, what was broken off is gone on with."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from adapters.postgres.connect import connect
from adapters.postgres.entries import PostgresEntryStore
from projections.topics import TOPICS
from tests.integration.projecting import AGENT, Projected, process, projected, until

CHUNKS = 3_000
PROJECTOR = ("workers", "projector")


@pytest.fixture
async def hub(database: str) -> AsyncIterator[Projected]:
    """With transcripts that are projected, by a projector that is gone."""
    async with projected(database) as found:
        with process(database, *PROJECTOR):
            await found.reach(await found.talk(CHUNKS))
        yield found


async def _drift(hub: Projected, statement: str) -> tuple[str, int]:
    """Do something to the entry in the middle; its key and position."""
    row = await (
        await hub.owner.execute(
            f"WITH one AS (SELECT generation, agent_id, key, position FROM stele.entries"
            f"             WHERE position = {CHUNKS // 2} AND key <> '') {statement}"
            f" WHERE (e.generation, e.agent_id, e.key) IN (SELECT generation, agent_id, key FROM one)"
            f" RETURNING e.key, (SELECT position FROM one)".encode()
        )
    ).fetchone()
    assert row is not None
    return str(row[0]), int(row[1])


DRIFTS = {
    "another value": ("UPDATE stele.entries e SET value = '{}'", "differs"),
    "another position": ("UPDATE stele.entries e SET position = 1", "differs"),
    "another space": ("UPDATE stele.entries e SET space_id = NULL", "differs"),
    "a tombstone": ("UPDATE stele.entries e SET value = NULL", "differs"),
    "gone": ("DELETE FROM stele.entries e", "only rebuilt"),
}


@pytest.mark.parametrize("name", DRIFTS)
async def test_drift_is_found_told_and_corrected(hub: Projected, name: str) -> None:
    statement, what = DRIFTS[name]
    served, digest = await hub.serving("transcripts"), await hub.digest("transcripts")
    assert served is not None
    key, position = await _drift(hub, statement)
    found = (await hub.built("verify", "transcripts"))[-1]
    assert (found["outcome"], found["differences"], found["position"]) == ("different", 1, CHUNKS)
    first = found["first_difference"]
    assert (first["agent_id"], first["key"], first["what"]) == (str(AGENT), key, what)
    assert first["position"] == (1 if name == "another position" else position)
    assert first["rebuilt_position"] == position
    assert found["digest_rebuilt"] == digest
    json.dumps(found)

    rebuilt = (await hub.built("rebuild", "transcripts"))[-1]
    assert (rebuilt["outcome"], rebuilt["cursors"], rebuilt["digest"]) == ("rebuilt", "refetched", digest)
    assert rebuilt["first_difference"] == first
    assert (await hub.built("verify", "transcripts"))[-1]["outcome"] == "equal"
    corrected = await hub.serving("transcripts")
    assert corrected is not None
    assert corrected.version == served.version + 1_000, "cursors of the drifted entries are refused"


async def test_I5_a_rebuild_that_changes_nothing_keeps_every_cursor(hub: Projected) -> None:
    before = await hub.serving("transcripts")
    rebuilt = (await hub.built("rebuild", "transcripts"))[-1]
    assert (rebuilt["outcome"], rebuilt["cursors"], rebuilt["differences"]) == ("rebuilt", "kept", 0)
    after = await hub.serving("transcripts")
    assert before is not None
    assert after is not None
    assert after.generation != before.generation
    assert (after.version, after.position) == (before.version, before.position)


async def test_a_rebuild_under_a_projector_that_goes_on_is_taken_up_by_it(hub: Projected) -> None:
    with process(hub.conninfo, *PROJECTOR):
        await hub.reach(await hub.talk(10))
        assert (await hub.built("rebuild", "transcripts"))[-1]["cursors"] == "kept"
        await hub.reach(await hub.talk(10))
        assert (await hub.built("verify", "transcripts"))[-1]["outcome"] == "equal"


async def test_a_rebuild_that_was_killed_is_gone_on_with(hub: Projected) -> None:
    """And no faster than it was told to."""
    throttled = ("workers", "build", "rebuild", "transcripts", "--max-events-per-second", "1000")
    with process(hub.conninfo, *throttled) as killed:
        said = [json.loads(killed.stdout.readline()) for _ in range(2)]
        assert (said[0]["position"], said[0]["resumed"], said[0]["head"]) == (0, False, CHUNKS)
        assert said[1]["position"] == 1_000
    [left] = [one for one in await hub.topics.list() if one.aside]
    assert left.position >= 1_000

    async def free() -> bool:
        held = await hub.owner.execute(
            "SELECT FROM pg_stat_activity WHERE application_name = 'stele rebuild' AND datname = current_database()"
        )
        return held.rowcount == 0

    await until(free)
    before = await hub.serving("transcripts")
    again = await hub.built("rebuild", "transcripts")
    assert (again[0]["position"], again[0]["resumed"]) == (left.position, True)
    assert (again[-1]["outcome"], again[-1]["cursors"]) == ("rebuilt", "kept")
    after = await hub.serving("transcripts")
    assert before is not None
    assert after is not None
    assert (after.generation, after.version) == (left.generation, before.version)
    assert (await hub.built("verify", "transcripts"))[-1]["outcome"] == "equal"
    assert [one for one in await hub.topics.list() if one.aside] == []


async def test_a_topic_that_is_being_rebuilt_is_not_rebuilt_beside_that(hub: Projected) -> None:
    async with await connect(hub.conninfo, "other", "stele_projector") as connection:
        await PostgresEntryStore(connection).resume_aside("transcripts", TOPICS["transcripts"].version)
        [refused] = await hub.built("rebuild", "transcripts")
        assert refused["refused"] == "build_running"
        assert (await hub.built("verify", "transcripts"))[-1]["outcome"] == "equal"


async def test_more_than_may_be_built_at_a_time_is_refused(hub: Projected) -> None:
    async with (
        await connect(hub.conninfo, "one", "stele_projector") as one,
        await connect(hub.conninfo, "two", "stele_projector") as two,
    ):
        await PostgresEntryStore(one).take_slot()
        await PostgresEntryStore(two).take_slot()
        refused: list[dict[str, Any]] = await hub.built("verify", "people")
        assert [line["refused"] for line in refused] == ["overloaded"]


async def test_a_rebuild_does_not_replace_a_newer_version(hub: Projected) -> None:
    await hub.owner.execute("UPDATE stele.generations SET version = 2 WHERE topic = 'transcripts'")
    [failed] = await hub.built("rebuild", "transcripts")
    assert failed["outcome"] == "failed"
    assert failed["detail"] == "transcripts is live in version 2; this release has 1"
    assert (await hub.built("verify", "transcripts"))[-1]["detail"] == "this version is not live yet"
