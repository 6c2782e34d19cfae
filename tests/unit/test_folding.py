"""A page is folded up to the first event that cannot be, whatever it is that cannot be; the rest of it counts."""

import random
from collections.abc import Iterable
from uuid import UUID

import pytest
from msgspec.structs import replace

from adapters.memory.entries import MemoryEntryStore, Shelf
from domain.events import Recorded
from domain.limits import ENTRY_KEY_CHARS_MAX
from domain.people import PersonRegistered
from projections.engine import ProjectionStopped, Run
from projections.folding import Name
from projections.ports import Generation
from projections.projection import Projection, Value
from projections.seen import Seen
from tests.unit.world import AGENT, World


class Said(Value, frozen=True):
    text: str


def _key(event: Recorded) -> Iterable[str]:
    assert isinstance(event.payload, PersonRegistered)
    return [event.payload.label]


def _fold(entry: Said | None, event: Recorded) -> Said | None:
    """A label that ends in "!" is half of a surrogate pair, which is no JSON."""
    assert isinstance(event.payload, PersonRegistered)
    label = event.payload.label
    return Said((entry.text if entry is not None else "") + ("\ud83d" if label.endswith("!") else label))


ECHO = Projection(topic="echo", version=1, reads=[PersonRegistered], value=Said, key=_key, fold=_fold)


class Setting:
    def __init__(self) -> None:
        self.world = World()
        self.shelf = Shelf()
        self.store = MemoryEntryStore(self.shelf)

    async def say(self, *labels: str) -> None:
        person = UUID(int=1)
        await self.world.happen(self.world.ids.new(), *(PersonRegistered(person, label) for label in labels))

    async def run(self) -> Run:
        return Run(self.world.log, self.store, ECHO, await self.store.open("echo", 1))

    def keys(self) -> list[str]:
        [build] = self.shelf.builds.values()
        return [key for _, key in build.entries]


@pytest.fixture
def setting() -> Setting:
    return Setting()


@pytest.mark.parametrize(
    "poison",
    ["", "x" * (ENTRY_KEY_CHARS_MAX + 1), "nul\0", "a!"],
    ids=["no key", "a key that is too long", "a key with a NUL", "a value that is no JSON"],
)
async def test_what_cannot_be_stored_stops_the_projection_at_its_event(setting: Setting, poison: str) -> None:
    await setting.say("a", "b", poison, "c")
    with pytest.raises(ProjectionStopped) as stopped:
        await (await setting.run()).advance()
    assert stopped.value.position == 3
    assert setting.keys() == ["a", "b"]
    assert (await setting.store.open("echo", 1)).position == 2


async def test_the_longest_key_and_any_script_can_be_stored(setting: Setting) -> None:
    await setting.say("x" * ENTRY_KEY_CHARS_MAX, "ключ", "🌷")
    assert (await (await setting.run()).advance()).position == 3


@pytest.mark.parametrize("written", [b"{", b'{"txt":"x"}', b"\xff"])
async def test_an_entry_that_cannot_be_read_stops_the_projection_where_it_would_change(
    setting: Setting, written: bytes
) -> None:
    await setting.say("a", "b")
    await (await setting.run()).advance()
    [build] = setting.shelf.builds.values()
    build.entries[AGENT, "a"] = replace(build.entries[AGENT, "a"], value=written)
    await setting.say("b", "a", "b")
    with pytest.raises(ProjectionStopped) as stopped:
        await (await setting.run()).advance()
    assert stopped.value.position == 4
    assert build.position == 3


async def test_a_run_folds_on_what_it_has_not_written_yet(setting: Setting) -> None:
    await setting.say(*"ab" * 20)
    run = await setting.run()
    while not run.at_end:
        await run.advance(limit=3)
    assert run.generation.position == 40
    [build] = setting.shelf.builds.values()
    assert [entry.value for entry in build.entries.values()] == [
        b'{"text":"%s"}' % (letter * 20) for letter in (b"a", b"b")
    ]


async def test_a_run_that_is_closed_has_lost_no_event(setting: Setting) -> None:
    await setting.say(*"abcdef")
    run = await setting.run()
    await run.advance(limit=2)
    await run.advance(limit=2)
    assert run.generation.position < 4, "the second page is not written yet"
    run.close()
    again = await setting.run()
    assert again.generation.position == run.generation.position
    while not again.at_end:
        await again.advance(limit=2)
    assert setting.keys() == list("abcdef")


@pytest.mark.parametrize(("limit", "up_to", "reached"), [(2, 3, 3), (2, 4, 4), (9, 1, 1)])
async def test_a_run_ends_where_it_is_told(setting: Setting, limit: int, up_to: int, reached: int) -> None:
    await setting.say(*"abcdef")
    run = await setting.run()
    generation: Generation | None = None
    while not run.at_end:
        generation = await run.advance(limit=limit, up_to=up_to)
    assert generation is not None
    assert generation.position == reached
    assert (await run.advance()).position == 6, "and goes on when it is asked to"


def test_whoever_was_seen_is_never_taken_for_new() -> None:
    chance = random.Random(20_261_121)
    names: list[Name] = [(chance.getrandbits(128), f"{n}") for n in range(20_000)]
    seen = Seen()
    assert len(seen.add(names[:10_000])) < 10
    assert seen.add(names[:10_000]) == names[:10_000]
    assert len(seen.add(names[10_000:])) < 10, "and few new ones for old"
