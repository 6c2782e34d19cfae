"""The messages of `stele.sync.v1` as JSON (proto/stele/sync/v1/sync.proto): one object a frame, named by `type`."""

from uuid import UUID

import msgspec
from msgspec import Raw, Struct

PROTOCOL = "stele.sync.v1"


class _Message(Struct, frozen=True, tag_field="type", omit_defaults=True):
    """Base of every message."""


# --- from the client --------------------------------------------------------------------------


class Hello(_Message, frozen=True, tag="hello"):
    protocol: str
    token: str
    client: str = ""


class Subscribe(_Message, frozen=True, tag="subscribe"):
    """`id` is the client's own; `after` is its cursor, absent for everything."""

    id: int
    topic: str
    space: str | None = None
    after: str | None = None


class Unsubscribe(_Message, frozen=True, tag="unsubscribe"):
    id: int


class Heartbeat(_Message, frozen=True, tag="heartbeat"):
    """The client is there. Sent in answer to each of the server's."""


ClientMessage = Hello | Subscribe | Unsubscribe | Heartbeat


# --- from the server --------------------------------------------------------------------------


class Welcome(_Message, frozen=True, tag="welcome"):
    protocol: str
    agent_id: UUID
    epoch: str
    heartbeat_seconds: float


class Subscribed(_Message, frozen=True, tag="subscribed"):
    """`head`: where catch-up goes to, the head of the log at this moment."""

    id: int
    topic: str
    head: str


class EntryOut(Struct, frozen=True, omit_defaults=True):
    """`cursor`: where a client that has got this far may resume. A deleted entry has no value."""

    key: str
    position: int
    cursor: str
    value: Raw | None = None
    deleted: bool = False


class Batch(_Message, frozen=True, tag="batch"):
    """Having applied it, the client has everything up to `cursor`. `caught_up`: it has passed the head that the log had
    when it subscribed, and there was no more just now.
    """

    id: int
    topic: str
    entries: tuple[EntryOut, ...]
    cursor: str
    head: str
    caught_up: bool


class Unsubscribed(_Message, frozen=True, tag="unsubscribed"):
    id: int


class Head(Struct, frozen=True):
    """A subscription's place and its topic's head, both cursors."""

    id: int
    cursor: str
    head: str


class ServerHeartbeat(_Message, frozen=True, tag="heartbeat"):
    """Idle cursors move forward with it."""

    heads: tuple[Head, ...]


class MustRefetch(_Message, frozen=True, tag="must_refetch"):
    """The subscription has ended: drop what you have of it and subscribe without a cursor.
    `reason`: stale, ahead, epoch, projection_version or scope_lost.
    """

    id: int
    topic: str
    reason: str
    detail: str


class Error(_Message, frozen=True, tag="error"):
    """A message was refused; the connection goes on, unless a close follows."""

    code: str
    detail: str
    id: int | None = None


ServerMessage = Welcome | Subscribed | Batch | Unsubscribed | ServerHeartbeat | MustRefetch | Error

_decoder: msgspec.json.Decoder[ClientMessage] = msgspec.json.Decoder(ClientMessage)
_encoder = msgspec.json.Encoder()


def decode(frame: str | bytes) -> ClientMessage:
    """Raises msgspec.DecodeError for anything that is not a client's message."""
    try:
        return _decoder.decode(frame)
    except RecursionError as error:
        raise msgspec.DecodeError("nested too deeply") from error


def encode(message: ServerMessage) -> bytes:
    return _encoder.encode(message)
