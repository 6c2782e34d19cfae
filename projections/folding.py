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

Kept = tuple[Any, UUID | None, int]
"""An entry in memory: its value (None for a tombstone), the space that it is shown in, its position."""
Failure = tuple[int, Exception]
"""The position of a poisoned event, and what it raised."""


class Touched(Struct, frozen=True):
    """Events with the keys of the entries that each touches, up to the first whose key fails."""

    events: tuple[tuple[Recorded, list[str]], ...]
    keys: frozenset[EntryKey]
    failed: Failure | None


class Folded(Struct, frozen=True):
    """What a page did: the entries that it changed, as they are written and as they are kept, and how it ended."""

    entries: tuple[Entry, ...]
    kept: Mapping[EntryKey, Kept]
    failed: Failure | None


def touch(projection: AnyProjection, events: Iterable[Recorded]) -> Touched:
    """Ask for every event's keys."""
    touched: list[tuple[Recorded, list[str]]] = []
    keys: set[EntryKey] = set()
    failed: Failure | None = None
    for event in events:
        try:
            names = list(projection.key(event))
            for name in names:
                if not 0 < len(name) <= ENTRY_KEY_CHARS_MAX or "\0" in name or not name.isascii():
                    _check(name)
        except Exception as error:  # a poisoned event: whatever it raises, the projection stops just before it
            failed = (event.position, error)
            break
        if names:
            touched.append((event, names))
            agent_id = event.agent_id
            for name in names:
                keys.add((agent_id, name))
    return Touched(tuple(touched), frozenset(keys), failed)


def _check(key: str) -> None:
    """Raises ValueError for a key that cannot be stored."""
    if not 0 < len(key) <= ENTRY_KEY_CHARS_MAX or "\0" in key:
        raise ValueError(f"a key has 1 to {ENTRY_KEY_CHARS_MAX} characters and no NUL")
    key.encode()  # half of a surrogate pair is no text


class Stored(Struct, frozen=True):
    """What there was before a page: entries as they are folded on, and those that cannot be read."""

    kept: dict[EntryKey, Kept]
    broken: dict[EntryKey, Exception]


def keep(projection: AnyProjection, entries: Iterable[Entry]) -> Stored:
    """Entries as they come from the store."""
    kept: dict[EntryKey, Kept] = {}
    broken: dict[EntryKey, Exception] = {}
    for entry in entries:
        key = (entry.agent_id, entry.key)
        try:
            value = None if entry.value is None else projection.decode(entry.value)
        except Exception as error:  # somebody else wrote it, or an older fold
            broken[key] = error
        else:
            kept[key] = (value, entry.space_id, entry.position)
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


def _up_to_broken(touched: Touched, broken: Mapping[EntryKey, Exception]) -> Touched:
    """Only the events before the first that would change an entry which cannot be read."""
    for number, (event, names) in enumerate(touched.events):
        for name in names:
            if (event.agent_id, name) in broken:
                return Touched(touched.events[:number], touched.keys, (event.position, broken[event.agent_id, name]))
    return touched


def _fold(
    projection: AnyProjection,
    events: Sequence[tuple[Recorded, list[str]]],
    entries: Mapping[EntryKey, Kept],
    *,
    careful: bool,
) -> tuple[dict[EntryKey, Kept], Failure | None]:
    changed: dict[EntryKey, Kept] = {}
    apply = projection.fold
    for event, names in events:
        agent_id, position = event.agent_id, event.position
        outcome: list[tuple[EntryKey, Kept]] = []
        try:
            for name in names:
                key = (agent_id, name)
                before = changed.get(key) or entries.get(key)
                after = apply(None if before is None else before[0], event)
                if after is not None:
                    outcome.append((key, (after, getattr(after, "space_id", None), position)))
                elif before is not None:
                    outcome.append((key, (None, before[1], position)))
            if careful:
                _entries(dict(outcome))
        except Exception as error:  # as above
            return changed, (position, error)
        changed.update(outcome)
    return changed, None


def _entries(kept: Mapping[EntryKey, Kept]) -> tuple[Entry, ...]:
    encode = canonical.encode
    return tuple(
        [
            Entry(key[0], key[1], space_id, position, None if value is None else encode(value))
            for key, (value, space_id, position) in kept.items()
        ]
    )
