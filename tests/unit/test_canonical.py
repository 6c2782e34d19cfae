"""Canonical bytes are those of RFC 8785, and what has no single canonical form is refused."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from domain import canonical
from domain.canonical import INTEGER_MAX

_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
_SCALARS = st.none() | st.booleans() | st.integers(-INTEGER_MAX, INTEGER_MAX) | _TEXT
_KEYS = st.text(st.characters(min_codepoint=1, max_codepoint=127), max_size=10)
JSON = st.recursive(_SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(_KEYS, inner, max_size=5))


@given(JSON)
def test_json_with_ascii_keys_and_safe_integers_is_encoded_as_in_rfc_8785(value: object) -> None:
    assert canonical.encode_any(value) == rfc8785.dumps(value)  # type: ignore[arg-type]


@given(st.dictionaries(_KEYS, _SCALARS, min_size=2, max_size=6))
def test_the_order_of_keys_makes_no_difference(value: dict[str, object]) -> None:
    backwards = dict(reversed(value.items()))
    assert canonical.encode_any(value) == canonical.encode_any(backwards)


@given(_TEXT)
def test_text_that_differs_in_one_code_point_differs_in_its_bytes(text: str) -> None:
    assert canonical.encode_any(text) != canonical.encode_any(text + "\u0308")


@given(st.floats())
def test_fractions_are_refused_even_those_without_a_fraction(number: float) -> None:
    with pytest.raises(ValueError, match="has a fraction"):
        canonical.encode_any({"deep": [number]})


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({"a": ["b\0"]}, "NUL"),
        (INTEGER_MAX + 1, "beyond 2^53 - 1"),
        (-INTEGER_MAX - 1, "beyond 2^53 - 1"),
        ({"ü": 1}, "is not an ASCII string"),
        ({"\ud800": 1}, "is not an ASCII string"),
        ({1: 1}, "is not an ASCII string"),
        ({None: 1}, "is not an ASCII string"),
        ("\ud800", "half of a surrogate pair"),
        (["\udfff"], "half of a surrogate pair"),
        (b"bytes", "bytes is not JSON"),
        ({1, 2}, "set is not JSON"),
        (Decimal("1"), "Decimal is not JSON"),
        (object(), "object is not JSON"),
    ],
)
def test_what_has_no_canonical_form_is_refused(value: object, why: str) -> None:
    for wrapped in (value, [value], {"key": value}, {"key": [{"key": value}]}):
        with pytest.raises(ValueError, match=why.replace("^", r"\^")):
            canonical.encode_any(wrapped)


@pytest.mark.parametrize("number", [INTEGER_MAX, -INTEGER_MAX, 0, -1, True])
def test_integers_that_every_reader_keeps_exact_are_taken(number: int) -> None:
    assert canonical.encode_any(number) == rfc8785.dumps(number)


def test_I12_nesting_has_an_end() -> None:
    deep: object = 1
    for _ in range(32):
        deep = [deep]
    assert canonical.encode_any(deep) == b"[" * 32 + b"1" + b"]" * 32
    for deeper in ([deep], {"key": deep}):
        with pytest.raises(ValueError, match="nested deeper than 32 levels"):
            canonical.encode_any(deeper)


def test_ids_and_times_are_strings_in_one_spelling() -> None:
    assert canonical.encode_any(UUID(int=10)) == b'"00000000-0000-0000-0000-00000000000a"'
    assert canonical.encode_any(datetime(2025, 6, 1, 12, tzinfo=UTC)) == b'"2025-06-01T12:00:00Z"'


def test_a_digest_is_lower_case_hexadecimal() -> None:
    assert canonical.sha256_hex(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
