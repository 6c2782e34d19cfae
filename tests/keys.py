"""A vault for tests: real ciphers, a master key that everybody knows."""

from typing import Any

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from adapters.memory.keys import MemoryKeyStore
from adapters.memory.log import MemoryLog
from adapters.postgres.keys import PostgresKeyStore
from adapters.vault.master import MasterKeys
from adapters.vault.vault import KeyVault

MASTER = "tests:" + "A" * 43


def vault(pool: AsyncConnectionPool[AsyncConnection[Any]]) -> KeyVault:
    return KeyVault(PostgresKeyStore(pool), MasterKeys(lambda: MASTER))


def memory_vault(log: MemoryLog) -> KeyVault:
    return KeyVault(MemoryKeyStore(log), MasterKeys(lambda: MASTER))
