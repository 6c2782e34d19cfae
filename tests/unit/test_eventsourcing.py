"""Stele's events as domain events of the library `eventsourcing`: exact bytes, present names, the right aggregate."""

import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from eventsourcing.persistence import Mapper, StoredEvent
from eventsourcing.utils import get_topic, resolve_topic

from adapters.eventsourcing.aggregates import FIRST, of_stream
from adapters.eventsourcing.events import CLASSES, Happened
from adapters.eventsourcing.transcoder import SteleTranscoder
from domain.aggregate import Aggregate
from domain.events import REGISTRY, Recorded
from domain.people import PersonRegistered
from domain.spaces import SpaceCreated
from tests.corpus.earlier import OLD, NoteTaken, evolved

ID = UUID(int=7)
THEN = datetime(2025, 6, 1, 9, tzinfo=UTC)
DATA = b'{"label":"\\u2028 Zo\xc3\xab","person_id":"00000000-0000-0000-0000-000000000007"}'


def recorded(**changes: Any) -> Recorded:
    fields: dict[str, Any] = {
        "position": 1,
        "event_id": ID,
        "agent_id": ID,
        "stream_id": ID,
        "version": 1,
        "type": PersonRegistered.type,
        "schema_version": 1,
        "data": DATA,
        "occurred_at": THEN,
        "recorded_at": THEN,
        "actor": 'an "actor"',
        "causation_id": None,
        "correlation_id": ID,
        "traceparent": None,
    }
    return Recorded(**fields | changes)


def state(event: Recorded, **more: object) -> bytes:
    """As the view writes it."""
    envelope: dict[str, Any] = msgspec.to_builtins(event, builtin_types=(bytes,))
    return msgspec.json.encode(envelope | {"data": msgspec.Raw(event.data)} | more)


def happened(event: Recorded) -> Happened:
    made = CLASSES[event.type]()
    made.originator_id, made.originator_version, made.recorded = event.stream_id, event.version, event
    return made


def test_every_event_has_a_class_of_its_own_under_its_topic() -> None:
    assert CLASSES.keys() >= {type_ for type_, event in REGISTRY.items() if event.__module__.startswith("domain.")}
    for type_, cls in CLASSES.items():
        assert resolve_topic(type_) is cls
        assert get_topic(cls) == type_


def test_every_aggregate_is_known_by_its_first_event() -> None:
    ours = {cls for cls in Aggregate.__subclasses__() if cls.__module__.startswith("domain.")}
    assert set(FIRST.values()) == ours


def test_an_event_comes_back_with_its_envelope_and_its_exact_bytes() -> None:
    event = recorded(subjects=(ID, UUID(int=8)))
    [(_, decoded)] = SteleTranscoder().decode(state(event)).items()
    assert decoded == event
    assert decoded.payload == PersonRegistered(ID, "\u2028 Zoë")


def test_what_a_cipher_has_opened_is_what_the_event_says() -> None:
    event = recorded(subjects=(ID,))
    decoded = SteleTranscoder().decode(state(event, opened={"label": "Ada"}))["recorded"]
    assert decoded.payload == PersonRegistered(ID, "Ada")
    assert decoded.data == event.data


def test_an_event_of_an_earlier_schema_version_is_upcast() -> None:
    with evolved():
        data = msgspec.json.encode({"note_id": ID, "who": "Ada", "words": "Wood."})
        decoded = SteleTranscoder().decode(state(recorded(type=OLD, data=data)))["recorded"]
        assert decoded.payload == NoteTaken(ID, "Ada", "Wood.", ("remark",))


def test_a_state_that_the_view_did_not_make_is_refused() -> None:
    for wrong in (b"", b"{}", b'{"data":{}}', state(recorded())[:-1]):
        with pytest.raises(ValueError, match=re.compile(".")):
            SteleTranscoder().decode(wrong)


def test_a_stream_begins_with_an_event_that_begins_an_aggregate() -> None:
    space = recorded(type=SpaceCreated.type, data=msgspec.json.encode(SpaceCreated(ID, "room", "Room")))
    assert type(of_stream(space)).__name__ == "Space"
    with pytest.raises(ValueError, match="does not begin an aggregate"):
        of_stream(recorded(version=2))


def test_a_gap_in_a_stream_is_not_folded() -> None:
    person = happened(recorded()).mutate(None)
    with pytest.raises(ValueError, match="at version 1 was given"):
        happened(recorded(version=3)).mutate(person)


def test_the_library_itself_makes_the_event() -> None:
    """Its mapper sets what the transcoder returns, the id and the version as attributes of the topic's class."""
    event = recorded()
    made = Mapper[UUID](SteleTranscoder()).to_domain_event(StoredEvent(ID, 1, event.type, state(event)))
    assert isinstance(made, CLASSES[event.type])
    assert (made.originator_id, made.originator_version, made.recorded) == (ID, 1, event)
    assert (made.payload, made.timestamp) == (event.payload, THEN)
