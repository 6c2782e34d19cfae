"""`traceparent` is read as W3C Trace Context says, and an invalid one is as if nothing had been sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.trace import Traceparent, parse

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@given(
    st.builds(Traceparent, st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.integers(0, 255)),
)
def test_what_is_written_is_read(sent: Traceparent) -> None:
    assert parse(str(sent)) == sent


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"0-{TRACE}-{SPAN}-01",
        f" 00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f"01-{TRACE}-{SPAN}-01-{'x' * 300}",
        f"00-{TRACE[:-1]}g-{SPAN}-01",
    ],
)
def test_an_invalid_one_is_none(text: str | None) -> None:
    assert parse(text) is None


@given(st.text(max_size=80))
def test_any_text_is_read_or_is_none(text: str) -> None:
    found = parse(text)
    assert found is None or str(found)[3:] == text[3:55]


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    for later in (f"01-{TRACE}-{SPAN}-01", f"cc-{TRACE}-{SPAN}-01-what the future brings"):
        assert str(parse(later)) == f"00-{TRACE}-{SPAN}-01"
