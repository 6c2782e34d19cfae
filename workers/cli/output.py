"""What commands print, and how they fail."""

import json
import sys
from typing import Any


class CommandFailed(Exception):
    """One line that says what was wrong and what to do; exit status 2."""


_ESCAPED = {
    code: f"\\u{code:04x}"
    for code in (*range(0x7F, 0xA0), 0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
}
"""Controls that steer a terminal, turn the direction of text or end a line for some readers; JSON may escape them."""


def print_json(value: Any) -> None:
    """One JSON value, one line, for programs."""
    print(json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_ESCAPED), flush=True)


def one_line(text: str, width: int = 100) -> str:
    """For people: no control characters (a transcript must not steer a terminal), cut at `width`."""
    clean = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return clean if len(clean) <= width else clean[: width - 1] + "…"


def interactive() -> bool:
    """Whether somebody is watching: progress is drawn only then."""
    return sys.stderr.isatty()
