"""A session of whoever runs the database: the harness is no part of Stele and has none of its roles."""

from typing import Any

from psycopg import AsyncConnection


async def connect(conninfo: str) -> AsyncConnection[Any]:
    """Raises psycopg.OperationalError."""
    return await AsyncConnection.connect(conninfo, autocommit=True, connect_timeout=5, application_name="soak")
