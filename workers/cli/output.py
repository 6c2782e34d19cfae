"""What commands print, and how they fail."""

import json
import sys
from typing import Any


class CommandFailed(Exception):
    """One line that says what was wrong and what to do; exit status 2."""


_LINE_ENDS = {ord(c): f"\\u{ord(c):04x}" for c in "\x85\u2028\u2029"}
"""What some readers take for the end of a line; JSON leaves it to us to escape them."""


def print_json(value: Any) -> None:
    """One JSON value, one line, for programs."""
    print(json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_LINE_ENDS), flush=True)


def one_line(text: str, width: int = 100) -> str:
    """For people: no control characters (a transcript must not steer a terminal), cut at `width`."""
    clean = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return clean if len(clean) <= width else clean[: width - 1] + "…"


def interactive() -> bool:
    """Whether somebody is watching: progress is drawn only then."""
    return sys.stderr.isatty()
