"""The note and its projection as users of the `eventsourcing` library write them. Needs it to be installed."""

from importlib import import_module
from typing import Any
from uuid import UUID

from psycopg.sql import SQL

_domain: Any = import_module("eventsourcing.domain")
_postgres: Any = import_module("eventsourcing.postgres")
_projection: Any = import_module("eventsourcing.projection")
Application: Any = import_module("eventsourcing.application").Application
ProjectionRunner: Any = _projection.ProjectionRunner


class Note(_domain.Aggregate):  # type: ignore[misc]  # the package may not be there, so mypy is not shown it
    @_domain.event("Taken")  # type: ignore[untyped-decorator]  # as above
    def __init__(self, space_id: UUID, speaker: str, text: str) -> None:
        self.space_id, self.speaker, self.text = space_id, speaker, text

    @_domain.event("Amended")  # type: ignore[untyped-decorator]  # as above
    def amend(self, space_id: UUID, speaker: str, text: str) -> None:
        self.space_id, self.speaker, self.text = space_id, speaker, text


class Notes(Application):  # type: ignore[misc]  # as above
    """The application that the projection follows."""


class NotesView(_postgres.PostgresTrackingRecorder):  # type: ignore[misc]  # as above
    """A table of notes; a row and the position that it follows from are written in one transaction."""

    def __init__(self, datastore: Any, **arguments: Any) -> None:
        super().__init__(datastore, **arguments)
        self.sql_create_statements.append(
            SQL("CREATE TABLE IF NOT EXISTS notes (note_id uuid PRIMARY KEY, speaker text, text text)")
        )

    def put(self, note_id: UUID, speaker: str, text: str, tracking: Any) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(
                "INSERT INTO notes VALUES (%s, %s, %s)"
                " ON CONFLICT (note_id) DO UPDATE SET speaker = excluded.speaker, text = excluded.text",
                (note_id, speaker, text),
                prepare=True,
            )


class NotesProjection(_projection.Projection):  # type: ignore[misc]  # as above
    name = "notes"

    def process_event(self, domain_event: Any, tracking: Any) -> None:
        self.view.put(domain_event.originator_id, domain_event.speaker, domain_event.text, tracking)
