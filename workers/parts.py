"""The parts that several processes are put together from."""

import asyncio
import time
from datetime import UTC, datetime
from uuid import UUID, SafeUUID

import structlog
import uuid_utils
from nats.errors import Error as NatsError

from adapters.nats.connect import Client, connect
from domain.faults import describe
from domain.limits import POLL_SECONDS

_log = structlog.get_logger()
_new, _set = object.__new__, object.__setattr__
_CONNECT_SECONDS_MAX = 60.0


class SystemClock:
    """Implements domain.ports.Clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class TimeOrderedIds:
    """Implements domain.ports.Ids: UUIDv7, which an index likes a third better than random ones (docs/adr/0002)."""

    def new(self) -> UUID:
        made = _new(UUID)  # what UUID(int=…) does, without what it checks; two of them are made for every command
        _set(made, "int", uuid_utils.uuid7().int)
        _set(made, "is_safe", SafeUUID.unknown)
        return made


async def nats(url: str, name: str) -> Client:
    """A connection to NATS, waiting for the server to be there. Raises nats.errors.Error after a minute."""
    deadline = time.monotonic() + _CONNECT_SECONDS_MAX
    while True:
        try:
            return await connect(url, name)
        except (NatsError, OSError) as error:
            if time.monotonic() > deadline:
                raise
            _log.warning("nats_not_there_yet", error=describe(error))
            await asyncio.sleep(POLL_SECONDS)
