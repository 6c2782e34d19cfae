"""A client that may be cut off within any frame, while the topic moves, is tampered with, rebuilt or released anew, has
at every moment all that its cursor says, and in the end exactly the live entries (I5). It reads what the gateway's
feeds send.
"""

import asyncio
from collections.abc import Callable
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from msgspec.structs import replace

from adapters.memory.entries import MemoryEntryStore, Shelf
from adapters.memory.log import MemoryLog
from adapters.memory.topics import MemoryTopics
from adapters.sync import feed
from adapters.sync.feed import Feed
from adapters.sync.heads import Heads
from adapters.sync.messages import Batch, EntryOut, MustRefetch, ServerMessage, Subscribe, Subscribed
from domain.limits import PROJECTION_VERSION_MAX
from projections import cursor as cursors
from projections.ports import Generation
from projections.projection import AnyProjection
from projections.topics import TOPICS
from tests.folding import advance
from tests.simulation.plain import Plain
from tests.simulation.said import Saying, say, sayings
from tests.simulation.stepping import drive
from tests.unit.letters import TOPIC, letters
from tests.unit.world import AGENT, MovableClock

PAGE_ENTRIES, FRAME_BYTES = 3, 900
"""Small enough that pages and frames end within events, which touch up to three entries."""
EPOCH = "1f2e3d4c"


class CutOff(Exception):
    """The socket is gone."""


class NothingMore(Exception):
    """The feed waits for the topic to move."""


class NoWaiting(Heads):
    async def moved_past(self, topic: str, generation: int, position: int) -> None:
        raise NothingMore


class Client:
    """What a client keeps: entries by key, and the cursor up to which it has them."""

    def __init__(self, space: UUID | None) -> None:
        self.space = space
        self.entries: dict[str, EntryOut] = {}
        self.cursor: str | None = None
        self.entries_left = 0
        """How many more it will get before it is cut off."""
        self.caught_up = False

    def take(self, message: ServerMessage) -> None:
        if not isinstance(message, Batch):
            assert isinstance(message, Subscribed)
            return
        for entry in message.entries:
            if self.entries_left == 0:
                raise CutOff
            self.entries_left -= 1
            self.entries[entry.key] = entry
            self.cursor = entry.cursor
        self.cursor, self.caught_up = message.cursor, message.caught_up

    def forget(self) -> None:
        self.entries, self.cursor = {}, None

    @property
    def live(self) -> dict[str, bytes]:
        return {key: bytes(entry.value) for key, entry in self.entries.items() if entry.value is not None}


class AnyReading(RuleBasedStateMachine):
    """One topic, a projector, and two clients: of the whole topic and of one space."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setitem(TOPICS, TOPIC, letters())
        self.patch.setattr(feed, "SYNC_PAGE_ENTRIES_MAX", PAGE_ENTRIES)
        self.patch.setattr(feed, "SOCKET_QUEUE_BYTES_MAX", FRAME_BYTES)
        self.log = MemoryLog(MovableClock())
        self.shelf = Shelf()
        self.store = MemoryEntryStore(self.shelf)
        self.topics = MemoryTopics(self.shelf, self.log, EPOCH)
        self.plain = Plain()
        self.release: AnyProjection = letters(1)
        self.clients = [Client(None), Client(UUID(int=1))]
        self.tampered: set[int] = set()
        """What cursors carry that were given while entries were not what the log says."""

    @initialize()
    def the_topic_is_seen(self) -> None:
        drive(self.store.open(TOPIC, 1))

    # --- what happens to the topic ---------------------------------------------------------------

    @rule(said=st.lists(sayings("--"), min_size=1, max_size=6))
    def append(self, said: list[Saying]) -> None:
        for saying in said:
            drive(say(self.log, saying))

    @rule(limit=st.integers(1, 6))
    def the_projector_goes_on(self, limit: int = 3) -> None:
        self.fold(self.release, drive(self.store.open(TOPIC, self.release.version)), limit)

    @rule()
    def it_is_rebuilt(self) -> None:
        before, live = self.served(), self.shelf.live(TOPIC)
        entries = dict(live.entries) if live is not None else {}
        position = live.position if live is not None else 0
        self.take_over(self.release)
        after = self.shelf.live(TOPIC)
        assert after is not None
        known = {key: entry for key, entry in after.entries.items() if entry.position <= position}
        same = known == {key: entry for key, entry in entries.items() if after.entries[key].position <= position}
        assert (self.served() == before) == same, "cursors stay good exactly when nothing was corrected"

    @rule()
    def a_new_version_is_released(self) -> None:
        self.release = letters(self.release.version + 1)
        self.take_over(self.release)

    @rule(which=st.integers(0, 20), gone=st.booleans())
    def an_entry_is_tampered_with(self, which: int, gone: bool) -> None:
        """As whoever owns the database can."""
        live = self.shelf.live(TOPIC)
        if live is None or not live.entries:
            return
        key = sorted(live.entries)[which % len(live.entries)]
        entry = live.entries[key]
        value = None if gone else b'{"newest":"tampered","space_id":"%s","times":1}' % str(entry.space_id).encode()
        live.entries[key] = replace(entry, value=value)
        self.tampered.add(self.served())

    def fold(self, projection: AnyProjection, generation: Generation, limit: int = 10_000) -> Generation:
        return drive(advance(self.log, self.store, projection, generation, limit=limit))

    def served(self) -> int:
        serving = drive(self.topics.serving(TOPIC))
        assert serving is not None
        return serving.version

    def take_over(self, projection: AnyProjection) -> None:
        built = drive(self.store.create_aside(TOPIC, projection.version))
        built = self.fold(projection, built)
        live = drive(self.store.live(TOPIC))
        same = live is not None and live.version == built.version and not drive(self.store.differences(live, built))
        replaced = drive(self.store.take_over(built, same_as=live.id if same and live is not None else None))
        assert replaced is not None
        for old in replaced:
            drive(self.store.drop(old))

    # --- what happens to a client ----------------------------------------------------------------

    @rule(
        who=st.integers(0, 1),
        entries=st.integers(0, 9),
        meanwhile=st.lists(st.sampled_from(["say", "project", "tamper", "rebuild", "release"]), max_size=4),
    )
    def a_client_reads_until_it_is_cut_off(self, who: int, entries: int, meanwhile: list[str]) -> None:
        self.clients[who].entries_left = entries
        happenings: dict[str, Callable[[], None]] = {
            "say": lambda: self.append([Saying(AGENT, UUID(int=1), "-ab"), Saying(AGENT, UUID(int=1), "abc")]),
            "project": self.the_projector_goes_on,
            "tamper": lambda: self.an_entry_is_tampered_with(0, gone=False),
            "rebuild": self.it_is_rebuilt,
            "release": self.a_new_version_is_released,
        }
        self.read(self.clients[who], [happenings[name] for name in meanwhile])

    def read(self, client: Client, meanwhile: list[Callable[[], None]]) -> None:
        async def send(message: ServerMessage) -> None:
            client.take(message)
            if meanwhile:
                meanwhile.pop(0)()

        space = str(client.space) if client.space is not None else None
        subscribe = Subscribe(1, TOPIC, space, client.cursor)
        reading = Feed(subscribe, AGENT, client.space, self.topics, NoWaiting(self.topics), asyncio.Lock(), send)
        try:
            ended = drive(reading.run())
        except (CutOff, NothingMore):
            pass
        else:
            assert isinstance(ended, MustRefetch)
            assert ended.reason == "projection_version"
            client.forget()
        self.has_what_its_cursor_says(client)

    def has_what_its_cursor_says(self, client: Client) -> None:
        """Every entry that did not change after the cursor is there as it was."""
        if client.cursor is None:
            assert not client.entries or client.entries_left == 0
            return
        cursor = cursors.parse(client.cursor)
        if cursor.version in self.tampered:
            return
        events = drive(self.log.read(0, 10_000))
        state = self.plain.state(events, cursor.version % (PROJECTION_VERSION_MAX + 1), len(events))
        for (agent, key), entry in state.items():
            if agent == AGENT and client.space in (None, entry.space_id) and entry.position <= cursor.position:
                mine = client.live.get(key)
                assert mine == entry.value

    def teardown(self) -> None:
        try:
            self.everything_is_projected_and_read()
        finally:
            self.patch.undo()

    def everything_is_projected_and_read(self) -> None:
        self.it_is_rebuilt()
        head = drive(self.log.head())
        while (generation := drive(self.store.open(TOPIC, self.release.version))).position < head:
            self.fold(self.release, generation)
        for client in self.clients:
            client.entries_left = 10_000
            for _ in range(2):  # the first time it may have to refetch
                client.caught_up = False
                self.read(client, [])
            assert client.caught_up
            assert client.cursor == f"{EPOCH}.{self.served()}.{head}"
            assert client.live == {
                key: entry.value
                for (agent, key), entry in self.shelf.builds[generation.id].entries.items()
                if agent == AGENT and client.space in (None, entry.space_id) and entry.value is not None
            }


TestAnyReading = AnyReading.TestCase
TestAnyReading.settings = settings(max_examples=200, stateful_step_count=30, deadline=None, print_blob=True)
