"""What commands print, and how they fail."""

import json
import sys
import uuid
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


def json_line(value: Any, width: int) -> str:
    """JSON for people: what `one_line` does, to its text."""
    return one_line(json.dumps(value, ensure_ascii=False), width)


def print_fields(value: dict[str, Any], as_json: bool) -> None:
    """One thing: for programs one line of JSON, for people a line a field."""
    if as_json:
        print_json(value)
        return
    for name, field in value.items():
        text = field if isinstance(field, str) else json.dumps(field, ensure_ascii=False)
        print(f"{name:<20}  {one_line(text, 2_000)}")


def uuid_of(text: str, what: str, shown_by: str) -> str:
    """Raises CommandFailed for anything that is no id."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise CommandFailed(f"{one_line(repr(text), 60)} is not {what}; `{shown_by}` shows them") from None


def interactive() -> bool:
    """Whether somebody is watching: progress is drawn only then."""
    return sys.stderr.isatty()
