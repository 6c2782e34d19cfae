"""Whatever is appended, killed, taken over, poisoned, fixed, released, rebuilt or lost, in any order (I4): at every
moment each generation is the plain fold of the log up to its checkpoint, and in the end the newest is live at the head.
"""

import asyncio

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from psycopg.conninfo import conninfo_to_dict

from adapters.postgres.migrate import migrate
from projections.engine import ProjectionStopped
from projections.ports import BuildRunning, CheckpointMoved, LiveIsNewer
from projections.projection import AnyProjection
from tests.simulation.plain import Plain
from tests.simulation.said import Saying, sayings
from tests.simulation.stepping import follow, rebuild
from tests.simulation.worlds import Built, Databases, MemoryWorld, PostgresWorld, Process, World
from tests.unit.letters import letters

PROJECTORS, BUILDERS = ("one", "two"), ("builder", "other builder")
EVERYBODY = (*PROJECTORS, *BUILDERS)
NEWEST = 3
_STEPS_TO_A_CALL_MAX = 60
_STEPS_MAX = 5_000
"""A projector that is left alone comes to the head of so short a log in far fewer."""


class AnyHistory(RuleBasedStateMachine):
    """Two projectors and at times two builders, each of its own release; nothing keeps them from each other."""

    def __init__(self) -> None:
        super().__init__()
        self.world = self.make_world()
        self.plain = Plain()
        self.releases: dict[str, AnyProjection] = {name: letters(1) for name in EVERYBODY}
        self.processes: dict[str, Process] = {}
        self.served = 0

    def make_world(self) -> World:
        return MemoryWorld()

    def run_process(self, name: str, steps: int, limit: int, until: str | None = None) -> None:
        """So many steps, or fewer, when it comes to a call to its store that has this name."""
        if name not in self.processes:
            work = rebuild if name in BUILDERS else follow
            self.processes[name] = self.world.process(self.releases[name], work)
        process = self.processes[name]
        process.limit = limit
        try:
            alive = process.step()
            while alive and steps > 1 and (until is None or process.before != until):
                steps, alive = steps - 1, process.step()
        except (CheckpointMoved, ProjectionStopped, LiveIsNewer, BuildRunning):
            alive = False
        if not alive:
            self.kill_process(name)

    def kill_process(self, name: str) -> None:
        if name in self.processes:
            self.processes.pop(name).kill()

    def live(self) -> Built | None:
        return next((build for build in self.world.builds() if build.live), None)

    @rule(said=st.lists(sayings("-!?"), min_size=1, max_size=4))
    def append(self, said: list[Saying]) -> None:
        for saying in said:
            self.world.say(saying)

    @rule(name=st.sampled_from(PROJECTORS), steps=st.integers(1, 12), limit=st.integers(1, 5))
    def a_projector_goes_on(self, name: str, steps: int, limit: int) -> None:
        self.run_process(name, steps, limit)

    @rule(name=st.sampled_from(BUILDERS), steps=st.integers(1, 40), limit=st.integers(1, 9))
    def a_builder_goes_on(self, name: str, steps: int, limit: int) -> None:
        self.run_process(name, steps, limit)

    @rule(
        name=st.sampled_from(EVERYBODY),
        call=st.sampled_from(["save", "take_over", "stop", "differences"]),
        said=st.lists(sayings("-"), max_size=3),
        other=st.sampled_from(PROJECTORS),
        steps=st.integers(0, 12),
    )
    def something_comes_in_between(self, name: str, call: str, said: list[Saying], other: str, steps: int) -> None:
        """Just before a call that one is about to make."""
        self.run_process(name, _STEPS_TO_A_CALL_MAX, 5, until=call)
        self.append(said)
        if other != name and steps > 0:
            self.run_process(other, steps, 5)
        self.run_process(name, 2, 5)

    @rule(name=st.sampled_from(EVERYBODY))
    def a_process_is_killed(self, name: str) -> None:
        self.kill_process(name)

    @rule(name=st.sampled_from(EVERYBODY), version=st.integers(1, NEWEST), fixed=st.sampled_from([True, True, False]))
    def a_release_is_deployed(self, name: str, version: int, fixed: bool) -> None:
        self.kill_process(name)
        self.releases[name] = letters(version, fixed=fixed)

    @rule()
    def the_entries_are_lost(self) -> None:
        self.world.lose_entries()
        self.served = 0

    @invariant()
    def I4_every_generation_is_the_plain_fold_up_to_its_checkpoint(self) -> None:
        events = self.world.events()
        for build in self.world.builds():
            assert build.entries == self.plain.state(events, build.version, build.position or 0)

    @invariant()
    def one_generation_at_most_is_live(self) -> None:
        assert sum(build.live for build in self.world.builds()) <= 1

    @invariant()
    def I5_what_is_served_never_goes_back(self) -> None:
        live = self.live()
        before, self.served = self.served, (live.position or 0) if live is not None else 0
        assert self.served >= before

    def teardown(self) -> None:
        try:
            self.everything_is_projected()
        finally:
            for name in EVERYBODY:
                self.kill_process(name)
            self.world.close()

    def everything_is_projected(self) -> None:
        """In the end one projector of the newest release is left, in which every fold is fixed."""
        for name in EVERYBODY:
            self.kill_process(name)
        head = len(self.world.events())
        self.releases["one"] = letters(NEWEST)
        for _ in range(_STEPS_MAX):
            live = self.live()
            if live is not None and (live.version, live.position) == (NEWEST, head):
                break
            self.run_process("one", 1, 5)
        assert live is not None
        assert (live.version, live.position) == (NEWEST, head)
        self.I4_every_generation_is_the_plain_fold_up_to_its_checkpoint()
        self.rebuilt_it_is_the_same(live)

    def rebuilt_it_is_the_same(self, before: Built) -> None:
        """And the builders of what was broken off have left nothing that stands in the way."""
        self.releases["builder"] = letters(NEWEST)
        self.kill_process("one")
        for _ in range(_STEPS_MAX):
            self.run_process("builder", 1, 5)
            if "builder" not in self.processes:
                break
        after = self.live()
        assert after is not None
        assert after.id != before.id
        assert (after.position, after.entries) == (before.position, before.entries)


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(max_examples=250, stateful_step_count=40, deadline=None, print_blob=True)


def test_any_history_in_postgres(postgres_server: str, database: str) -> None:
    asyncio.run(migrate(database))
    databases = Databases(postgres_server)

    class AnyHistoryInPostgres(AnyHistory):
        def make_world(self) -> World:
            return PostgresWorld(databases.new())

    few = settings(
        max_examples=25,
        stateful_step_count=30,
        deadline=None,
        print_blob=True,
        phases=[Phase.reuse, Phase.generate],  # what fails here is made smaller in memory
    )
    with databases.template(str(conninfo_to_dict(database)["dbname"])):
        run_state_machine_as_test(AnyHistoryInPostgres, settings=few)
