"""A cursor has one spelling, is refused with a reason when it cannot be continued, and never resumes too late."""

import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.cursor import Cursor, parse, refetch_reason, resume_positions

CURSORS = st.builds(
    Cursor,
    epoch=st.from_regex(r"[0-9a-f]{8}", fullmatch=True),
    version=st.integers(0, 10**9 - 1),
    position=st.integers(0, 10**18 - 1),
)


@given(CURSORS)
def test_a_cursor_is_read_back_as_it_was_written(cursor: Cursor) -> None:
    assert parse(str(cursor)) == cursor


@given(st.text(st.sampled_from("0123456789abcdef.-+ \n"), max_size=24) | st.text())
def test_whatever_is_not_written_by_a_cursor_is_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert str(parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1f2e3d4c",
        "1f2e3d4c.1",
        "1f2e3d4c.1.276.0",
        "1f2e3d4c.1.276\n",
        " 1f2e3d4c.1.276",
        "1F2E3D4C.1.276",
        "1f2e3d4.1.276",
        "1f2e3d4c5.1.276",
        "1f2e3d4g.1.276",
        "1f2e3d4c.01.276",
        "1f2e3d4c.1.0276",
        "1f2e3d4c.-1.276",
        "1f2e3d4c.1.-1",
        "1f2e3d4c.1.+1",
        "1f2e3d4c.1.2_76",
        "1f2e3d4c.1.٣",
        "1f2e3d4c.1." + "9" * 19,
        "1f2e3d4c." + "9" * 10 + ".1",
        "1f2e3d4c.1.276" * 100_000,
    ],
)
def test_another_spelling_is_refused_briefly(text: str) -> None:
    with pytest.raises(ValueError, match="is not a cursor") as refused:
        parse(text)
    assert len(str(refused.value)) < 250


@pytest.mark.parametrize(
    ("cursor", "reason"),
    [
        (Cursor("aaaaaaaa", 2, 0), None),
        (Cursor("aaaaaaaa", 2, 1), "stale"),
        (Cursor("aaaaaaaa", 2, 49), "stale"),
        (Cursor("aaaaaaaa", 2, 50), None),
        (Cursor("aaaaaaaa", 2, 100), None),
        (Cursor("aaaaaaaa", 2, 101), "ahead"),
        (Cursor("aaaaaaaa", 1, 100), "projection_version"),
        (Cursor("aaaaaaaa", 3, 100), "projection_version"),
        (Cursor("aaaaaaaa", 1, 0), "projection_version"),
        (Cursor("bbbbbbbb", 2, 100), "epoch"),
        (Cursor("bbbbbbbb", 1, 101), "epoch"),
        (Cursor("aaaaaaaa", 1, 101), "projection_version"),
    ],
)
def test_I5_a_cursor_that_cannot_be_continued_has_a_reason(cursor: Cursor, reason: str | None) -> None:
    """Tombstones are pruned up to 50, the log ends at 100; the first reason that holds is told."""
    assert refetch_reason(cursor, epoch="aaaaaaaa", version=2, floor=50, log_head=100) == reason


POSITIONS = st.lists(st.integers(1, 12), min_size=1, max_size=15).map(sorted)


@given(POSITIONS)
def test_I5_whoever_resumes_after_any_entry_misses_none_that_came_after_it(positions: list[int]) -> None:
    for seen, resume in enumerate(resume_positions(positions), start=1):
        assert all(position > resume for position in positions[seen:])


@given(POSITIONS)
def test_whoever_resumes_gets_nothing_again_but_the_entries_of_one_event(positions: list[int]) -> None:
    for here, resume in zip(positions, resume_positions(positions), strict=True):
        assert {position for position in positions if resume < position <= here} <= {here}


@given(POSITIONS)
def test_cursors_never_go_backwards_and_end_at_the_last_entry(positions: list[int]) -> None:
    resumes = resume_positions(positions)
    assert all(earlier <= later for earlier, later in itertools.pairwise(resumes))
    assert resumes[-1] == positions[-1]


def test_nothing_has_nowhere_to_resume() -> None:
    assert resume_positions([]) == []
