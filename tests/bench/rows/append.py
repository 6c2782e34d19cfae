"""Durable one-event commands a second."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from uuid import UUID

from tests.bench.copying import fill
from tests.bench.fill import notes
from tests.bench.measure import Case, Figure, Sample, callers, threads
from tests.bench.ours import Ours, ours
from tests.bench.peers import emmett
from tests.bench.peers.raw import Raw, raw
from tests.bench.peers.stock import MISSING as STOCK_MISSING
from tests.bench.peers.stock import Stock, stock
from tests.bench.peers.write_message import CONNECTIONS_MAX, MessageStore, message_store
from tests.bench.row import Bench, Line, Target, row

_EVENTS_A_STREAM = 3
_STOCK_STREAMS = 5_000
_PEER_CALLERS_MAX = 8
"""The peers' best: from eight to 64 callers (threads, connections) none of them gained more than a twentieth."""
_TARGETS_FROM = 64
_HOT_STREAMS_MIN = 100
_HOT_STREAMS_A_CALLER = 4
"""So many are all in the cache when the warm-up is over, and two callers do not often meet on one."""
_NEW, _HOT, _COLD = "new streams", "existing streams, in the cache", "existing streams, not in the cache"
_KEYED, _CHUNK = "new streams, with a key", "a transcript chunk"
_RAW = "raw group commit"


class _Sides:
    """Ours and everybody that it is compared with, on one database."""

    def __init__(self, bench: Bench, conninfo: str, ours: Ours, raw: Raw, store: MessageStore) -> None:
        self._scale = bench.scale
        self._conninfo = conninfo
        self._ours, self._raw, self._store = ours, raw, store

    def case(self, name: str, count: int, call: Callable[[int], Awaitable[object]]) -> Case:
        return Case(name, "/s", partial(callers, count, self._scale.warm_seconds, self._scale.seconds, call))

    def own(self, count: int, streams: Sequence[UUID]) -> list[Case]:
        hot = max(_HOT_STREAMS_MIN, count * _HOT_STREAMS_A_CALLER)
        return [
            self.case(_NEW, count, self._ours.to_new_stream),
            self.case(_HOT, count, self._ours.to(streams[:hot])),
            self.case(_COLD, count, self._ours.to(streams[hot:])),
            self.case(_KEYED, count, self._ours.with_key),
            self.case(_CHUNK, count, self._ours.record_chunk),
            self.case(_RAW, count, self._raw.append),
        ]

    def peers(self, count: int, library: Stock | None, emmett_missing: str) -> list[Case]:
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


def _target(count: int, own: str, other: str) -> Target | None:
    if other == _RAW:
        return Target(least=0.5) if count == 256 and own == _NEW else None
    if count < _TARGETS_FROM:
        return None
    return Target(least=20.0) if other.startswith("eventsourcing") else Target(least=1.0)


@row(
    "append",
    "Durable commands a second",
    f"""A command with one event of about 330 bytes goes through the runtime, its aggregate and the log; a caller
    sends its next one when it has its answer, which comes after the commit. One process and one event loop.
    Existing streams had three events at first: those in the runtime's cache of aggregates are not read, the others
    are, every time. A key is an idempotency key; a transcript chunk is the hub's own RecordTranscript, which looks
    at its space and its speaker and seals the words. *Raw group commit*: the same rows into a table with the same
    columns and indexes, one connection that commits what has arrived, no aggregates, no checks. *eventsourcing*: the
    library's aggregates and Postgres recorder with its default settings. *message-db style*: one function call and one
    commit a message under an advisory lock. *emmett*: appendToStream of its Node library. Those three gain
    nothing from more than {_PEER_CALLERS_MAX} callers, so that is what more of ours are compared with.""",
)
async def append(bench: Bench) -> list[Line]:
    emmett_missing = await emmett.prepare() if bench.scale.peers_outside_python else "not part of the quick run"
    lines: list[Line] = []
    for count in bench.scale.callers:
        few = min(count, _PEER_CALLERS_MAX)
        async with bench.database("append") as conninfo:
            streams, placed = notes(bench.scale.streams, _EVENTS_A_STREAM)
            await fill(conninfo, placed)
            with stock(conninfo) as library:
                if library is not None:
                    library.fill(min(_STOCK_STREAMS, bench.scale.streams), _EVENTS_A_STREAM)
                async with ours(conninfo) as own, raw(conninfo) as floor, message_store(conninfo) as store:
                    await own.open_space()
                    sides = _Sides(bench, conninfo, own, floor, store)
                    cases = sides.own(count, streams) + sides.peers(few, library, emmett_missing)
                    figures = await bench.compare(f"{count} callers", *cases)
        lines += _lines(count, few, figures, emmett_missing)
    return lines


def _lines(count: int, few: int, figures: dict[str, Figure], emmett_missing: str) -> list[Line]:
    callers = f"{count} caller{'s' if count > 1 else ''}"
    pairs = [(own, _RAW, "") for own in (_NEW, _HOT, _COLD, _KEYED, _CHUNK)]
    pairs += [(_NEW, _stock(few), STOCK_MISSING)]
    pairs += [(own, _stock_existing(few), STOCK_MISSING) for own in (_HOT, _COLD)]
    pairs += [(_NEW, _store(few), ""), (_NEW, _emmett(few), emmett_missing)]
    return [
        Line(f"{callers}, {own}", figures[own], other, figures.get(other), _target(count, own, other), missing)
        for own, other, missing in pairs
    ]
