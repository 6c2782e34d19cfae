"""The master keys of this hub, and the vault that they open."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from adapters.postgres.connect import pool as connections
from adapters.postgres.keys import PostgresKeyStore
from adapters.vault.master import MasterKeyError, MasterKeys, add_to_file, create_file
from adapters.vault.vault import KeyVault
from workers.settings import NotConfigured, Settings

_REWRAP_PAGE = 500
_ROTATION = 1398031726
"""The advisory lock of whoever rotates: two at once would each leave out the other's new key."""


def master_key_file(settings: Settings) -> Path:
    """Where the master keys are when they are not in the environment."""
    return settings.master_key_file or settings.data / "master.key"


def master_keys(settings: Settings) -> MasterKeys:
    """Raises NotConfigured when they cannot be read."""
    if settings.master_keys is not None:
        text = settings.master_keys.get_secret_value()
        return _usable(lambda: text, "STELE_MASTER_KEYS")
    file = master_key_file(settings)
    return _usable(file.read_text, str(file))


def vault(settings: Settings, pool: AsyncConnectionPool[AsyncConnection[Any]]) -> KeyVault:
    """Raises NotConfigured."""
    return KeyVault(PostgresKeyStore(pool), master_keys(settings))


async def prepare(settings: Settings, pool: AsyncConnectionPool[AsyncConnection[Any]]) -> None:
    """See that there are master keys: a hub without persons' keys gets a file with a new one. Raises NotConfigured when
    there are persons' keys and no master key, or one that does not open them.
    """
    if settings.master_keys is None and not await PostgresKeyStore(pool).any():
        create_file(master_key_file(settings))
    keys = master_keys(settings)
    missing = set(await PostgresKeyStore(pool).count()).difference(keys.ids)
    if missing:
        raise NotConfigured(f"persons' keys are wrapped by the master keys {sorted(missing)}, which are not here")
    for agent_id, key in await PostgresKeyStore(pool).others("", limit=1):
        try:
            keys.unwrap(agent_id, key)
        except MasterKeyError as error:
            raise NotConfigured(str(error)) from error


def _usable(load: Callable[[], str], where: str) -> MasterKeys:
    try:
        return MasterKeys(load)
    except MasterKeyError as error:
        raise NotConfigured(
            f"{where}: {error}; persons' keys cannot be opened without them. Set STELE_MASTER_KEY_FILE or "
            "STELE_MASTER_KEYS, or put the file back"
        ) from error


async def overview(settings: Settings, conninfo: str) -> list[dict[str, Any]]:
    """Every master key that is here or is needed: its id, whether it wraps, opens or is missing, and how much."""
    async with connections(conninfo, "keys", 1) as reading:
        wraps = await PostgresKeyStore(reading).count()
    keys = master_keys(settings)
    states = {id: "wraps" if id == keys.current else "opens" for id in keys.ids}
    states |= {id: "missing" for id in wraps if id not in states}
    return [{"master_key_id": id, "state": state, "wraps": wraps.get(id, 0)} for id, state in states.items()]


async def rotate(settings: Settings, conninfo: str, tell: Callable[[int, int], None]) -> dict[str, Any]:
    """Wrap every person's key by the first master key; in a file, a new one is put first, unless the last rotation was
    not finished. `tell` hears how many of how many are done. Raises NotConfigured.
    """
    async with connections(conninfo, "keys", 2) as reading, reading.connection() as one_at_a_time:
        taken = await (await one_at_a_time.execute("SELECT pg_try_advisory_lock(%s)", [_ROTATION])).fetchone()
        if taken != (True,):
            raise NotConfigured("another rotation is under way")
        store = PostgresKeyStore(reading)
        keys = master_keys(settings)
        if settings.master_keys is None and not await store.others(keys.current, 1):
            add_to_file(master_key_file(settings))
            keys = master_keys(settings)
        total, done = sum((await store.count()).values()), 0
        while page := await store.others(keys.current, _REWRAP_PAGE):
            for agent_id, old in page:
                try:
                    new = keys.wrap(agent_id, old.subject_id, keys.unwrap(agent_id, old))
                except MasterKeyError as error:
                    raise NotConfigured(str(error)) from error
                await store.rewrap(agent_id, old, new)
            done += len(page)
            tell(done, total)
        await one_at_a_time.execute("SELECT pg_advisory_unlock(%s)", [_ROTATION])
    where = "STELE_MASTER_KEYS" if settings.master_keys is not None else str(master_key_file(settings))
    return {"master_key_id": keys.current, "wrapped": done, "where": where}
