"""Rows of the log as events."""

from typing import Any

from psycopg.rows import args_row

from domain.events import Recorded


def recorded(*row: Any) -> Recorded:
    """The columns in the order of Recorded; the last one, the subjects, is an array or NULL."""
    *envelope, subjects = row
    return Recorded(*envelope, tuple(subjects) if subjects else ())  # type: ignore[call-arg]


event_row = args_row(recorded)
