"""What the engine has to come to, in the plainest way: one event after the other, from the first."""

from uuid import UUID

import msgspec

from domain import canonical
from domain.events import Recorded
from projections.ports import EntryKey
from projections.projection import Entry
from tests.unit.letters import Letter, letters

State = dict[EntryKey, Entry]


def apply(state: State, event: Recorded, version: int) -> State:
    """The state after one more event."""
    projection = letters(version)
    after = dict(state)
    for key in projection.key(event):
        before = state.get((event.agent_id, key))
        value = projection.fold(_value(before), event)
        if value is not None or before is not None:
            after[event.agent_id, key] = Entry(event.agent_id, key, _space(key), event.position, _bytes(value))
    return after


def _value(entry: Entry | None) -> Letter | None:
    return None if entry is None or entry.value is None else msgspec.json.decode(entry.value, type=Letter)


def _space(key: str) -> UUID:
    return UUID(int=int(key[:-1]))


def _bytes(value: Letter | None) -> bytes | None:
    return canonical.encode(value) if value is not None else None


class Plain:
    """The states of every version at every position, each computed once."""

    def __init__(self) -> None:
        self._states: dict[int, list[State]] = {}

    def state(self, events: list[Recorded], version: int, position: int) -> State:
        states = self._states.setdefault(version, [{}])
        for event in events[len(states) - 1 : position]:
            states.append(apply(states[-1], event, version))
        return states[position]
