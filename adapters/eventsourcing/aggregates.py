"""Which aggregate a stream belongs to, told by its first event."""

from typing import Final

from domain.actions import Action, ActionProposed
from domain.agents import Agent, AgentCreated
from domain.aggregate import Aggregate
from domain.events import Event, Recorded
from domain.people import Person, PersonRegistered
from domain.spaces import Space, SpaceCreated
from domain.transcripts import TranscriptChunk, TranscriptChunkRecorded

FIRST: Final[dict[type[Event], type[Aggregate]]] = {
    ActionProposed: Action,
    AgentCreated: Agent,
    PersonRegistered: Person,
    SpaceCreated: Space,
    TranscriptChunkRecorded: TranscriptChunk,
}


def of_stream(first: Recorded) -> Aggregate:
    """The aggregate that `first` begins, with nothing folded yet. Raises ValueError for an event that begins none."""
    aggregate = FIRST.get(type(first.payload))
    if aggregate is None or first.version != 1:
        raise ValueError(f"{first.type}, version {first.version} of its stream, does not begin an aggregate")
    return aggregate(first.stream_id)
