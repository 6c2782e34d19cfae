"""TRANSCODER_TOPIC=adapters.eventsourcing.transcoder:SteleTranscoder: from the view's column `state` to an event."""

from typing import Any

import msgspec
from eventsourcing.persistence import NotSupportedError, Transcoder
from msgspec import Raw, Struct

import adapters.eventsourcing.events  # noqa: F401  registers the topics
from domain import personal
from domain.events import Recorded


class State(Struct):
    """What the envelope in `state` holds besides the fields of Recorded that are plain JSON."""

    data: Raw
    """The event's bytes, exactly as they are stored."""
    opened: dict[str, str] | None = None
    """Personal fields in plain text under their present names, when a cipher came before."""


_decoder = msgspec.json.Decoder(State)


class SteleTranscoder(Transcoder):
    """Makes the attributes of adapters.eventsourcing.events.Happened."""

    def decode(self, data: bytes) -> dict[str, Recorded]:
        """Raises ValueError for a state that the view did not make."""
        state = _decoder.decode(data)
        recorded = msgspec.convert(msgspec.json.decode(data) | {"data": bytes(state.data)}, Recorded)
        if state.opened is not None:
            recorded.open_as(personal.opened(recorded.payload, state.opened))
        return {"recorded": recorded}

    def encode(self, obj: Any) -> bytes:
        """Always raises NotSupportedError: the library calls it where an application appends (invariant I2)."""
        raise NotSupportedError("only Stele's runtime appends to its log (invariant I2); this application reads it")
