"""I4, I9: whatever is said, proposed, decided and erased in whatever order, and however far the projections are behind,
the live entries end as a rebuild after the erasures makes them; and nothing in them is of anybody who was erased.
"""

import asyncio
from dataclasses import dataclass
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.memory.entries import MemoryEntryStore, Shelf
from adapters.memory.keys import MemoryKeyStore
from adapters.vault.master import MasterKeys
from adapters.vault.vault import KeyVault
from domain import ids
from domain.actions import ActionProposed, ApproveAction, FinishAction, RejectAction, StartAction
from domain.people import ErasePerson
from domain.planning import RecordPlan
from domain.ports import Proposal
from domain.refusals import Refusal
from domain.runtime import Command, Runtime
from domain.spaces import CreateSpace
from domain.transcripts import RecordTranscript, Spoken, TranscriptChunkRecorded
from projections.engine import Run
from projections.opened import Opened
from projections.projection import Entry
from projections.topics import TOPICS
from tests.keys import MASTER
from tests.unit.world import AGENT, World

SPACE = ids.space_id(AGENT, "room")
NAMES = ("Ada", "Grace", "Edsger")
_EVENTS = 10_000


@dataclass(frozen=True)
class Say:
    who: int


@dataclass(frozen=True)
class Propose:
    """An action that rests on the last so many things said."""

    last: int


@dataclass(frozen=True)
class Decide:
    what: str
    which: int


@dataclass(frozen=True)
class Erase:
    who: int


@dataclass(frozen=True)
class Fold:
    """Every topic, up to two pages of so many events."""

    limit: int


STEPS = st.one_of(
    st.builds(Say, st.integers(0, 1)),
    st.builds(Say, st.integers(0, 1)),
    st.builds(Propose, st.integers(1, 3)),
    st.builds(Decide, st.sampled_from(["approve", "reject", "finish", "fail"]), st.integers(0, 1)),
    st.builds(Decide, st.sampled_from(["reject", "finish", "fail"]), st.integers(0, 1)),
    st.builds(Erase, st.integers(0, 1)),
    st.builds(Fold, st.sampled_from([1, 3, 50])),
)
Step = Say | Propose | Decide | Erase | Fold


class Hub:
    def __init__(self) -> None:
        self.world = World()
        self.other = World(self.world.log, self.world.clock)
        """Another process of the hub, with a cache and a memory for keys of its own."""
        self.other.ids = self.world.ids
        self.other.runtime = Runtime(self.world.log, self.world.clock, self.world.ids, self.other.vault)
        self._turns = 0
        self.live = Shelf()
        self.vault = self._vault()
        self._count = 0
        self._generation = dict.fromkeys(NAMES, 0)
        self.erased: set[str] = set()

    def _vault(self) -> KeyVault:
        """A process's own: for seconds it remembers keys that are destroyed."""
        return KeyVault(MemoryKeyStore(self.world.log), MasterKeys(lambda: MASTER))

    async def step(self, step: Step) -> None:
        match step:
            case Say(who=who):
                self._count += 1
                name = NAMES[who]
                words = f"words {self._count} of {name} the {self._generation[name]}."
                await self._either().do(RecordTranscript(SPACE, (Spoken(name, words),)))
            case Propose(last=last):
                await self._propose(last)
            case Decide(what=what, which=which):
                await self._decide(what, which)
            case Erase(who=who):
                await self._erase(NAMES[who])
            case Fold(limit=limit):
                await self.fold(self.live, self.vault, pages=2, limit=limit)

    async def _propose(self, last: int) -> None:
        said = [e for e in await self.world.events() if isinstance(e.payload, TranscriptChunkRecorded)][-last:]
        if said:
            self._count += 1
            words = " ".join(e.payload.text for e in said if isinstance(e.payload, TranscriptChunkRecorded))
            rests_on = tuple(e.position for e in said)
            await self._try(
                RecordPlan(SPACE, UUID(int=self._count), (Proposal("note", words[:99], {"w": words}, words, rests_on),))
            )

    async def _decide(self, what: str, which: int) -> None:
        actions = [p.action_id for p in await self.world.payloads() if isinstance(p, ActionProposed)]
        if actions:
            action, attempt = actions[-1 - which % len(actions)], UUID(int=7)
            begin: tuple[Command, ...] = (ApproveAction(action), StartAction(action, attempt))
            steps: dict[str, tuple[Command, ...]] = {
                "approve": begin[:1],
                "reject": (RejectAction(action, "because of words"),),
                "finish": (*begin, FinishAction(action, attempt, result={"said": "words"})),
                "fail": (*begin, FinishAction(action, attempt, code="broken", detail="words")),
            }
            for command in steps[what]:
                await self._try(command)

    def _either(self) -> World:
        self._turns += 1
        return self.other if self._turns % 3 else self.world

    async def _try(self, command: Command) -> None:
        try:
            await self._either().do(command)
        except Refusal:
            return

    async def _erase(self, name: str) -> None:
        person = await self.world.person(name, generation=self._generation[name])
        try:
            await self.world.do(ErasePerson(person))
        except Refusal:  # nobody of that name has spoken
            return
        self.erased.add(f"of {name} the {self._generation[name]}.")
        self._generation[name] += 1

    async def fold(self, shelf: Shelf, vault: KeyVault, *, pages: int, limit: int) -> None:
        for projection in TOPICS.values():
            store = MemoryEntryStore(shelf)
            generation = await store.open(projection.topic, projection.version)
            run = Run(Opened(self.world.log, vault), store, projection, generation, start=asyncio.create_task)
            for _ in range(pages):
                await run.advance(limit=limit)
                if run.at_end:
                    break
            run.close()
            await asyncio.sleep(0)

    async def rebuilt(self) -> Shelf:
        shelf = Shelf()
        await self.fold(shelf, self._vault(), pages=_EVENTS, limit=4)
        return shelf


def entries(shelf: Shelf) -> dict[tuple[str, str], Entry]:
    return {(build.topic, key[1]): entry for build in shelf.builds.values() for key, entry in build.entries.items()}


@settings(max_examples=200, deadline=None)
@given(st.lists(STEPS, min_size=5, max_size=40))
def test_I9_live_entries_end_as_a_rebuild_after_the_erasures_makes_them(steps: list[Step]) -> None:
    async def history() -> None:
        hub = Hub()
        await hub.world.do(CreateSpace("room"))
        for step in steps:
            await hub.step(step)
        await hub.fold(hub.live, hub.vault, pages=_EVENTS, limit=3)
        live, rebuilt = entries(hub.live), entries(await hub.rebuilt())
        assert live == rebuilt
        told = b"\n".join(entry.value for entry in live.values() if entry.value is not None).decode()
        assert not [words for words in hub.erased if words in told]

    asyncio.run(history())
