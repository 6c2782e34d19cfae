"""The `eventsourcing` library as it comes: its aggregates, its JSON transcoder, its recorders, its default settings.

`POSTGRES_ENABLE_DB_FUNCTIONS` stays off, as is the default: with it on, readers miss events (docs/adr/0002).
"""

import importlib
import importlib.util
import itertools
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
from psycopg.conninfo import conninfo_to_dict

from tests.bench.notes import SPEAKER, TEXT
from tests.bench.ours import SPACE

NAME = "eventsourcing"
MISSING = "" if importlib.util.find_spec(NAME) is not None else "the package eventsourcing is not installed"
_EVENTS_SAVED_AT_ONCE = 100
"""With thousands in one save its recorder stands still for good: both ends of the connection wait to send."""
_PROJECT_SECONDS_MAX = 300.0


def load() -> None:
    """Import what is used of it, so that it is there from the beginning, as ours is (workers/memory.py)."""
    if not MISSING:
        importlib.import_module("tests.bench.peers.library")


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

    def bytes_of_one(self) -> bytes:
        """A new note and the bytes of its event, through the library's mapper."""
        (event,) = self.take().collect_events()
        return bytes(self.application.mapper.to_stored_event(event).state)

    def read_page(self, start: int, limit: int) -> int:
        """A page of the whole log, from `start` on, and how many events it had."""
        return len(self.application.recorder.select_notifications(start, limit))

    def read_page_decoded(self, start: int, limit: int) -> int:
        found = self.application.recorder.select_notifications(start, limit)
        return len([self.application.mapper.to_domain_event(notification) for notification in found])

    def load(self, stream: UUID) -> int:
        return int(self.application.repository.get(stream).version)

    def fill(self, streams: int, each: int) -> Sequence[UUID]:
        """Make streams of `each` events; `save_existing` takes them one after the other."""
        names = []
        waiting: list[Any] = []
        for _ in range(streams):
            note = self.take()
            names.append(note.id)
            for version in range(2, each + 1):
                note.amend(SPACE, SPEAKER, TEXT)
                if version % _EVENTS_SAVED_AT_ONCE == 0:
                    self.application.save(note)
            waiting.append(note)
            if len(waiting) * each >= _EVENTS_SAVED_AT_ONCE:
                self.application.save(*waiting)
                waiting.clear()
        self.application.save(*waiting)
        self._streams = itertools.cycle(names)
        return names


def project(conninfo: str, events: int) -> float:
    """Seconds for the library's projection runner to bring a table up to date with so many events, from nothing."""
    from tests.bench.peers import library  # only where the package is installed

    with psycopg.connect(conninfo) as connection:
        connection.execute("DROP TABLE IF EXISTS notes, notes_tracking")
    began = time.perf_counter()
    runner = library.ProjectionRunner(
        application_class=library.Notes,
        projection_class=library.NotesProjection,
        view_class=library.NotesView,
        env=environment(conninfo),
    )
    with runner:
        runner.wait(events, timeout=_PROJECT_SECONDS_MAX)
    return time.perf_counter() - began


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
