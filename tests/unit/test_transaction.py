"""A transaction's events say where their streams stand: one that leaves something out or says it twice is not taken."""

from uuid import UUID

import pytest

from domain.ports import Transaction
from tests.conformance.log_events import AGENT, happened

A, B = UUID(int=1), UUID(int=2)


def of(*events: tuple[UUID, int]) -> Transaction:
    return Transaction(AGENT, tuple(happened(stream, version) for stream, version in events), ())


@pytest.mark.parametrize(
    "events",
    [(), ((A, 1),), ((A, 7),), ((A, 1), (A, 2)), ((A, 7), (B, 1), (A, 8), (B, 2), (A, 9))],
    ids=["none", "a new stream", "one that goes on", "two of one stream", "two streams in turn"],
)
def test_versions_that_follow_each_other_within_their_stream_are_taken(events: tuple[tuple[UUID, int], ...]) -> None:
    of(*events).check_versions()


@pytest.mark.parametrize(
    ("events", "wrong"),
    [
        (((A, 0),), f"stream {A}: version 0 after 0"),
        (((B, 1), (A, -1)), f"stream {A}: version -1 after 0"),
        (((A, 1), (A, 3)), f"stream {A}: version 3 after 1"),
        (((A, 4), (B, 1), (A, 4)), f"stream {A}: version 4 after 4"),
        (((A, 2), (A, 1)), f"stream {A}: version 1 after 2"),
    ],
    ids=["none at all", "less than none", "one left out", "one twice", "the wrong way round"],
)
def test_versions_that_do_not_are_refused(events: tuple[tuple[UUID, int], ...], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        of(*events).check_versions()


@pytest.mark.parametrize(
    ("events", "first"),
    [((), {}), (((A, 7),), {A: 7}), (((A, 1), (B, 5), (A, 2), (B, 6)), {A: 1, B: 5})],
    ids=["none", "one", "two streams in turn"],
)
def test_the_first_version_of_each_stream_is_the_one_that_counts(
    events: tuple[tuple[UUID, int], ...], first: dict[UUID, int]
) -> None:
    assert of(*events).first_versions() == first
