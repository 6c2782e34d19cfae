"""Topic `people`: who has spoken."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from domain.events import Recorded
from domain.people import PersonErased, PersonRegistered
from projections.projection import Projection, Value, nothing


class PersonEntry(Value, frozen=True):
    person_id: UUID
    label: str
    met_at: datetime


def key(event: Recorded) -> Iterable[str]:
    match event.payload:
        case PersonRegistered(person_id=person_id) | PersonErased(person_id=person_id):
            yield str(person_id)


def fold(entry: PersonEntry | None, event: Recorded) -> PersonEntry | None:
    match event.payload:
        case PersonRegistered(person_id=person_id, label=label):
            return PersonEntry(person_id, label, event.recorded_at)
        case PersonErased():
            return None
    return entry


PEOPLE = Projection(
    topic="people", version=1, reads=[PersonRegistered], value=PersonEntry, key=key, fold=fold, forget=nothing
)
