"""Trace context as it travels in the envelope: the `traceparent` of W3C Trace Context.

Its other half, `tracestate`, belongs to the vendors of tracing tools; the envelope does not keep it.
"""

import re

from msgspec import Struct

_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_VERSION = "00"
_INVALID_VERSION = "ff"
_CHARS_MAX = 256
"""A later version may append fields; nothing needs more than this."""


class Traceparent(Struct, frozen=True):
    """The span that something happens in: its trace (16 bytes), its own id (8 bytes), and whether it is recorded."""

    trace_id: int
    span_id: int
    flags: int

    def __str__(self) -> str:
        return f"{_VERSION}-{self.trace_id:032x}-{self.span_id:016x}-{self.flags:02x}"


def parse(text: str | None) -> Traceparent | None:
    """None for what the standard calls invalid; it is then as if nothing had been sent.

    A later version is read as far as version 00 goes, as the standard asks.
    """
    match = _FORM.fullmatch(text) if text is not None and len(text) <= _CHARS_MAX else None
    if match is None or match[1] == _INVALID_VERSION or (match[1] == _VERSION and match[5] is not None):
        return None
    found = Traceparent(int(match[2], 16), int(match[3], 16), int(match[4], 16))
    return found if found.trace_id and found.span_id else None
