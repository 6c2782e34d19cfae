"""A projection for tests. A person whose label is "abc" adds to the entries a, b and c of the person's space, one in
version 1 and two in version 2; "-abc" deletes them. An "!" makes the fold raise and a "?" the key, until that is fixed.
"""

from collections.abc import Callable, Iterable
from uuid import UUID

from domain.events import Recorded
from domain.people import PersonRegistered
from projections.projection import Projection, Value

TOPIC, LETTERS = "letters", "abcd"


class Letter(Value, frozen=True):
    space_id: UUID
    times: int
    newest: str


def _said(event: Recorded) -> PersonRegistered:
    assert isinstance(event.payload, PersonRegistered)
    return event.payload


def _key(fixed: bool) -> Callable[[Recorded], Iterable[str]]:
    def key(event: Recorded) -> Iterable[str]:
        said = _said(event)
        for letter in said.label:
            if letter == "?" and not fixed:
                raise ValueError("this event has no key")
            if letter in LETTERS:
                yield f"{said.person_id.int}{letter}"

    return key


def _fold(step: int, fixed: bool) -> Callable[[Letter | None, Recorded], Letter | None]:
    def fold(entry: Letter | None, event: Recorded) -> Letter | None:
        said = _said(event)
        if "!" in said.label and not fixed:
            raise ValueError("this event is poisoned")
        if said.label.startswith("-"):
            return None
        return Letter(said.person_id, step + (entry.times if entry is not None else 0), said.label)

    return fold


def letters(version: int = 1, *, fixed: bool = True) -> Projection[Letter]:
    return Projection(
        topic=TOPIC,
        version=version,
        reads=[PersonRegistered],
        value=Letter,
        key=_key(fixed),
        fold=_fold(version, fixed),
    )
