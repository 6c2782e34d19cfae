"""The `eventsourcing` library as it comes: its aggregates, its JSON transcoder, its recorders, its default settings.

`POSTGRES_ENABLE_DB_FUNCTIONS` stays off, as is the default: with it on, readers miss events (docs/adr/0002).
"""

import importlib.util
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from psycopg.conninfo import conninfo_to_dict

from tests.bench.notes import SPEAKER, TEXT
from tests.bench.ours import SPACE

NAME = "eventsourcing"
MISSING = "" if importlib.util.find_spec(NAME) is not None else "the package eventsourcing is not installed"
_SAVED_AT_ONCE = 100


class Stock:
    """An application of the library, with the same note as ours for an aggregate."""

    def __init__(self, environment: dict[str, str]) -> None:
        from tests.bench.peers import library  # only where the package is installed

        self.application = library.Notes(env=environment)
        self._library: Any = library
        self._streams: Iterator[UUID] = iter(())

    def take(self) -> Any:
        return self._library.Note(SPACE, SPEAKER, TEXT)

    def save_new(self, _: int = 0) -> None:
        self.application.save(self.take())

    def save_existing(self, _: int = 0) -> None:
        note = self.application.repository.get(next(self._streams))
        note.amend(SPACE, SPEAKER, TEXT)
        self.application.save(note)

    def fill(self, streams: int, each: int) -> Sequence[UUID]:
        """Make streams of `each` events; `save_existing` takes them one after the other."""
        notes = []
        for _ in range(streams):
            note = self.take()
            for _ in range(each - 1):
                note.amend(SPACE, SPEAKER, TEXT)
            notes.append(note)
        names = [note.id for note in notes]
        for start in range(0, streams, _SAVED_AT_ONCE):
            self.application.save(*notes[start : start + _SAVED_AT_ONCE])
        self._streams = itertools.cycle(names)
        return names


def environment(conninfo: str) -> dict[str, str]:
    parts = {name: str(value) for name, value in conninfo_to_dict(conninfo).items()}
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": parts["dbname"],
        "POSTGRES_HOST": parts["host"],
        "POSTGRES_PORT": parts.get("port", "5432"),
        "POSTGRES_USER": parts["user"],
        "POSTGRES_PASSWORD": parts.get("password", ""),
    }


@contextmanager
def stock(conninfo: str) -> Iterator[Stock | None]:
    """The library on Postgres; None when it is not installed."""
    if MISSING:
        yield None
        return
    one = Stock(environment(conninfo))
    try:
        yield one
    finally:
        one.application.close()


def in_memory() -> Stock | None:
    """The library on plain Python objects."""
    return None if MISSING else Stock({"PERSISTENCE_MODULE": "eventsourcing.popo"})
