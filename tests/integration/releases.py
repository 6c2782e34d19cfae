"""Projectors of other releases, as real processes: `python -m tests.integration.releases NAME` runs one of them.

All read the same log; what differs is the fold of `people`, and how it takes to a person called "poison".
"""

import sys
from collections.abc import Callable, Iterable

import domain.contexts  # noqa: F401  every process knows every event
from domain.actions import ActionProposed
from domain.events import Recorded
from domain.people import PersonRegistered
from projections import actions, people
from projections.people import PersonEntry
from projections.projection import AnyProjection, Projection
from projections.topics import TOPICS
from workers import projector
from workers.cli.processes import settings

POISON = "poison"


def _people(version: int, *, fixed: bool) -> Projection[PersonEntry]:
    def fold(entry: PersonEntry | None, event: Recorded) -> PersonEntry | None:
        payload = event.payload
        if isinstance(payload, PersonRegistered) and payload.label == POISON and not fixed:
            raise ValueError("this release cannot fold that")
        return people.fold(entry, event)

    return Projection(
        topic="people", version=version, reads=[PersonRegistered], value=PersonEntry, key=people.key, fold=fold
    )


def _actions() -> Projection[actions.ActionEntry]:
    """Passes over what happens to an action that was never proposed."""

    def fold(entry: actions.ActionEntry | None, event: Recorded) -> actions.ActionEntry | None:
        known = entry is not None or isinstance(event.payload, ActionProposed)
        return actions.fold(entry, event) if known else None

    def key(event: Recorded) -> Iterable[str]:
        return actions.key(event)

    return Projection(topic="actions", version=1, reads=actions._EVENTS, value=actions.ActionEntry, key=key, fold=fold)


RELEASES: dict[str, Callable[[], AnyProjection]] = {
    "poisoned": lambda: _people(1, fixed=False),
    "fixed": lambda: _people(1, fixed=True),
    "newer, poisoned": lambda: _people(2, fixed=False),
    "newer, fixed": lambda: _people(2, fixed=True),
    "actions fixed": _actions,
}

if __name__ == "__main__":
    projection = RELEASES[sys.argv[1]]()
    TOPICS[projection.topic] = projection
    projector.main(settings())
