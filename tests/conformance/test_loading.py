"""Both logs load alike, and both key stores keep what the log's transactions say."""

from collections.abc import AsyncIterator

import pytest

from adapters.memory.keys import MemoryKeyStore
from adapters.memory.log import MemoryLog
from adapters.postgres.appender import Appender
from adapters.postgres.connect import pool
from adapters.postgres.keys import PostgresKeyStore
from adapters.postgres.log import PostgresLog
from adapters.postgres.migrate import migrate
from domain.ports import KeyStore, Log
from tests.conformance.log_loading import KeyStoreContract, LoadingContract
from workers.parts import SystemClock


class TestMemory(LoadingContract, KeyStoreContract):
    @pytest.fixture
    def log(self) -> Log:
        return MemoryLog(SystemClock())

    @pytest.fixture
    def keys(self, log: MemoryLog) -> KeyStore:
        return MemoryKeyStore(log)


class TestPostgres(LoadingContract, KeyStoreContract):
    @pytest.fixture
    async def both(self, database: str) -> AsyncIterator[tuple[PostgresLog, PostgresKeyStore]]:
        await migrate(database)
        async with Appender(database) as appender, pool(database, "test", 4) as reading:
            yield PostgresLog(reading, appender), PostgresKeyStore(reading)

    @pytest.fixture
    def log(self, both: tuple[PostgresLog, PostgresKeyStore]) -> Log:
        return both[0]

    @pytest.fixture
    def keys(self, both: tuple[PostgresLog, PostgresKeyStore]) -> KeyStore:
        return both[1]
