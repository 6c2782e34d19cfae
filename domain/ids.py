"""Ids that follow from what they name, so that the same thing said twice is the same stream (RFC 9562, UUIDv5).

They make uniqueness a matter of the stream's version instead of a look-up beside the log.
"""

import unicodedata
from uuid import UUID, uuid5


def space_id(agent_id: UUID, name: str) -> UUID:
    """A space is known to its agent by its name."""
    return uuid5(agent_id, f"space:{name}")


def space_reference(agent_id: UUID, reference: str) -> UUID:
    """The id of a space that somebody names by its id or by its name."""
    try:
        return UUID(reference)
    except ValueError:
        return space_id(agent_id, reference)


def chunk_id(space: UUID, source_id: str) -> UUID:
    """A chunk that its sender named is recorded once in its space."""
    return uuid5(space, f"chunk:{source_id}")


def action_id(cause: UUID, index: int) -> UUID:
    """The n-th action that a plan about one event proposes: planning it twice proposes it once."""
    return uuid5(cause, f"action:{index}")


def normal_label(label: str) -> str:
    """One spelling for one label: Unicode NFC, runs of white space folded, none at the ends."""
    return " ".join(unicodedata.normalize("NFC", label).split())
