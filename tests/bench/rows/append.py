"""Durable one-event commands a second."""

from collections.abc import Awaitable, Callable
from functools import partial

from tests.bench.fill import fill, notes
from tests.bench.measure import Case, Figure, Sample, callers, threads
from tests.bench.ours import Ours, ours
from tests.bench.peers import emmett
from tests.bench.peers.raw import Raw, raw
from tests.bench.peers.stock import MISSING as STOCK_MISSING
from tests.bench.peers.stock import Stock, stock
from tests.bench.peers.write_message import CONNECTIONS_MAX, MessageStore, message_store
from tests.bench.row import Bench, Line, Target, row

_EVENTS_A_STREAM = 3
_PEER_CALLERS_MAX = 8
"""The peers are as fast with eight callers as with more, or faster; from there on they are compared at eight."""
_PEERS_UP_TO = 64
_NEW, _EXISTING, _KEYED, _CHUNK = "new streams", "existing streams", "new streams, with a key", "a transcript chunk"
_RAW = "raw group commit"


class _Sides:
    """Ours and everybody that it is compared with, on one database."""

    def __init__(self, bench: Bench, conninfo: str, ours: Ours, raw: Raw, store: MessageStore) -> None:
        self._scale = bench.scale
        self._conninfo = conninfo
        self._ours, self._raw, self._store = ours, raw, store

    def case(self, name: str, count: int, call: Callable[[int], Awaitable[object]]) -> Case:
        return Case(name, "/s", partial(callers, count, self._scale.warm_seconds, self._scale.seconds, call))

    def own(self, count: int) -> list[Case]:
        return [
            self.case(_NEW, count, self._ours.to_new_stream),
            self.case(_EXISTING, count, self._ours.to_existing_stream),
            self.case(_KEYED, count, self._ours.with_key),
            self.case(_CHUNK, count, self._ours.record_chunk),
            self.case(_RAW, count, self._raw.append),
        ]

    def peers(self, count: int, library: Stock | None, emmett_missing: str) -> list[Case]:
        count = min(count, _PEER_CALLERS_MAX)
        cases = [self.case(_store(count), count, self._store.write)]
        if library is not None:
            for name, call in ((_stock(count), library.save_new), (_stock_existing(count), library.save_existing)):
                sample = partial(threads, count, self._scale.warm_seconds, self._scale.seconds, call)
                cases.append(Case(name, "/s", sample))
        if not emmett_missing:
            cases.append(Case(_emmett(count), "/s", partial(self._append_by_emmett, count)))
        return cases

    async def _append_by_emmett(self, count: int) -> Sample:
        return await emmett.append(self._conninfo, count, self._scale.warm_seconds, self._scale.seconds)


def _stock(count: int) -> str:
    return f"eventsourcing, {count} threads" if count > 1 else "eventsourcing, 1 thread"


def _stock_existing(count: int) -> str:
    return f"{_stock(count)}, existing streams"


def _store(count: int) -> str:
    return f"message-db style, {min(count, CONNECTIONS_MAX)} connections" if count > 1 else "message-db style"


def _emmett(count: int) -> str:
    return f"emmett, {count} callers" if count > 1 else "emmett, 1 caller"


_TARGETS = {
    (64, _NEW, _stock(_PEER_CALLERS_MAX)): Target(least=20.0),
    (64, _EXISTING, _stock_existing(_PEER_CALLERS_MAX)): Target(least=20.0),
    (256, _NEW, _RAW): Target(least=0.5),
}
"""By callers, what ours does, and what it is compared with."""


@row(
    "append",
    "Durable commands a second",
    """A command with one event of about 330 bytes goes through the runtime, its aggregate and the log; a caller
    sends its next one when it has its answer, which comes after the commit. One process and one event loop;
    existing streams have three events and are loaded first; a key is an idempotency key; a transcript chunk is
    the hub's own RecordTranscript, which also reads its space and its speaker. *Raw group commit*: the same rows
    into a table with the same columns and indexes, one connection that commits what has arrived, no aggregates,
    no checks. *eventsourcing*: the library's aggregates and Postgres recorder with its default settings.
    *message-db style*: one function call and one commit a message under an advisory lock. *emmett*:
    appendToStream of its Node library. Those three are not faster with more than eight callers, so eight is what
    64 are compared with.""",
)
async def append(bench: Bench) -> list[Line]:
    emmett_missing = await emmett.prepare() if bench.scale.peers_outside_python else "not part of the quick run"
    lines: list[Line] = []
    for count in bench.scale.callers:
        async with bench.database("append") as conninfo:
            streams, placed = notes(bench.scale.streams, _EVENTS_A_STREAM)
            await fill(conninfo, placed)
            with stock(conninfo) as library:
                if library is not None:
                    library.fill(min(2_000, bench.scale.streams), _EVENTS_A_STREAM)
                async with ours(conninfo, streams) as own, raw(conninfo) as floor, message_store(conninfo) as store:
                    await own.open_space()
                    sides = _Sides(bench, conninfo, own, floor, store)
                    cases = sides.own(count)
                    if count <= _PEERS_UP_TO:
                        cases += sides.peers(count, library, emmett_missing)
                    figures = await bench.compare(f"{count} callers", *cases)
        lines += _lines(count, figures, emmett_missing)
    return lines


def _lines(count: int, figures: dict[str, Figure], emmett_missing: str) -> list[Line]:
    callers = f"{count} caller{'s' if count > 1 else ''}"
    lines = [
        Line(f"{callers}, {own}", figures[own], _RAW, figures[_RAW], _TARGETS.get((count, own, _RAW)))
        for own in (_NEW, _EXISTING, _KEYED, _CHUNK)
    ]
    if count > _PEERS_UP_TO:
        return lines
    few = min(count, _PEER_CALLERS_MAX)
    for own, name, missing in (
        (_NEW, _stock(few), STOCK_MISSING),
        (_EXISTING, _stock_existing(few), STOCK_MISSING),
        (_NEW, _store(few), ""),
        (_NEW, _emmett(few), emmett_missing),
    ):
        target = _TARGETS.get((count, own, name))
        lines.append(Line(f"{callers}, {own}", figures[own], name, figures.get(name), target, missing))
    return lines
