"""Connections, set up the same way everywhere: UTC, autocommit, a name that shows in pg_stat_activity."""

from typing import Any

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

_OPTIONS: dict[str, Any] = {
    "autocommit": True,
    "options": " ".join(
        f"-c {setting}"
        for setting in (
            "TimeZone=UTC",
            "default_transaction_isolation=read\\ committed",  # stele.append_v1 looks anew once it has the lock
            "statement_timeout=60s",
            "idle_in_transaction_session_timeout=60s",
        )
    ),
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,  # milliseconds; a server that is gone without a word is noticed
}


async def connect(conninfo: str, name: str) -> AsyncConnection[Any]:
    """One connection of its own. Raises psycopg.OperationalError."""
    return await AsyncConnection.connect(conninfo, application_name=f"stele {name}", **_OPTIONS)


def pool(conninfo: str, name: str, size_max: int) -> AsyncConnectionPool[AsyncConnection[Any]]:
    """A pool, not opened yet. A caller that finds no connection within 10 s gets psycopg_pool.PoolTimeout."""
    return AsyncConnectionPool(
        conninfo,
        kwargs={"application_name": f"stele {name}", **_OPTIONS},
        min_size=1,
        max_size=size_max,
        timeout=10.0,
        open=False,
        check=AsyncConnectionPool.check_connection,
    )
