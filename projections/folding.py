"""One page of events folded in memory: which entries it touches, and what becomes of them. No I/O."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct

from domain import canonical
from domain.events import Recorded
from domain.limits import ENTRY_KEY_CHARS_MAX
from projections.ports import EntryKey
from projections.projection import AnyProjection, Entry

Name = tuple[int, str]
"""An entry's agent, as a number, and key. Python hashes numbers several times faster than UUIDs."""
Kept = tuple[Any, UUID | None, int, UUID]
"""An entry in memory: its value (None for a tombstone), the space that it is shown in, its position, its agent."""
Failure = tuple[int, Exception]
"""The position of a poisoned event, and what it raised."""


class Touched(Struct, frozen=True):
    """Events with the entries that each touches, up to the first whose key fails."""

    events: Sequence[tuple[Recorded, list[Name]]]
    names: Mapping[Name, UUID]
    """All that they touch, with its agent."""
    failed: Failure | None


class Stored(Struct, frozen=True):
    """What there was before a page: entries as they are folded on, and those that cannot be read."""

    kept: dict[Name, Kept]
    broken: dict[Name, Exception]


class Folded(Struct, frozen=True):
    """What a page did: the entries that it changed, as they are written and as they are kept, and how it ended."""

    entries: Sequence[Entry]
    kept: dict[Name, Kept]
    failed: Failure | None


def touch(projection: AnyProjection, events: Iterable[Recorded]) -> Touched:
    """Ask for every event's keys."""
    touched: list[tuple[Recorded, list[Name]]] = []
    names: dict[Name, UUID] = {}
    failed: Failure | None = None
    ask = projection.key
    for event in events:
        agent_id = event.agent_id
        number = agent_id.int
        mine: list[Name] = []
        try:
            for key in ask(event):
                if not 0 < len(key) <= ENTRY_KEY_CHARS_MAX or "\0" in key or not key.isascii():
                    _check(key)
                mine.append((number, key))
        except Exception as error:  # a poisoned event: whatever it raises, the projection stops just before it
            failed = (event.position, error)
            break
        if mine:
            touched.append((event, mine))
            for name in mine:
                names[name] = agent_id
    return Touched(touched, names, failed)


def _check(key: str) -> None:
    """Raises ValueError for a key that cannot be stored."""
    if not 0 < len(key) <= ENTRY_KEY_CHARS_MAX or "\0" in key:
        raise ValueError(f"a key has 1 to {ENTRY_KEY_CHARS_MAX} characters and no NUL")
    key.encode()  # half of a surrogate pair is no text


def keys(touched: Touched, names: Iterable[Name]) -> list[EntryKey]:
    """As a store knows them."""
    return [(touched.names[name], name[1]) for name in names]


def keep(projection: AnyProjection, entries: Iterable[Entry]) -> Stored:
    """Entries as they come from the store."""
    kept: dict[Name, Kept] = {}
    broken: dict[Name, Exception] = {}
    for entry in entries:
        name = (entry.agent_id.int, entry.key)
        try:
            value = None if entry.value is None else projection.decode(entry.value)
        except Exception as error:  # somebody else wrote it, or an older fold
            broken[name] = error
        else:
            kept[name] = (value, entry.space_id, entry.position, entry.agent_id)
    return Stored(kept, broken)


def fold(projection: AnyProjection, touched: Touched, stored: Stored) -> Folded:
    """Fold the events, one after the other, beginning with what was there under their keys.

    A value becomes bytes once, at the end. When that fails, the page is folded again with every value made bytes at
    once, which shows the event that it is because of.
    """
    if stored.broken:
        touched = _up_to_broken(touched, stored.broken)
    kept, failed = _fold(projection, touched.events, stored.kept, careful=False)
    try:
        written = _entries(kept)
    except Exception:  # a value that is no JSON
        kept, failed = _fold(projection, touched.events, stored.kept, careful=True)
        written = _entries(kept)
    return Folded(written, kept, failed or touched.failed)


def _up_to_broken(touched: Touched, broken: Mapping[Name, Exception]) -> Touched:
    """Only the events before the first that would change an entry which cannot be read."""
    for number, (event, names) in enumerate(touched.events):
        for name in names:
            if name in broken:
                return Touched(touched.events[:number], touched.names, (event.position, broken[name]))
    return touched


def _fold(
    projection: AnyProjection,
    events: Iterable[tuple[Recorded, list[Name]]],
    before: Mapping[Name, Kept],
    *,
    careful: bool,
) -> tuple[dict[Name, Kept], Failure | None]:
    changed: dict[Name, Kept] = {}
    apply = projection.fold
    for event, names in events:
        outcome: dict[Name, Kept] = changed if len(names) == 1 else {}  # of several entries, all change or none does
        try:
            for name in names:
                entry = changed.get(name)
                if entry is None and before:
                    entry = before.get(name)
                value = apply(None if entry is None else entry[0], event)
                if value is not None:
                    kept = (value, getattr(value, "space_id", None), event.position, event.agent_id)
                elif entry is not None:
                    kept = (None, entry[1], event.position, event.agent_id)
                else:
                    continue
                if careful:
                    _entries({name: kept})
                outcome[name] = kept
        except Exception as error:  # as above
            return changed, (event.position, error)
        if outcome is not changed:
            changed.update(outcome)
    return changed, None


def _entries(kept: Mapping[Name, Kept]) -> list[Entry]:
    encode = canonical.encode
    return [
        Entry(agent_id, name[1], space_id, position, None if value is None else encode(value))
        for name, (value, space_id, position, agent_id) in kept.items()
    ]
