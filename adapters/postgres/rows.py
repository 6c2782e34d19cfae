"""Rows of the log as events."""

from collections.abc import Callable, Sequence
from typing import Any

from domain.events import Recorded

_ENVELOPE = len(Recorded.__struct_fields__) - 1
"""Columns in the order of Recorded; the last one, the subjects, is an array or NULL."""


def recorded(values: Sequence[Any]) -> Recorded:
    subjects = values[_ENVELOPE]
    if subjects:
        return Recorded(*values[:_ENVELOPE], tuple(subjects))  # type: ignore[call-arg]
    return Recorded(*values[:_ENVELOPE])


def event_row(_: object) -> Callable[[Sequence[Any]], Recorded]:
    """A row factory of psycopg."""
    return recorded
