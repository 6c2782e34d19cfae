"""Requests that a hub must refuse, each with the status and the code of its problem."""

import json
from typing import NamedTuple

from domain.limits import (
    CHUNKS_PER_BATCH_MAX,
    IDEMPOTENCY_KEY_CHARS_MAX,
    LABEL_CHARS_MAX,
    SOURCE_ID_CHARS_MAX,
    SPACE_NAME_CHARS_MAX,
    TEXT_CHARS_MAX,
)


class Bad(NamedTuple):
    name: str
    path: str
    body: bytes
    status: int
    code: str


_CHUNK = "/v1/spaces/room/transcript"
_ACTION = "/v1/actions/00000000-0000-4000-8000-000000000000"


def _chunk(**fields: object) -> bytes:
    return json.dumps({"speaker": "Ada", "text": "Hello.", **fields}).encode()


def _batch(count: int) -> bytes:
    return json.dumps({"chunks": [{"speaker": "Ada", "text": "Hello."}] * count}).encode()


BODIES = [
    # what was said
    Bad("text over the limit", _CHUNK, _chunk(text="x" * (TEXT_CHARS_MAX + 1)), 422, "text_too_long"),
    Bad("empty text", _CHUNK, _chunk(text=""), 422, "text_empty"),
    Bad("only space", _CHUNK, _chunk(text=" \n\t\u2003"), 422, "text_empty"),
    Bad("NUL in the text", _CHUNK, _chunk(text="a\0b"), 422, "invalid_command"),
    Bad("NUL in the speaker", _CHUNK, _chunk(speaker="a\0b"), 422, "invalid_command"),
    Bad("NUL in the id", _CHUNK, _chunk(id="\0"), 422, "invalid_command"),
    Bad("half a pair in the text", _CHUNK, rb'{"speaker": "Ada", "text": "\ud800"}', 422, "invalid_request"),
    Bad("half a pair in the speaker", _CHUNK, rb'{"speaker": "\udfff!", "text": "x"}', 422, "invalid_request"),
    Bad("half a pair in the id", _CHUNK, rb'{"speaker": "A", "text": "x", "id": "\ud800"}', 422, "invalid_request"),
    Bad("half a pair as a name", _CHUNK, rb'{"speaker": "A", "text": "x", "\ud800": 1}', 422, "invalid_request"),
    Bad("speaker over the limit", _CHUNK, _chunk(speaker="x" * (LABEL_CHARS_MAX + 1)), 422, "invalid_name"),
    Bad("speaker of spaces", _CHUNK, _chunk(speaker="  "), 422, "invalid_name"),
    Bad("id over the limit", _CHUNK, _chunk(id="x" * (SOURCE_ID_CHARS_MAX + 1)), 422, "invalid_name"),
    Bad("empty id", _CHUNK, _chunk(id=""), 422, "invalid_name"),
    # types
    Bad("a number as text", _CHUNK, _chunk(text=7), 422, "invalid_request"),
    Bad("null as text", _CHUNK, _chunk(text=None), 422, "invalid_request"),
    Bad("a list as text", _CHUNK, _chunk(text=["x"]), 422, "invalid_request"),
    Bad("an object as text", _CHUNK, _chunk(text={"x": {"y": []}}), 422, "invalid_request"),
    Bad("true as speaker", _CHUNK, _chunk(speaker=True), 422, "invalid_request"),
    Bad("infinity", _CHUNK, b'{"speaker": "Ada", "text": 1e999}', 422, "invalid_request"),
    Bad("not a number", _CHUNK, b'{"speaker": "Ada", "text": NaN}', 422, "invalid_request"),
    Bad("an unknown field", _CHUNK, _chunk(emotion="joy"), 422, "invalid_request"),
    Bad("an unknown field of 100 kB", _CHUNK, _chunk(**{"z" * 100_000: 1}), 422, "invalid_request"),
    Bad("a missing field", _CHUNK, b'{"text": "x"}', 422, "invalid_request"),
    Bad("a list for an object", _CHUNK, b"[]", 422, "invalid_request"),
    Bad("null for an object", _CHUNK, b"null", 422, "invalid_request"),
    # times
    Bad("a time without its zone", _CHUNK, _chunk(started_at="2026-01-31T09:30:00"), 422, "invalid_request"),
    Bad("seconds since 1970", _CHUNK, _chunk(started_at=1_700_000_000), 422, "invalid_request"),
    Bad("seconds since 1970 as text", _CHUNK, _chunk(started_at="1700000000"), 422, "invalid_request"),
    Bad("a day without a time", _CHUNK, _chunk(started_at="2026-01-31"), 422, "invalid_request"),
    Bad("before 1970", _CHUNK, _chunk(started_at="1969-12-31T23:59:59Z"), 422, "invalid_command"),
    Bad("the year 9999", _CHUNK, _chunk(started_at="9999-12-31T23:59:59-14:00"), 422, "invalid_command"),
    Bad(
        "ends before it starts",
        _CHUNK,
        _chunk(started_at="2026-01-31T09:30:00Z", ended_at="2026-01-31T09:29:59Z"),
        422,
        "times_reversed",
    ),
    # bodies
    Bad("not JSON", _CHUNK, b"{", 400, "invalid_json"),
    Bad("not UTF-8", _CHUNK, b'{"speaker": "Ada", "text": "\xff"}', 400, "invalid_json"),
    Bad("100,000 brackets", _CHUNK, b"[" * 100_000, 400, "invalid_json"),
    Bad("100,000 objects", _CHUNK, b'{"a":' * 100_000, 400, "invalid_json"),
    Bad("5,000 digits", _CHUNK, b'{"speaker": "Ada", "text": ' + b"9" * 5_000 + b"}", 400, "invalid_json"),
    Bad("no body", _CHUNK, b"", 422, "invalid_request"),
    Bad("one chunk too many", f"{_CHUNK}/batch", _batch(CHUNKS_PER_BATCH_MAX + 1), 422, "invalid_request"),
    Bad("an empty batch", f"{_CHUNK}/batch", _batch(0), 422, "invalid_request"),
    Bad(
        "one bad chunk among good ones",
        f"{_CHUNK}/batch",
        json.dumps({"chunks": [{"speaker": "Ada", "text": "good"}, {"speaker": "Ada", "text": " "}]}).encode(),
        422,
        "text_empty",
    ),
    # spaces
    Bad("a space that was never created", "/v1/spaces/nowhere/transcript", _chunk(), 404, "space_not_found"),
    Bad("a space of NUL", "/v1/spaces/%00/transcript", _chunk(), 404, "space_not_found"),
    Bad("a space twice", "/v1/spaces", b'{"name": "room"}', 409, "space_exists"),
    Bad("a name with a slash", "/v1/spaces", b'{"name": "a/b"}', 422, "invalid_name"),
    Bad("a name in capitals", "/v1/spaces", b'{"name": "Room"}', 422, "invalid_name"),
    Bad("an empty name", "/v1/spaces", b'{"name": ""}', 422, "invalid_name"),
    Bad(
        "a name over the limit",
        "/v1/spaces",
        json.dumps({"name": "x" * (SPACE_NAME_CHARS_MAX + 1)}).encode(),
        422,
        "invalid_name",
    ),
    Bad("an empty title", "/v1/spaces", b'{"name": "fresh", "title": " "}', 422, "invalid_name"),
    # actions
    Bad("approve an unknown action", f"{_ACTION}/approve", b"", 404, "action_not_found"),
    Bad("reject an unknown action", f"{_ACTION}/reject", b"{}", 404, "action_not_found"),
    Bad("an id that is none", "/v1/actions/first/approve", b"", 422, "invalid_request"),
    Bad("a digest that is none", f"{_ACTION}/approve", b'{"arguments_sha256": "ABC"}', 422, "invalid_request"),
    Bad(
        "a reason over the limit",
        f"{_ACTION}/reject",
        json.dumps({"reason": "x" * (LABEL_CHARS_MAX + 1)}).encode(),
        422,
        "invalid_request",
    ),
    # routes
    Bad("no such route", "/v1/nothing", b"{}", 404, "not_found"),
    Bad("a slash too many", "/v1/spaces/", b'{"name": "fresh"}', 404, "not_found"),
    Bad("a method that is not there", "/v1/log", b"{}", 405, "method_not_allowed"),
]

KEYS = {
    "empty": b"",
    "too long": b"x" * (IDEMPOTENCY_KEY_CHARS_MAX + 1),
    "not ASCII": "clé".encode("latin-1"),
    "with a space": b"a b",
    "with a control character": b"a\x7f",
}

QUERIES = [
    ("/v1/topics/nothing/entries", 404, "topic_not_found"),
    ("/v1/topics/%00/entries", 404, "topic_not_found"),
    ("/v1/topics/people/entries?limit=0", 422, "invalid_request"),
    ("/v1/topics/people/entries?limit=100000", 422, "invalid_request"),
    ("/v1/topics/people/entries?limit=all", 422, "invalid_request"),
    ("/v1/topics/people/entries?min_position=-1", 422, "invalid_request"),
    ("/v1/topics/people/entries?min_position=999999999", 422, "invalid_request"),
    ("/v1/topics/people/entries?space=nowhere", 404, "space_not_found"),
    ("/v1/topics/people/entries?space=", 404, "space_not_found"),
    ("/v1/topics/people/entries?after=", 400, "invalid_cursor"),
    ("/v1/topics/people/entries?after=garbage", 400, "invalid_cursor"),
    ("/v1/topics/people/entries?after=-1", 400, "invalid_cursor"),
    ("/v1/topics/people/entries?after=00000000.1.-1", 400, "invalid_cursor"),
    ("/v1/topics/people/entries?after=00000000.1.01", 400, "invalid_cursor"),
    ("/v1/topics/people/entries?after=" + "9" * 9_000, 400, "invalid_cursor"),
    ("/v1/actions?status=maybe", 422, "invalid_request"),
    ("/v1/actions/first", 422, "invalid_request"),
    ("/v1/actions/00000000-0000-4000-8000-000000000000", 404, "action_not_found"),
    ("/v1/log?after=-1", 422, "invalid_request"),
    ("/v1/log?after=99999999999999999999", 422, "invalid_request"),
    ("/v1/log?limit=0", 422, "invalid_request"),
    ("/v1/log?limit=100000", 422, "invalid_request"),
    ("/v1/projections?digest=true", 403, "forbidden"),
    ("/v1/projections/people/verification", 403, "forbidden"),
    ("/v1/spaces", 405, "method_not_allowed"),
    ("/v1/sync", 404, "not_found"),
    ("/docs", 404, "not_found"),
]
"""Path with its query, as an owner asks who is no operator."""
