"""A stock application of the library `eventsourcing`, told where to look by its own settings alone, reads the whole
log: every notification, every stream, to the same state.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from uuid import UUID

import msgspec
import pytest
from eventsourcing.application import AggregateNotFoundError, Application
from eventsourcing.persistence import NotSupportedError, PersistenceError
from eventsourcing.projection import ApplicationSubscription
from msgspec import Struct
from psycopg.conninfo import conninfo_to_dict

from adapters.eventsourcing.aggregates import of_stream
from adapters.eventsourcing.events import CLASSES, Happened
from adapters.postgres.appender import Appender
from adapters.postgres.connect import Pool, pool
from adapters.postgres.log import PostgresLog
from adapters.postgres.migrate import migrate
from adapters.rules.planner import RulePlanner
from domain import personal
from domain.actions import Action, ActionProposed, ApproveAction, FinishAction, RejectAction, StartAction
from domain.aggregate import Aggregate
from domain.events import Recorded
from domain.people import ErasePerson, PersonRegistered
from domain.planning import RecordPlan
from domain.ports import Utterance
from domain.runtime import Command, Runtime
from domain.spaces import CreateSpace
from domain.transcripts import RecordTranscript, Spoken, TranscriptChunkRecorded
from domain.work import Context
from tests.corpus.corpus import LOGS
from tests.keys import MASTER, vault
from workers.parts import SystemClock, TimeOrderedIds

AGENT, OTHER = UUID(int=0xA9E47), UUID(int=0xB9E47)


class Stele(Application[UUID]):
    """Its name tells the library the table; nothing else is ours."""


def settings(database: str, **more: str) -> dict[str, str]:
    where = conninfo_to_dict(database)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": str(where["dbname"]),
        "POSTGRES_HOST": str(where["host"]),
        "POSTGRES_PORT": str(where.get("port") or 5432),
        "POSTGRES_USER": str(where["user"]),
        "POSTGRES_PASSWORD": str(where.get("password") or ""),
        "POSTGRES_SCHEMA": "eventsourcing",
        "CREATE_TABLE": "no",
        "TRANSCODER_TOPIC": "adapters.eventsourcing.transcoder:SteleTranscoder",
        **more,
    }


KEY = {"CIPHER_TOPIC": "adapters.vault.eventsourcing:PersonalCipher", "CIPHER_KEY": MASTER}


@contextmanager
def stock(database: str, **more: str) -> Iterator[Stele]:
    application = Stele(settings(database, **more))
    try:
        yield application
    finally:
        application.close()


class Hub(Struct):
    log: PostgresLog
    runtime: Runtime
    reading: Pool

    async def do(self, command: Command, agent: UUID = AGENT) -> dict[str, Any]:
        return (await self.runtime.execute(command, Context(agent, "test"))).result

    async def events(self, *, opened: bool) -> list[Recorded]:
        """Opened, if asked for, with the keys that are there now."""
        events = await self.log.read(0, 5_000)
        return list(await vault(self.reading).open(events)) if opened else events


@asynccontextmanager
async def running(database: str) -> AsyncIterator[Hub]:
    await migrate(database)
    async with Appender(database) as appender, pool(database, "test", 4) as reading:
        log = PostgresLog(reading, appender)
        yield Hub(log, Runtime(log, SystemClock(), TimeOrderedIds(), vault(reading)), reading)


@pytest.fixture
async def hub(database: str) -> AsyncIterator[Hub]:
    """A hub that has heard a real meeting, planned about it, and done some of what it proposed."""
    async with running(database) as hub:
        space = (await hub.do(CreateSpace("kickoff")))["space_id"]
        await hub.do(RecordTranscript(UUID(space), meeting()))
        other = (await hub.do(CreateSpace("kickoff"), OTHER))["space_id"]
        await hub.do(RecordTranscript(UUID(other), meeting()[:3]), OTHER)
        actions = await plan(hub)
        for action in actions[:3]:
            await hub.do(ApproveAction(action))
        attempt = TimeOrderedIds().new()
        await hub.do(StartAction(actions[0], attempt))
        await hub.do(FinishAction(actions[0], attempt, result={"note": "written"}))
        await hub.do(StartAction(actions[1], attempt))
        await hub.do(FinishAction(actions[1], attempt, code="tool_error", detail="no ink"))
        await hub.do(RejectAction(actions[3], "Not ours to do."))
        yield hub


def meeting() -> tuple[Spoken, ...]:
    """What was said in the meeting of the corpus."""
    spoken = []
    for line in (LOGS / "0.1.0.jsonl").read_bytes().splitlines():
        event = msgspec.json.decode(line)
        if event["type"] == TranscriptChunkRecorded.type:
            said = msgspec.json.decode(event["data"])
            spoken.append(Spoken(said["speaker"], said["text"], id=str(event["position"])))
    return tuple(spoken)


async def plan(hub: Hub) -> list[UUID]:
    actions: list[str] = []
    for event in await hub.events(opened=True):
        said = event.payload
        if isinstance(said, TranscriptChunkRecorded) and event.agent_id == AGENT:
            heard = Utterance(
                AGENT, said.space_id, event.position, said.person_id, said.speaker, said.text, event.occurred_at
            )
            if proposals := await RulePlanner().plan(heard):
                planned = await hub.do(RecordPlan(said.space_id, event.event_id, tuple(proposals)))
                actions += planned["action_ids"]
    return [UUID(action) for action in actions]


def replayed(events: list[Recorded]) -> dict[UUID, Aggregate]:
    """Every stream, folded by ourselves. Streams of two agents have ids of their own."""
    aggregates: dict[UUID, Aggregate] = {}
    for event in events:
        if event.stream_id not in aggregates:
            aggregates[event.stream_id] = of_stream(event)
        aggregates[event.stream_id].replay(event)
    return aggregates


def notified(application: Stele) -> list[Recorded]:
    """Every notification, page by page as the library reads them."""
    found: list[Recorded] = []
    while page := application.notification_log.select(start=len(found) + 1, limit=10):
        for notification in page:
            event = application.mapper.to_domain_event(notification)
            assert isinstance(event, Happened)
            assert notification.id == event.recorded.position == len(found) + 1
            assert notification.topic == event.TOPIC == event.recorded.type
            assert (event.originator_id, event.originator_version) == (event.recorded.stream_id, event.recorded.version)
            found.append(event.recorded)
    return found


@pytest.mark.parametrize("opened", [False, True], ids=["without the key", "with the key"])
async def test_every_notification_is_the_event_of_that_position(hub: Hub, database: str, opened: bool) -> None:
    ours = await hub.events(opened=opened)
    with stock(database, **(KEY if opened else {})) as application:
        assert application.recorder.max_notification_id() == await hub.log.head() == len(ours)
        theirs = notified(application)
    assert theirs == ours
    assert [event.payload for event in theirs] == [event.payload for event in ours]


@pytest.mark.parametrize("opened", [False, True], ids=["without the key", "with the key"])
async def test_every_stream_is_replayed_to_the_same_state(hub: Hub, database: str, opened: bool) -> None:
    ours = replayed(await hub.events(opened=opened))
    assert {type(aggregate).__name__ for aggregate in ours.values()} == {"Action", "Person", "Space", "TranscriptChunk"}
    with stock(database, **(KEY if opened else {})) as application:
        for stream_id, aggregate in ours.items():
            theirs: Aggregate = application.repository.get(stream_id)
            assert type(theirs) is type(aggregate)
            assert theirs.freeze() == aggregate.freeze()


async def test_a_stream_is_replayed_up_to_a_version(hub: Hub, database: str) -> None:
    ours = replayed(await hub.events(opened=True))
    action = next(id for id, one in ours.items() if isinstance(one, Action) and one.version == 4)
    with stock(database, **KEY) as application:
        for version in range(1, 5):
            theirs: Action = application.repository.get(action, version=version)
            assert theirs.version == version
        assert theirs.freeze() == ours[action].freeze()
        with pytest.raises(AggregateNotFoundError):
            application.repository.get(UUID(int=404))


async def test_I9_without_the_key_nobody_is_named_and_no_word_is_read(hub: Hub, database: str) -> None:
    words = {text for spoken in meeting() for text in (spoken.speaker, spoken.text)}
    with stock(database) as application:
        sealed = [value for event in notified(application) for value in personal.values(event.payload).values()]
        states = [
            notification.state for notification in application.recorder.select_notifications(start=1, limit=5_000)
        ]
    assert len(sealed) > 2 * len(meeting())
    assert words.isdisjoint(sealed)
    assert not [word for word in words if len(word) > 20 and any(word.encode() in state for state in states)]
    with stock(database, **KEY) as application:
        opened = {value for event in notified(application) for value in personal.values(event.payload).values()}
    assert words <= opened


async def test_I9_who_was_erased_stays_sealed_with_the_key(hub: Hub, database: str) -> None:
    person = next(e.payload for e in await hub.events(opened=True) if isinstance(e.payload, PersonRegistered))
    await hub.do(ErasePerson(person.person_id))
    with stock(database, **KEY) as application:
        theirs = notified(application)
        assert [e.payload for e in theirs] == [e.payload for e in await hub.events(opened=True)]
        about = [event for event in theirs if person.person_id in event.subjects]
    assert about
    assert {text for event in about for text in personal.values(event.payload).values()} == {personal.ERASED}


async def test_the_notification_log_is_read_section_by_section(hub: Hub, database: str) -> None:
    with stock(database) as application:
        section = application.notification_log["11,20"]
        assert [item.id for item in section.items] == list(range(11, 21))
        assert section.next_id == "21,30"


async def test_a_subscription_pulls_from_where_it_stood(hub: Hub, database: str) -> None:
    ours = await hub.events(opened=False)
    with stock(database) as application, ApplicationSubscription(application, gt=10) as subscription:
        for expected in ours[10:]:
            event, tracking = next(subscription)
            assert isinstance(event, Happened)
            assert (tracking.notification_id, event.recorded) == (expected.position, expected)


async def test_a_subscription_to_one_type_gets_that_type(hub: Hub, database: str) -> None:
    expected = [e.position for e in await hub.events(opened=False) if e.type == ActionProposed.type]
    topics = [CLASSES[ActionProposed.type].TOPIC]
    with stock(database) as application, ApplicationSubscription(application, topics=topics) as subscription:
        assert [next(subscription)[1].notification_id for _ in expected] == expected


async def test_I2_a_stock_application_cannot_append(hub: Hub, database: str) -> None:
    head = await hub.log.head()
    with stock(database) as application:
        [first] = application.notification_log.select(start=1, limit=1)
        with pytest.raises(PersistenceError):
            application.recorder.insert_events([first])
        with pytest.raises(NotSupportedError, match="only Stele's runtime appends"):
            application.mapper.to_stored_event(application.mapper.to_domain_event(first))
    assert await hub.log.head() == head
