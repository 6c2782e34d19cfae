"""What a command costs in Python, with no database at all."""

import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from uuid import UUID

from adapters.memory.log import MemoryLog
from domain.aggregate import Snapshot
from domain.canonical import encode
from domain.events import Recorded
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
_STREAMS = 100
_EVENTS_A_STREAM = 3
_AT = SystemClock().now()


class _Log(MemoryLog):
    """Accepts everything; makes the bytes that would be stored; reads back the same few events of one stream."""

    def __init__(self) -> None:
        super().__init__(SystemClock())
        self._data = encode(NoteTaken(SPACE, SPACE, SPEAKER, TEXT))
        self.stored: list[bytes] = []

    async def append(self, transaction: Transaction) -> Verdict:
        self.stored = [event.data for event in transaction.events]
        return Appended(1, len(transaction.events))

    async def load(self, agent_id: UUID, wanted: Sequence[tuple[UUID, int]]) -> list[Snapshot | Recorded]:
        if wanted[0][0] != SPACE:
            return []
        return [self._recorded_at(version) for version in range(1, _EVENTS_A_STREAM + 1)]

    def _recorded_at(self, version: int) -> Recorded:
        return Recorded(
            position=version,
            event_id=SPACE,
            agent_id=AGENT,
            stream_id=SPACE,
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
    events, which are decoded and folded first. *Only aggregate and bytes* leaves out runtime, application and
    recorder on both sides.""",
)
async def python(bench: Bench) -> list[Line]:
    log = _Log()
    runtime, context = (
        ObservedRuntime(log, SystemClock(), IDS, memory_vault(log)),
        Context(agent_id=AGENT, actor="bench"),
    )
    library = stock.in_memory()
    made: list[bytes] = []

    async def ours_new() -> None:
        await runtime.execute(TakeNote(None, SPACE, SPEAKER, TEXT), context)

    async def ours_existing() -> None:
        await runtime.execute(TakeNote(SPACE, SPACE, SPEAKER, TEXT), context)

    async def ours_bytes() -> None:
        note = Note(IDS.new())
        note.emitter = lambda _, event, __, ___: made.append(encode(event))
        note.take(SPACE, SPEAKER, TEXT)
        made.clear()

    if library is not None:
        library.fill(_STREAMS, _EVENTS_A_STREAM)
    works: list[tuple[str, Callable[[], Awaitable[None]], Callable[[], object] | None]] = [
        ("a command to a new stream", ours_new, library.save_new if library else None),
        ("a command to an existing stream", ours_existing, library.save_existing if library else None),
        ("only aggregate and bytes", ours_bytes, library.bytes_of_one if library else None),
    ]
    return [
        await bench.against(
            work,
            Case("ours", "µs", partial(_cpu, bench.scale.calls, own)),
            Case(stock.NAME, "µs", partial(_cpu, bench.scale.calls, awaitable(theirs))) if theirs else None,
            stock.NAME,
            missing=stock.MISSING,
        )
        for work, own, theirs in works
    ]


async def _cpu(calls: int, call: Callable[[], Awaitable[object]]) -> Sample:
    began = time.process_time()
    for _ in range(_BATCHES * calls):
        await call()
    return Sample((time.process_time() - began) / (_BATCHES * calls) * 1e6)
