"""Preconditions are read as RFC 9110 writes them, and what is not one is refused."""

import pytest

from adapters.http.etags import Tags, etag, expected, parse
from adapters.http.problems import ProblemError
from domain.runtime import IfMatch
from tests.unit.world import AGENT


@pytest.mark.parametrize(
    ("value", "any_", "strong", "weak"),
    [
        ("*", True, [], []),
        (" * ", True, [], []),
        ('"7"', False, [7], []),
        (' "7" ', False, [7], []),
        ('W/"7"', False, [], [7]),
        ('"7", W/"8","9"', False, [7, 9], [8]),
        (', "7",, "8",', False, [7, 8], []),
        ('"07"', False, [], []),
        ('"-7"', False, [], []),
        ('"abc"', False, [], []),
        ('""', False, [], []),
        ('"7,8"', False, [], []),
        ('"99999999999999999999"', False, [], []),
    ],
)
def test_a_precondition_that_is_well_formed(value: str, any_: bool, strong: list[int], weak: list[int]) -> None:
    """Tags that are no version of ours match nothing, because they never were one."""
    assert parse("If-Match", value) == Tags(any_, frozenset(strong), frozenset(weak))


@pytest.mark.parametrize(
    "value",
    ["", " ", "7", '"7', '7"', "'7'", '"7" "8"', '"7";"8"', 'w/"7"', 'W/ "7"', '*, "7"', '"a\nb"', ",", '"7",' * 500],
)
def test_a_precondition_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(ProblemError) as refused:
        parse("If-Match", value)
    assert refused.value.code == "invalid_etag"


def test_a_command_expects_what_if_match_says() -> None:
    """Weak tags match nothing there (RFC 9110, 13.1.1)."""
    assert expected(AGENT, None) is None
    assert expected(AGENT, "*") == IfMatch(AGENT, None)
    assert expected(AGENT, 'W/"7"') == IfMatch(AGENT, frozenset())
    assert expected(AGENT, f'{etag(7)}, "8"') == IfMatch(AGENT, frozenset({7, 8}))
