"""Connections, set up the same way everywhere: UTC, autocommit, a name that shows in pg_stat_activity, and a role.

The login is a member of the roles of migrations/0008_pre_roles.sql; a connection has the rights of one of them, not the
login's (docs/adr/0015).
"""

from typing import Any, Literal

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from adapters.postgres.tenant import Tenants

Role = Literal["stele_writer", "stele_projector", "stele_reader"]
_SETTINGS = (
    "TimeZone=UTC",
    "default_transaction_isolation=read\\ committed",  # stele.append_v3 looks anew once it has the lock
    "statement_timeout=60s",
    "idle_in_transaction_session_timeout=60s",
)
_OPTIONS: dict[str, Any] = {
    "autocommit": True,
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,  # milliseconds; a server that is gone without a word is noticed
}


async def connect(
    conninfo: str, name: str, role: Role | None = "stele_writer", *, one_plan: bool = False
) -> AsyncConnection[Any]:
    """One connection of its own; `stele_projector` for entries and their tables, None for an administrator, with the
    rights of the login. `one_plan`: a statement is planned once, whatever its arguments. Raises
    psycopg.OperationalError.
    """
    return await AsyncConnection.connect(conninfo, **_options(name, role, *(_ONE_PLAN if one_plan else ())))


class Pool(AsyncConnectionPool[AsyncConnection[Any]]):
    """The hub's own connections, at most `size_max`; `tenants` has as many, opened when asked for, for tenants' reads.

    Not opened yet. A caller that finds no connection within 10 s gets psycopg_pool.PoolTimeout.
    """

    def __init__(self, conninfo: str, name: str, size_max: int) -> None:
        options = _options(name, "stele_writer", *_ONE_PLAN)
        super().__init__(conninfo, kwargs=options, min_size=1, max_size=size_max, **_POOL)
        readers = _options(f"{name} tenant", "stele_reader")
        self.tenants = Tenants(AsyncConnectionPool(conninfo, kwargs=readers, min_size=0, max_size=size_max, **_POOL))

    async def open(self, wait: bool = False, timeout: float = 30.0) -> None:  # noqa: ASYNC109  as the library has it
        await super().open(wait, timeout)
        await self.tenants.readers.open()

    async def close(self, timeout: float = 5.0) -> None:  # noqa: ASYNC109  as the library has it
        await self.tenants.readers.close(timeout)
        await super().close(timeout)


def pool(conninfo: str, name: str, size_max: int) -> Pool:
    """The hub's connections and, beside them, those for tenants' reads."""
    return Pool(conninfo, name, size_max)


_POOL: dict[str, Any] = {"timeout": 10.0, "open": False, "check": AsyncConnectionPool.check_connection}


_ONE_PLAN = (
    "plan_cache_mode=force_generic_plan",
    "enable_seqscan=off",
    "enable_hashjoin=off",
    "enable_mergejoin=off",
    "max_parallel_workers_per_gather=0",
)
"""A query about an array of streams is otherwise planned anew each time, because a plan for an array whose length is
known looks cheaper: half a millisecond for what takes a tenth of one. A plan that is kept must not go through whole
tables because they were small when it was made, nor use several processes for a page.
"""


def _options(name: str, role: Role | None, *more: str) -> dict[str, Any]:
    settings = (*_SETTINGS, *more) if role is None else (*_SETTINGS, *more, f"role={role}")
    options = " ".join(f"-c {setting}" for setting in settings)
    return {"application_name": f"stele {name}", "options": options, **_OPTIONS}
