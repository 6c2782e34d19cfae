"""What a command costs in Python, with no database at all."""

import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from uuid import UUID

from adapters.memory.log import MemoryLog
from domain.aggregate import Snapshot
from domain.canonical import encode
from domain.events import Recorded
from domain.limits import AGGREGATES_CACHED_MAX
from domain.ports import Appended, Transaction, Verdict
from domain.runtime import Context
from tests.bench.measure import Case, Sample, awaitable
from tests.bench.notes import SPEAKER, TEXT, Note, NoteTaken, TakeNote
from tests.bench.ours import AGENT, IDS, SPACE
from tests.bench.peers import stock
from tests.bench.row import Bench, Line, row
from tests.keys import memory_vault
from workers.observed import ObservedRuntime
from workers.parts import SystemClock

_BATCHES = 20
_EVENTS_A_STREAM = 3
_COLD_STREAMS = 2 * AGGREGATES_CACHED_MAX
"""Taken in turn, none of them is still in the cache when its turn comes again."""
_AT = SystemClock().now()
_NEW, _BYTES = "a command to a new stream", "only aggregate and bytes"
_HOT, _COLD = "a command to an existing stream, in the cache", "a command to an existing stream, not in the cache"
_BASELINES = {_NEW: "new", _HOT: "existing", _COLD: "existing", _BYTES: "bytes"}


class _Log(MemoryLog):
    """Accepts everything; makes the bytes that would be stored; reads back the same few events of any stream."""

    def __init__(self) -> None:
        super().__init__(SystemClock())
        self._data = encode(NoteTaken(SPACE, SPACE, SPEAKER, TEXT))
        self.stored: list[bytes] = []

    async def append(self, transaction: Transaction) -> Verdict:
        self.stored = [event.data for event in transaction.events]
        return Appended(1, len(transaction.events))

    async def load(self, agent_id: UUID, wanted: Sequence[tuple[UUID, int]]) -> list[Snapshot | Recorded]:
        return [self._recorded_at(id, version) for id, _ in wanted for version in range(1, _EVENTS_A_STREAM + 1)]

    def _recorded_at(self, stream_id: UUID, version: int) -> Recorded:
        return Recorded(
            position=version,
            event_id=SPACE,
            agent_id=AGENT,
            stream_id=stream_id,
            version=version,
            type=NoteTaken.type,
            schema_version=NoteTaken.schema_version,
            data=self._data,
            occurred_at=_AT,
            recorded_at=_AT,
            actor="bench",
            causation_id=None,
            correlation_id=SPACE,
            traceparent=None,
        )


@row(
    "python",
    "What a command costs in Python",
    """CPU time of this process for one command, no database: ours through the runtime onto a log that only makes
    the bytes, the library's `save` onto its recorder for plain Python objects. Existing streams have three
    events, which are decoded and folded first, by the library always, by ours where the runtime's cache of aggregates
    does not have them. *Only aggregate and bytes* leaves out runtime, application and recorder on both sides.""",
)
async def python(bench: Bench) -> list[Line]:
    calls = _BATCHES * bench.scale.calls
    cases = [Case(name, "µs", partial(_cpu, calls, call)) for name, call in _ours().items()]
    library = stock.in_memory()
    if library is not None:
        library.fill(bench.scale.repeats * calls, _EVENTS_A_STREAM)  # each is saved to once, and stays as long as it is
        theirs: dict[str, Callable[[], object]] = {"new": library.save_new, "existing": library.save_existing}
        theirs["bytes"] = library.bytes_of_one
        cases += [Case(name, "µs", partial(_cpu, calls, awaitable(call))) for name, call in theirs.items()]
    figures = await bench.compare("a command", *cases)
    return [
        Line(work, figures[work], stock.NAME, figures.get(baseline), missing=stock.MISSING)
        for work, baseline in _BASELINES.items()
    ]


def _ours() -> dict[str, Callable[[], Awaitable[object]]]:
    log = _Log()
    runtime = ObservedRuntime(log, SystemClock(), IDS, memory_vault(log))
    context = Context(agent_id=AGENT, actor="bench")
    streams = itertools.cycle([IDS.new() for _ in range(_COLD_STREAMS)])
    made: list[bytes] = []

    async def new() -> None:
        await runtime.execute(TakeNote(None, SPACE, SPEAKER, TEXT), context)

    async def hot() -> None:
        await runtime.execute(TakeNote(SPACE, SPACE, SPEAKER, TEXT), context)

    async def cold() -> None:
        await runtime.execute(TakeNote(next(streams), SPACE, SPEAKER, TEXT), context)

    async def only_bytes() -> None:
        note = Note(IDS.new())
        note.emitter = lambda _, event, __, ___: made.append(encode(event))
        note.take(SPACE, SPEAKER, TEXT)
        made.clear()

    return {_NEW: new, _HOT: hot, _COLD: cold, _BYTES: only_bytes}


async def _cpu(calls: int, call: Callable[[], Awaitable[object]]) -> Sample:
    began = time.process_time()
    for _ in range(calls):
        await call()
    return Sample((time.process_time() - began) / calls * 1e6)
