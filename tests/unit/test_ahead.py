"""A run reads ahead: only what there is, and nothing that it has begun to read is broken off."""

import asyncio
from collections.abc import Collection, Iterable
from uuid import UUID

import pytest

from adapters.memory.entries import MemoryEntryStore, Shelf
from domain.events import Recorded
from domain.people import PersonErased, PersonRegistered
from projections.engine import Run
from projections.ports import EventSource, Scanned
from projections.projection import Projection, Value, nothing
from tests.unit.world import World

_PERSON = UUID(int=1)


class _Met(Value, frozen=True):
    label: str


def _key(event: Recorded) -> Iterable[str]:
    return [event.payload.label] if isinstance(event.payload, PersonRegistered) else []


def _fold(entry: _Met | None, event: Recorded) -> _Met | None:
    return _Met(event.payload.label) if isinstance(event.payload, PersonRegistered) else entry


MET = Projection(topic="met", version=1, reads=[PersonRegistered], value=_Met, key=_key, fold=_fold, forget=nothing)


class Watched:
    """A log whose readings wait when they are told to, and are noted when they begin and when they are broken off."""

    def __init__(self, log: EventSource) -> None:
        self._log = log
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.broken_off: list[int] = []
        self.open = asyncio.Event()
        self.open.set()

    async def read_but(self, types: Collection[str], after: int, limit: int) -> Scanned:
        self.begun.append(after)
        try:
            if after > 0:
                await self.open.wait()
            page = await self._log.read_but(types, after, limit)
        except asyncio.CancelledError:
            self.broken_off.append(after)
            raise
        self.ended.append(after)
        return page


class Setting:
    def __init__(self) -> None:
        self.world = World()
        self.log = Watched(self.world.log)
        self.store = MemoryEntryStore(Shelf())

    async def meet(self, count: int) -> None:
        for number in range(count):
            await self.world.happen(self.world.ids.new(), PersonRegistered(_PERSON, f"person {number}"))

    async def run(self) -> Run:
        return Run(self.log, self.store, MET, await self.store.open("met", 1), start=asyncio.create_task)


@pytest.fixture
def setting() -> Setting:
    return Setting()


async def _settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_no_page_is_read_that_may_not_be_there(setting: Setting) -> None:
    """Only a page that came back full says that there is another one."""
    await setting.meet(5)
    run = await setting.run()
    await run.advance(limit=4)
    await _settled()
    assert setting.log.begun == [0, 4]
    await run.advance(limit=4)
    assert (run.generation.position, setting.log.begun) == (5, [0, 4])


async def test_two_pages_are_read_ahead_in_a_long_log(setting: Setting) -> None:
    await setting.meet(40)
    run = await setting.run()
    for pages in range(1, 6):
        await run.advance(limit=4)
        await _settled()
        assert setting.log.begun == [4 * page for page in range(pages + 2)]
    while not run.at_end:
        await run.advance(limit=4)
    assert run.generation.position == 40
    assert setting.log.begun == [4 * page for page in range(11)], "each page once"


@pytest.mark.parametrize("how", ["closed", "erased"])
async def test_what_is_being_read_and_not_wanted_runs_out(setting: Setting, how: str) -> None:
    """A query that is broken off may cost a pool its connection."""
    await setting.meet(6)
    if how == "erased":
        await setting.world.happen(_PERSON, PersonErased(_PERSON))
    await setting.meet(6)
    run = await setting.run()
    setting.log.open.clear()
    if how == "closed":
        await run.advance(limit=3)
        await _settled()
        run.close()
    else:
        setting.log.open.set()
        while run.generation.position < 7:
            await run.advance(limit=4)
        run.close()
    setting.log.open.set()
    await _settled()
    assert setting.log.broken_off == []
    assert setting.log.ended == setting.log.begun
    again = await setting.run()
    while not again.at_end:
        await again.advance(limit=4)
    assert again.generation.position == (13 if how == "erased" else 12)
