"""A topic whose place the test sets, for tests of who waits for it to move."""

from msgspec.structs import replace

from adapters.memory.entries import Shelf
from adapters.memory.log import MemoryLog
from adapters.memory.topics import MemoryTopics
from projections.ports import Serving
from tests.unit.world import MovableClock

TOPIC = "people"


class Topic(MemoryTopics):
    """Implements projections.ports.Topics."""

    def __init__(self) -> None:
        super().__init__(Shelf(), MemoryLog(MovableClock()))
        self.now: Serving | None = Serving(1, version=1, position=5, floor=0, epoch="1f2e3d4c", log_head=9)

    async def serving(self, topic: str) -> Serving | None:
        return self.now if topic == TOPIC else None

    def move(self, **changed: int) -> None:
        assert self.now is not None
        self.now = replace(self.now, **changed)
