"""Logs that earlier versions wrote, and what they fold to.

`logs/<name>.jsonl` is a log, an event a line: its envelope, and `data` as text, to the byte. It never changes.
`logs/<name>.keys.json`, if personal fields are sealed, has the persons' keys, wrapped by a key that is written here.
`logs/<name>.json` says what the log folds to: a digest for each version of a topic and for each fold of an aggregate.
A new version adds its digests; one that is there stays as it is, so a fold that comes to something else is found out.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from adapters.eventsourcing.aggregates import of_stream
from adapters.memory.keys import MemoryKeyStore
from adapters.memory.log import MemoryLog
from adapters.vault.master import MasterKeys
from adapters.vault.vault import KeyVault
from domain import canonical
from domain.aggregate import Aggregate
from domain.events import Recorded
from domain.ports import WrappedKey
from projections.ports import EntryKey
from projections.projection import AnyProjection, Entry
from projections.reading import reading
from projections.topics import TOPICS
from tests.unit.world import MovableClock

CORPUS_MASTER_KEY = f"corpus:{'A' * 43}="
"""No secret: whoever reads the corpus is to read it."""
LOGS = Path(__file__).parent / "logs"
Digests = dict[str, str]
"""By `topic <name>/<version>` and `aggregate <fold>`: SHA-256 in hexadecimal."""


def write_log(file: Path, events: Iterable[Recorded]) -> None:
    """Raises FileExistsError: a log of the corpus is written once."""
    with file.open("x") as lines:
        for event in events:
            envelope: dict[str, Any] = msgspec.to_builtins(event, builtin_types=(bytes,))
            line = envelope | {"data": envelope["data"].decode()}
            lines.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")


def read_log(file: Path) -> list[Recorded]:
    """The events, opened if the corpus has their keys."""
    events = []
    for line in file.read_bytes().splitlines():
        envelope = json.loads(line)
        events.append(msgspec.convert(envelope | {"data": envelope["data"].encode()}, Recorded))
    if any(event.subjects for event in events):
        asyncio.run(_open(events, file.with_suffix(".keys.json")))
    return events


class _Kept(Struct, frozen=True):
    agent_id: UUID
    key: WrappedKey


def write_keys(file: Path, keys: Iterable[tuple[UUID, WrappedKey]]) -> None:
    file.write_bytes(msgspec.json.format(msgspec.json.encode([_Kept(*key) for key in keys]), indent=1) + b"\n")


async def _open(events: list[Recorded], file: Path) -> None:
    store = MemoryKeyStore(MemoryLog(MovableClock()))
    for kept in msgspec.json.decode(file.read_bytes(), type=list[_Kept]):
        await store.add(kept.agent_id, kept.key)
    await KeyVault(store, MasterKeys(lambda: CORPUS_MASTER_KEY)).open(events)


def read_digests(file: Path) -> Digests:
    return msgspec.json.decode(file.read_bytes(), type=Digests) if file.exists() else {}


def write_digests(file: Path, digests: Digests) -> None:
    file.write_text(json.dumps(digests, indent=1, sort_keys=True) + "\n")


def folded(
    events: list[Recorded],
    projections: Iterable[AnyProjection] = TOPICS.values(),
    begin: Callable[[Recorded], Aggregate] = of_stream,
) -> Digests:
    """What the present code makes of a log; `begin` tells the aggregate of a stream by its first event."""
    topics = {f"topic {one.topic}/{one.version}": _topic(one, events) for one in projections}
    return topics | _aggregates(events, begin)


def _topic(projection: AnyProjection, events: list[Recorded]) -> str:
    """As `stele projections list --digest` says it."""
    entries: dict[EntryKey, Entry] = {}
    mine, _, failed = reading(events, projection.reads)
    if failed is not None:
        raise failed[1]
    for event in mine:
        for key in projection.key(event):
            after = projection.apply(entries.get((event.agent_id, key)), event, key)
            if after is not None:
                entries[event.agent_id, key] = after
    hasher = hashlib.sha256()
    for (agent_id, key), entry in sorted(entries.items()):
        if entry.value is not None:
            hasher.update(agent_id.bytes + len(key.encode()).to_bytes(4, "big") + key.encode())
            hasher.update(entry.position.to_bytes(8, "big") + hashlib.sha256(entry.value).digest())
    return hasher.hexdigest()


def _aggregates(events: list[Recorded], begin: Callable[[Recorded], Aggregate]) -> Digests:
    aggregates: dict[tuple[UUID, UUID], Aggregate] = {}
    for event in events:
        place = (event.agent_id, event.stream_id)
        if place not in aggregates:
            aggregates[place] = begin(event)
        aggregates[place].replay(event)
    states: dict[str, list[tuple[UUID, UUID, int, str]]] = {}
    for (agent_id, stream_id), aggregate in sorted(aggregates.items()):
        state = aggregate.snapshot().state.decode()
        states.setdefault(aggregate.fold(), []).append((agent_id, stream_id, aggregate.version, state))
    return {f"aggregate {fold}": canonical.sha256_hex(canonical.encode(found)) for fold, found in states.items()}
