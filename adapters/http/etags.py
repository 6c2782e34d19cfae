"""ETags (RFC 9110, 8.8.3 and 13.1): the version of an aggregate's stream, in quotes, as in `"7"`."""

import re
from collections.abc import Collection
from uuid import UUID

from msgspec import Struct

from adapters.http.problems import ProblemError
from domain.runtime import IfMatch

_TAG = r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"'
_TAGS = re.compile(rf"\s*(?:,\s*)*{_TAG}(?:\s*,\s*(?:{_TAG})?)*\s*")
_VERSION = re.compile(r"[1-9][0-9]{0,9}")
_CHARS_MAX = 1_000


class Tags(Struct, frozen=True):
    """What a precondition names. `any`: it was `*`."""

    any: bool
    strong: frozenset[int]
    weak: frozenset[int]


def etag(version: int) -> str:
    return f'"{version}"'


def parse(header: str, value: str) -> Tags:
    """Tags that are no version of ours are well-formed and match nothing. Raises ProblemError `invalid_etag`."""
    if value.strip() == "*":
        return Tags(True, frozenset(), frozenset())
    if len(value) > _CHARS_MAX or _TAGS.fullmatch(value) is None:
        raise ProblemError(
            "invalid_etag", f'{header} is `*` or ETags as they were sent, quotes included, as in {header}: "7"'
        )
    found = re.findall(_TAG, value)
    return Tags(False, _versions(found, ""), _versions(found, "W/"))


def expected(stream_id: UUID, if_match: str | None) -> IfMatch | None:
    """What a command expects of the aggregate that it is about. Weak tags match nothing here (RFC 9110, 13.1.1).
    Raises ProblemError `invalid_etag`.
    """
    if if_match is None:
        return None
    tags = parse("If-Match", if_match)
    return IfMatch(stream_id, None if tags.any else tags.strong)


def _versions(found: Collection[tuple[str, str]], weakness: str) -> frozenset[int]:
    return frozenset(int(tag) for weak, tag in found if weak == weakness and _VERSION.fullmatch(tag))
