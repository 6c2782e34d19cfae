"""People: a speaker is somebody. A label becomes a person of the agent at first sight."""

from uuid import UUID

from domain.aggregate import Aggregate
from domain.events import Event, Personal, event

_PACKAGE = "stele.people.v1"


@event(_PACKAGE)
class PersonRegistered(Event, frozen=True):
    person_id: UUID
    label: Personal


class Person(Aggregate):
    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.label = ""

    def meet(self, label: str) -> None:
        """Register the person, unless it is known already."""
        if not self.exists:
            self.emit(PersonRegistered(self.id, label))

    def when(self, event: Event) -> None:
        match event:
            case PersonRegistered(label=label):
                self.label = label
