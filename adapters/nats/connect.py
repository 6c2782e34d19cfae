"""The connection to NATS, and the names on it."""

from uuid import UUID

import nats
import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig, StreamState
from nats.js.errors import NotFoundError

from domain.faults import describe

STREAM = "STELE_EVENTS"
POSITION_HEADER = "Stele-Position"
PREVIOUS_HEADER = "Stele-Previous-Position"
"""The position of the same agent's event before this one (0: none), so that a lost message is seen."""
_STREAM_BYTES_MAX = 4 * 1024**3
"""Old events leave JetStream at this size. They stay in the log."""

OPENING_SUBJECT = "stele.open"
"""Where a worker asks a runtime to open an event."""
_ASK_SECONDS_MAX = 2.0

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
        _log.warning("nats_error", error=describe(error))

    return await nats.connect(
        url,
        name=f"stele {name}",
        allow_reconnect=True,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.5,
        connect_timeout=5,
        error_cb=on_error,
    )


def _holding(epoch: str) -> str:
    return f"events of the history {epoch}"


async def last_position(jetstream: JetStreamContext, state: StreamState) -> int:
    """Up to which position a stream has been published; 0: nothing was. Messages about who was erased are deleted, the
    last one as well, so it is counted on from the last that is there.
    """
    if state.messages == 0:
        return 0
    try:
        last = await jetstream.get_last_msg(STREAM, "stele.*.events.>")
    except NotFoundError:
        return 0
    return int((last.headers or {}).get(POSITION_HEADER, "0")) + state.last_seq - (last.seq or 0)


async def published(client: Client, epoch: str) -> int:
    """Up to which position the events of this history are in the stream; 0: none is. Raises an error of nats."""
    jetstream = client.jetstream(timeout=_ASK_SECONDS_MAX)
    try:
        info = await jetstream.stream_info(STREAM)
        return await last_position(jetstream, info.state) if info.config.description == _holding(epoch) else 0
    except NotFoundError:
        return 0


async def ensure_stream(client: Client, epoch: str) -> StreamState:
    """Where the stream of this history's events is. It is made when it is not there (any more), and begun anew when it
    holds another history: a database that was lost or restored must not look as if it were published.
    """
    jetstream = client.jetstream()
    wanted = StreamConfig(
        name=STREAM,
        description=_holding(epoch),
        subjects=["stele.*.events.>"],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.OLD,
        max_bytes=_STREAM_BYTES_MAX,
        duplicate_window=120,
    )
    try:
        info = await jetstream.stream_info(STREAM)
        if info.config.description == wanted.description:
            return info.state
        _log.warning("stream_of_another_history", stream=STREAM, holds=info.config.description)
        await jetstream.delete_stream(STREAM)
    except NotFoundError:
        pass
    return (await jetstream.add_stream(wanted)).state


__all__ = [
    "OPENING_SUBJECT",
    "STREAM",
    "Client",
    "NatsError",
    "command_subject",
    "connect",
    "ensure_stream",
    "event_subject",
    "last_position",
    "published",
]
