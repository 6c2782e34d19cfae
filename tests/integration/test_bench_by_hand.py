"""The loop by hand that projections are measured against does the same work: a figure of one that does not is none."""

import itertools
from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID

import pytest

from adapters.postgres.migrate import migrate
from domain.actions import (
    ActionApproved,
    ActionFailed,
    ActionOutcomeUnknown,
    ActionProposed,
    ActionRejected,
    ActionStarted,
    ActionSucceeded,
)
from domain.canonical import encode
from domain.events import Event
from domain.transcripts import TranscriptChunkRecorded
from projections.actions import ACTIONS
from projections.projection import AnyProjection
from projections.transcripts import TRANSCRIPTS
from tests.bench.copying import fill
from tests.bench.fill import BEGAN, Ids, Placed
from tests.bench.made import made
from tests.bench.ours import AGENT, SPACE
from tests.bench.peers import by_hand
from tests.bench.row import run_sql
from tests.bench.rows.projections import our_side

_LATER = BEGAN + timedelta(days=1, microseconds=7)


def _action(id: UUID) -> list[list[Event]]:
    """Every way that an action goes, from its proposal on."""
    proposed = ActionProposed(id, SPACE, "note", "Write it down", '{"b":1,"a":["ü"]}', "00", "asked", (1, 2), (AGENT,))
    approved = ActionApproved(id, SPACE, "note", "00", 1, "person", _LATER)
    started = ActionStarted(id, SPACE, AGENT, "executor", _LATER)
    succeeded = ActionSucceeded(id, SPACE, AGENT, '{"z":{},"a":null}')
    return [
        [proposed],
        [proposed, approved, started, succeeded],
        [proposed, ActionRejected(id, SPACE, "person", "")],
        [proposed, ActionRejected(id, SPACE, "person", "too early")],
        [proposed, ActionFailed(id, SPACE, "expired", "")],
        [proposed, approved, started, ActionFailed(id, SPACE, "tool", "it broke", AGENT)],
        [proposed, approved, started, ActionOutcomeUnknown(id, SPACE, AGENT), succeeded],
    ]


def _actions() -> Iterator[Placed]:
    """All of them side by side, an event of each in turn."""
    ids = [Ids(seed).uuid() for seed in range(7)]
    ways = [[(id, event) for event in _action(id)[number]] for number, id in enumerate(ids)]
    for version, events in enumerate(itertools.zip_longest(*ways), start=1):
        for id, event in filter(None, events):
            yield Placed(id.bytes, version, type(event), encode(event))


def _chunks() -> Iterator[Placed]:
    for seed in range(3):
        one, other = Ids(seed).uuid(), Ids(seed + 3).uuid()
        yield _placed(TranscriptChunkRecorded(one, SPACE, AGENT, "Zoë", 'a "word" \n'))
        yield _placed(TranscriptChunkRecorded(other, SPACE, AGENT, "", "", "theirs", BEGAN, _LATER))


def _placed(event: TranscriptChunkRecorded) -> Placed:
    return Placed(event.chunk_id.bytes, 1, type(event), encode(event))


@pytest.mark.parametrize("page", [1, 3, 100])
@pytest.mark.parametrize(("projection", "events"), [(TRANSCRIPTS, _chunks), (ACTIONS, _actions)], ids=["said", "acted"])
async def test_the_loop_by_hand_makes_the_entries_that_the_engine_makes(
    database: str, projection: AnyProjection, events: Callable[[], Iterator[Placed]], page: int
) -> None:
    """Whatever a topic reads, and wherever pages end; and a single other byte would show."""
    await migrate(database)
    head = await fill(database, events())
    async with our_side(database, projection, head) as side:
        _, ours = await side.record(page)
    await by_hand.follow(database, by_hand.TOPICS[projection.topic], page, head)
    assert await made(database, "bench", 1) == ours
    assert ours.entries > 1
    await run_sql(database, "UPDATE bench.entries SET value = value || ' ' WHERE position = 1")
    assert await made(database, "bench", 1) != ours
