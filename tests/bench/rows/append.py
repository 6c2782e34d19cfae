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
_STOCK_TARGET, _STOCK_TARGET_CALLERS = Target(least=20.0), 64
_RAW_TARGET, _RAW_TARGET_CALLERS = Target(least=0.5), 256
_NEW, _EXISTING, _KEYED, _RAW = "ours, new streams", "ours, existing streams", "ours, with a key", "raw group commit"


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


@row(
    "append",
    "Durable commands a second",
    """A command with one event of about 330 bytes goes through the runtime, its aggregate and the log; a caller sends its
    next one when it has its answer, which comes after the commit. One process and one event loop; existing streams have
    three events and are loaded first; a key is an idempotency key. *Raw group commit*: the same rows into a table with the
    same columns and indexes, one connection that commits what has arrived, no aggregates, no checks. *eventsourcing*: the
    library's aggregates and Postgres recorder with its default settings. *message-db style*: one function call and one
    commit a message under an advisory lock. *emmett*: appendToStream of its Node library. Those three are not faster with
    more than eight callers, so eight is what 64 are compared with.""",
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
                    sides = _Sides(bench, conninfo, own, floor, store)
                    cases = sides.own(count)
                    if count <= _PEERS_UP_TO:
                        cases += sides.peers(count, library, emmett_missing)
                    figures = await bench.compare(f"{count} callers", *cases)
        lines += _lines(count, figures, emmett_missing)
    return lines


def _lines(count: int, figures: dict[str, Figure], emmett_missing: str) -> list[Line]:
    new, existing, keyed = (
        f"{count} caller{'s' if count > 1 else ''}, {what}"
        for what in ("new streams", "existing streams", "new streams, with a key")
    )
    raw_target = _RAW_TARGET if count >= _RAW_TARGET_CALLERS else None
    stock_target = _STOCK_TARGET if count == _STOCK_TARGET_CALLERS else None
    lines = [
        Line(new, figures[_NEW], _RAW, figures[_RAW], raw_target if count == _RAW_TARGET_CALLERS else None),
        Line(existing, figures[_EXISTING], _RAW, figures[_RAW]),
        Line(keyed, figures[_KEYED], _RAW, figures[_RAW]),
    ]
    if count > _PEERS_UP_TO:
        return lines
    few = min(count, _PEER_CALLERS_MAX)
    for work, own, name, target, missing in (
        (new, _NEW, _stock(few), stock_target, STOCK_MISSING),
        (existing, _EXISTING, _stock_existing(few), stock_target, STOCK_MISSING),
        (new, _NEW, _store(few), None, ""),
        (new, _NEW, _emmett(few), None, emmett_missing),
    ):
        lines.append(Line(work, figures[own], name, figures.get(name), target, missing))
    return lines
