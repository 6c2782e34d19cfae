"""An entry is the same however many events were folded in memory before it was stored: a value that is stored and read
back is the value that it was (I4).
"""

import contextlib
import re
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import fields, replace

from adapters.memory.entries import MemoryEntryStore, Shelf
from adapters.memory.log import MemoryLog
from domain.events import REGISTRY, Event, NewEvent
from domain.people import PersonErased
from domain.ports import Transaction
from projections.engine import ProjectionStopped
from projections.ports import EntryKey
from projections.projection import AnyProjection, Entry
from projections.topics import TOPICS
from tests.conformance.test_proto import _instances
from tests.folding import advance
from tests.simulation.stepping import drive
from tests.unit.world import AGENT, START, MovableClock

_IDS = st.sampled_from([UUID(int=n) for n in (1, 2)])
"""So few that events meet in one entry."""
_JSON = st.sampled_from(['{"text":"x"}', "{}", '{"deep":{"list":[1,[2,{}],null,true,"ü"]}}', '{"n":9007199254740991}'])
_ID = re.compile(r"(person|chunk|action|space)_id")


def _events(projection: AnyProjection) -> st.SearchStrategy[Event]:
    names = sorted(projection.reads - {PersonErased.type})
    return st.one_of([_instances(name).flatmap(_meeting) for name in names])


def _meeting(event: Event) -> st.SearchStrategy[Event]:
    """The same event, about one of few things, with JSON where JSON is expected."""
    names = [field.name for field in fields(type(event))]
    changes: dict[str, st.SearchStrategy[Any]] = {name: _IDS for name in names if _ID.fullmatch(name)}
    changes |= {name: _JSON for name in names if name.endswith("_json")}
    return st.fixed_dictionaries(changes).map(lambda changed: replace(event, **changed))


@pytest.mark.parametrize("topic", TOPICS)
@settings(deadline=None)
@given(data=st.data())
def test_I4_entries_do_not_depend_on_where_pages_end(topic: str, data: st.DataObject) -> None:
    projection = TOPICS[topic]
    log = MemoryLog(MovableClock())
    for number, event in enumerate(data.draw(st.lists(_events(projection), min_size=1, max_size=8)), start=1):
        assert type(event).type in REGISTRY
        id = UUID(int=1_000 + number)
        drive(log.append(Transaction(AGENT, (NewEvent(id, id, 1, event, START, "test", None, id, None),), ())))
    position, expected = _one_by_one(projection, log)
    shelf = Shelf()
    store = MemoryEntryStore(shelf)
    generation, limit = drive(store.open(topic, projection.version)), data.draw(st.integers(1, 9))
    with contextlib.suppress(ProjectionStopped):
        while (after := drive(advance(log, store, projection, generation, limit=limit))) != generation:
            generation = after
    [build] = shelf.builds.values()
    assert (build.position, build.entries) == (position, expected)


def _one_by_one(projection: AnyProjection, log: MemoryLog) -> tuple[int, dict[EntryKey, Entry]]:
    """Every entry stored after each event, up to the first that cannot be folded."""
    entries: dict[EntryKey, Entry] = {}
    position = 0
    for event in drive(log.read(0, 1_000)):
        try:
            keys = list(projection.key(event))
            after = {key: projection.apply(entries.get((event.agent_id, key)), event, key) for key in keys}
        except Exception:
            break
        entries |= {(event.agent_id, key): entry for key, entry in after.items() if entry is not None}
        position = event.position
    return position, entries
