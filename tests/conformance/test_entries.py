"""Both stores of entries keep the promises of their ports."""

from datetime import UTC, datetime

import pytest

from adapters.memory.entries import MemoryEntryStore, Shelf
from adapters.memory.log import MemoryLog
from adapters.memory.topics import MemoryTopics
from projections.ports import Topics
from tests.conformance.entries import EntryStoreContract, Store
from tests.conformance.entries_building import BuildingContract, Kill
from tests.conformance.entries_postgres import PostgresEntries
from tests.conformance.entries_rebuilding import RebuildingContract
from tests.conformance.entries_topics import TopicsContract


class _Clock:
    def now(self) -> datetime:
        return datetime(2025, 6, 1, tzinfo=UTC)


class TestMemoryEntries(EntryStoreContract, BuildingContract, RebuildingContract, TopicsContract):
    @pytest.fixture
    def shelf(self) -> Shelf:
        return Shelf()

    @pytest.fixture
    def store(self, shelf: Shelf) -> Store:
        return MemoryEntryStore(shelf)

    @pytest.fixture
    def second(self, shelf: Shelf) -> MemoryEntryStore:
        return MemoryEntryStore(shelf)

    @pytest.fixture
    def topics(self, shelf: Shelf) -> Topics:
        return MemoryTopics(shelf, MemoryLog(_Clock()))

    @pytest.fixture
    def kill_second(self, second: MemoryEntryStore) -> Kill:
        return second.close


class TestPostgresEntries(PostgresEntries, EntryStoreContract, BuildingContract, RebuildingContract, TopicsContract):
    """See test_entries_postgres.py for what only a database can do."""
