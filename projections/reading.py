"""Which events of a page a projection folds. Nothing is left out that it might have to know."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from domain import upcasts
from domain.events import REGISTRY, Recorded, UnknownEvent


class Reading(NamedTuple):
    """The events to fold, the position up to which nothing is missing, and the event that ended it early, if any."""

    mine: list[Recorded]
    end: int
    failed: tuple[int, Exception] | None


def reading(events: Sequence[Recorded], reads: Collection[str]) -> Reading:
    """Choose from a page, which is not empty, the events whose present type is among `reads`.

    An event that was renamed counts under its present name. One of a type that this release has never heard of ends the
    page: a newer release wrote it, and its version of this projection may fold it. One of a known type that is not
    among `reads` is passed over in any schema version; one that is read shows its version when it is decoded.
    """
    types = {event.type for event in events}
    wanted = {type_ for type_ in types if upcasts.present_name(type_) in reads}
    unheard = {type_ for type_ in types if upcasts.present_name(type_) not in REGISTRY}
    if not unheard:
        return Reading([event for event in events if event.type in wanted], events[-1].position, None)
    first = next(event for event in events if event.type in unheard)
    error = UnknownEvent(f"{first.type} has schema version {first.schema_version}; this release does not know it")
    mine = [event for event in events if event.type in wanted and event.position < first.position]
    return Reading(mine, first.position - 1, (first.position, error))
