"""A projection passes over what it knows and does not read, and stops at what nobody of this release knows."""

from datetime import UTC, datetime
from uuid import UUID

from domain.events import Recorded, UnknownEvent
from domain.people import PersonRegistered
from domain.spaces import SpaceCreated
from projections.reading import reading
from tests.corpus.earlier import NEW, OLD, evolved

NEWER = "stele.future.v1.Unheard"
READS = frozenset({PersonRegistered.type})
THEN = datetime(2025, 6, 1, tzinfo=UTC)


def page(*types: str, schema_version: int = 1) -> list[Recorded]:
    some = UUID(int=1)
    return [
        Recorded(n, some, some, some, n, type_, schema_version, b"{}", THEN, THEN, "test", None, some, None)
        for n, type_ in enumerate(types, start=11)
    ]


def positions(events: list[Recorded]) -> list[int]:
    return [event.position for event in events]


def test_a_known_type_that_is_not_read_is_passed_over() -> None:
    mine, end, failed = reading(page(SpaceCreated.type, PersonRegistered.type, SpaceCreated.type), READS)
    assert (positions(mine), end, failed) == ([12], 13, None)


def test_a_newer_version_of_a_type_that_is_not_read_is_passed_over() -> None:
    assert reading(page(SpaceCreated.type, schema_version=9), READS) == ([], 11, None)


def test_a_type_that_this_release_has_never_heard_of_ends_the_page_before_it() -> None:
    mine, end, failed = reading(page(PersonRegistered.type, SpaceCreated.type, NEWER, PersonRegistered.type), READS)
    assert (positions(mine), end) == ([11], 12)
    assert failed is not None
    position, error = failed
    assert position == 13
    assert isinstance(error, UnknownEvent)
    assert str(error) == f"{NEWER} has schema version 1; this release does not know it"


def test_the_first_of_several_unheard_events_is_the_one_that_is_named() -> None:
    _, end, failed = reading(page(NEWER, OLD, NEWER), READS)
    assert (end, failed and failed[0]) == (10, 11)


def test_an_event_counts_under_its_present_name() -> None:
    with evolved():
        assert positions(reading(page(OLD, NEW, SpaceCreated.type), {NEW}).mine) == [11, 12]
        assert reading(page(OLD, NEW), READS) == ([], 12, None)
    assert reading(page(OLD), {OLD}).failed is not None
