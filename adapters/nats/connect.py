"""The connection to NATS, and the names on it."""

from uuid import UUID

import nats
import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import NotFoundError

STREAM = "STELE_EVENTS"
POSITION_HEADER = "Stele-Position"
PREVIOUS_HEADER = "Stele-Previous-Position"
"""The position of the same agent's event before this one (0: none), so that a lost message is seen."""
_STREAM_BYTES_MAX = 4 * 1024**3
"""Old events leave JetStream at this size. They stay in the log."""

_log = structlog.get_logger()


def event_subject(agent_id: UUID, type_: str) -> str:
    """`stele.<agent>.events.<context>.<Name>` for a type `stele.<context>.v1.<Name>`."""
    _, context, _, name = type_.split(".")
    return f"stele.{agent_id.hex}.events.{context}.{name}"


def command_subject(worker: str) -> str:
    return f"stele.commands.{worker}"


async def connect(url: str, name: str) -> Client:
    """A connection that reconnects for ever. Raises nats.errors.Error when the first attempt fails."""

    async def on_error(error: Exception) -> None:
        _log.warning("nats_error", error=str(error) or type(error).__name__)

    return await nats.connect(
        url,
        name=f"stele {name}",
        allow_reconnect=True,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.5,
        connect_timeout=5,
        error_cb=on_error,
    )


async def ensure_stream(client: Client) -> None:
    """Create the stream of events, if it is not there (any more)."""
    jetstream = client.jetstream()
    try:
        await jetstream.stream_info(STREAM)
    except NotFoundError:
        await jetstream.add_stream(
            StreamConfig(
                name=STREAM,
                subjects=["stele.*.events.>"],
                retention=RetentionPolicy.LIMITS,
                storage=StorageType.FILE,
                discard=DiscardPolicy.OLD,
                max_bytes=_STREAM_BYTES_MAX,
                duplicate_window=120,
            )
        )


__all__ = ["STREAM", "Client", "NatsError", "command_subject", "connect", "ensure_stream", "event_subject"]
