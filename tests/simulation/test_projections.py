"""Whatever is appended, killed, taken over, poisoned, fixed, released, rebuilt or lost, in any order (I4): at every
moment each generation is the plain fold of the log up to its checkpoint, and in the end the newest is live at the head.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from adapters.memory.entries import Shelf
from adapters.memory.topics import MemoryTopics
from projections.engine import Engine, ProjectionStopped
from projections.ports import CheckpointMoved
from projections.projection import AnyProjection
from tests.simulation.plain import Plain
from tests.simulation.said import Saying, say, sayings
from tests.simulation.stepping import Process, SteppedLog, SteppedStore, drive, follow, rebuild
from tests.unit.letters import TOPIC, letters
from tests.unit.world import MovableClock

PROJECTORS = ("one", "two")
NEWEST = 3
_STEPS_MAX = 5_000
"""A projector that is left alone comes to the head of so short a log in far fewer."""


class AnyHistory(RuleBasedStateMachine):
    """Two projectors, each of its own release, and at times a builder; nothing keeps them from each other."""

    def __init__(self) -> None:
        super().__init__()
        self.log = SteppedLog(MovableClock())
        self.shelf = Shelf()
        self.plain = Plain()
        self.releases: dict[str, AnyProjection] = {name: letters(1, fixed=False) for name in (*PROJECTORS, "builder")}
        self.processes: dict[str, Process] = {}
        self.served = 0

    def run_process(self, name: str, steps: int, limit: int) -> None:
        if name not in self.processes:
            work = rebuild if name == "builder" else follow
            self.processes[name] = Process(self.log, self.shelf, self.releases[name], work)
        process = self.processes[name]
        process.limit = limit
        try:
            alive = all(process.step() for _ in range(steps))
        except (CheckpointMoved, ProjectionStopped):
            alive = False
        except ValueError as error:
            if "this release has" not in str(error):
                raise
            alive = False  # the live one is of a newer release
        if not alive:
            self.kill_process(name)

    def kill_process(self, name: str) -> None:
        if name in self.processes:
            self.processes.pop(name).kill()

    @rule(said=st.lists(sayings("-!?"), min_size=1, max_size=4))
    def append(self, said: list[Saying]) -> None:
        for saying in said:
            drive(say(self.log, saying))

    @rule(name=st.sampled_from(PROJECTORS), steps=st.integers(1, 12), limit=st.integers(1, 5))
    def a_projector_goes_on(self, name: str, steps: int, limit: int) -> None:
        self.run_process(name, steps, limit)

    @rule(steps=st.integers(1, 30), limit=st.integers(1, 9))
    def the_builder_goes_on(self, steps: int, limit: int) -> None:
        self.run_process("builder", steps, limit)

    @rule(name=st.sampled_from([*PROJECTORS, "builder"]))
    def a_process_is_killed(self, name: str) -> None:
        self.kill_process(name)

    @rule(name=st.sampled_from([*PROJECTORS, "builder"]), version=st.integers(1, NEWEST), fixed=st.booleans())
    def a_release_is_deployed(self, name: str, version: int, fixed: bool) -> None:
        self.kill_process(name)
        self.releases[name] = letters(version, fixed=fixed)

    @rule()
    def the_entries_are_lost(self) -> None:
        for build in self.shelf.builds.values():
            build.position = 0
            build.entries.clear()
        self.served = 0

    @invariant()
    def I4_every_generation_is_the_plain_fold_up_to_its_checkpoint(self) -> None:
        events = drive(self.log.read(0, 10_000))
        for build in self.shelf.builds.values():
            assert build.entries == self.plain.state(events, build.version, build.position)

    @invariant()
    def one_generation_at_most_is_live(self) -> None:
        assert sum(build.live for build in self.shelf.builds.values()) <= 1

    @invariant()
    def I5_what_is_served_never_goes_back(self) -> None:
        live = self.shelf.live(TOPIC)
        before, self.served = self.served, live.position if live is not None else 0
        assert self.served >= before

    def teardown(self) -> None:
        """In the end one projector of the newest release is left, in which every fold is fixed."""
        for name in (*PROJECTORS, "builder"):
            self.kill_process(name)
        head = drive(self.log.head())
        self.releases["one"] = letters(NEWEST)
        for _ in range(_STEPS_MAX):
            live = self.shelf.live(TOPIC)
            if live is not None and (live.version, live.position) == (NEWEST, head):
                break
            self.run_process("one", 1, 5)
        assert live is not None
        assert (live.version, live.position) == (NEWEST, head)
        self.I4_every_generation_is_the_plain_fold_up_to_its_checkpoint()
        topics = MemoryTopics(self.shelf, self.log)
        assert drive(topics.digest(live.id)) == drive(topics.digest(self.rebuilt_at_once(head)))
        self.kill_process("one")

    def rebuilt_at_once(self, head: int) -> int:
        store, projection = SteppedStore(self.shelf), letters(NEWEST)
        generation = drive(store.create_aside(TOPIC, NEWEST))
        generation = drive(Engine(self.log, store).advance(projection, generation))
        assert generation.position == head
        return generation.id


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(max_examples=250, stateful_step_count=40, deadline=None, print_blob=True)
