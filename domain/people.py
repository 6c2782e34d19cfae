"""People: a speaker is somebody. A label becomes a person of the agent at first sight, until that person is erased."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from domain.aggregate import Aggregate
from domain.events import Event, Personal, Recorded, event
from domain.refusals import Refusal
from domain.runtime import Command, Work, handles

_PACKAGE = "stele.people.v1"


@event(_PACKAGE)
class PersonRegistered(Event, frozen=True):
    """The person's key is made with this event."""

    subject_key = "made"
    person_id: UUID
    label: Personal


@event(_PACKAGE)
class PersonErased(Event, frozen=True):
    """The person's key is destroyed with this event: what was sealed with it stays sealed."""

    subject_key = "destroyed"
    person_id: UUID


class ErasePerson(Command, frozen=True):
    person_id: UUID


class Person(Aggregate):
    fold_version = 2
    erased: bool = False
    sealed: bool = False
    """Names and words are sealed with a key. In the logs of before there was one, they are plain text."""

    def meet(self, label: str) -> None:
        """Register the person, unless it is known already."""
        if not self.exists:
            self.emit(PersonRegistered(self.id, label), about=(self.id,))

    def erase(self) -> None:
        """Raises Refusal `person_not_found`, and `person_unsealed`. Said twice, it is done once."""
        if not self.exists:
            raise Refusal("person_not_found", f"no person {self.id} in this agent")
        if not self.sealed:
            raise Refusal("person_unsealed", "the log took this person's name and words before it could seal them")
        if not self.erased:
            self.emit(PersonErased(self.id))

    def replay(self, recorded: Recorded) -> None:
        super().replay(recorded)
        if isinstance(recorded.payload, PersonRegistered):
            self.sealed = bool(recorded.subjects)

    def when(self, event: Event) -> None:
        match event:
            case PersonRegistered():
                self.sealed = True
            case PersonErased():
                self.erased = True


async def find_people(work: Work, labels: Collection[str]) -> tuple[dict[str, Person], set[UUID]]:
    """The person that each label stands for now, known or not; and whom it stood for before. Who was erased is nobody
    any more: the same label said again is somebody new.
    """
    found: dict[str, Person] = {}
    erased: set[UUID] = set()
    wanted, generation = set(labels), 0
    while wanted:
        people = {label: Person(await work.pseudonym(f"person:{generation}:{label}")) for label in sorted(wanted)}
        await work.load(*people.values())
        found |= people
        wanted = {label for label, person in people.items() if person.erased}
        erased |= {people[label].id for label in wanted}
        generation += 1
    return found, erased


async def subjects(work: Work, person_ids: Collection[UUID]) -> tuple[UUID, ...] | None:
    """Whose keys seal what is said of these persons: all who have one. None when one of them was erased. It stays so
    until the decision has its positions.
    """
    people = [Person(person_id) for person_id in dict.fromkeys(person_ids)]
    await work.load(*people)
    if any(person.erased for person in people):
        return None
    return tuple([person.id for person in people if person.sealed])


async def require_people(work: Work, person_ids: Collection[UUID]) -> tuple[UUID, ...]:
    """As `subjects`. Raises Refusal `person_erased` when somebody of them was erased."""
    about = await subjects(work, person_ids)
    if about is None:
        raise Refusal("person_erased", "it is about somebody who was erased; nobody can read it any more")
    return about


@handles(ErasePerson)
async def erase_person(command: ErasePerson, work: Work) -> dict[str, Any]:
    person = Person(command.person_id)
    await work.load(person)
    person.erase()
    return {"person_id": person.id, "erased": person.erased}
