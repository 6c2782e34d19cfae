"""What is said in simulations, for the projection of tests/unit/letters.py to fold."""

from uuid import UUID

from hypothesis import strategies as st
from msgspec import Struct

from domain.events import NewEvent
from domain.people import PersonRegistered
from domain.ports import Log, Transaction
from tests.unit.letters import LETTERS
from tests.unit.world import AGENT, OTHER, START


class Saying(Struct, frozen=True):
    agent: UUID
    space: UUID
    label: str


def sayings(marks: str) -> st.SearchStrategy[Saying]:
    """Few agents, spaces and letters, so that they meet; of the marks "-", "!" and "?" those that are given."""
    words = st.text(st.sampled_from(LETTERS), min_size=1, max_size=3)
    labels = st.builds(str.__add__, st.sampled_from(["", "", "", *marks]), words)
    return st.builds(
        Saying, st.sampled_from([AGENT, AGENT, OTHER]), st.integers(1, 2).map(lambda n: UUID(int=n)), labels
    )


async def say(log: Log, saying: Saying) -> None:
    """Into the log, as the only event of its stream."""
    stream = UUID(int=1_000_000 + await log.head())
    person = PersonRegistered(saying.space, saying.label)
    event = NewEvent(stream, stream, 1, person, START, "somebody", None, stream, None)
    await log.append(Transaction(saying.agent, (event,), ()))
