"""The cursor `<epoch>.<projection version>.<position>`: "I have all of this topic up to here" (docs/adr/0004).

The second part is the version of the fold and, in thousands, the revision of its entries (docs/adr/0011): 1 is version
1 as it was folded first, 2001 is version 1 after two rebuilds that corrected something.
"""

import re
from collections.abc import Sequence

from msgspec import Struct

from domain.limits import PROJECTION_VERSION_MAX

_FORM = re.compile(r"([0-9a-f]{8})\.([0-9]{1,9})\.([0-9]{1,18})")


class Cursor(Struct, frozen=True):
    """`epoch` names one history of one log, `version` what is seen of one fold of it, `position` a place in it."""

    epoch: str
    version: int
    position: int

    def __str__(self) -> str:
        return f"{self.epoch}.{self.version}.{self.position}"


def served_version(version: int, revision: int) -> int:
    """What a cursor carries: no two that may differ in an entry that a client has are the same."""
    return revision * (PROJECTION_VERSION_MAX + 1) + version


def parse(text: str) -> Cursor:
    """Raises ValueError for anything that `str(cursor)` does not produce."""
    match = _FORM.fullmatch(text)
    cursor = Cursor(match[1], int(match[2]), int(match[3])) if match else None
    if cursor is None or str(cursor) != text:
        raise ValueError(
            f"{text[:80]!r} is not a cursor; expected <epoch>.<projection version>.<position>, as in 1f2e3d4c.1.276"
        )
    return cursor


def refetch_reason(cursor: Cursor, *, epoch: str, version: int, floor: int, log_head: int) -> str | None:
    """Why a client with this cursor has to fetch the topic anew, or None when it can go on from there.

    `floor` is the position up to which tombstones were pruned (a client at 0 has nothing to forget);
    `log_head` is the newest position of the log.
    """
    if cursor.epoch != epoch:
        return "epoch"
    if cursor.version != version:
        return "projection_version"
    if cursor.position > log_head:
        return "ahead"
    if 0 < cursor.position < floor:
        return "stale"
    return None


def resume_positions(positions: Sequence[int]) -> list[int]:
    """For entries in order of position: where a client that has got this far may resume.

    One event may change several entries. Whoever has not seen all of them resumes before that event.
    """
    following = [*positions, None][1:]
    return [here if here != after else here - 1 for here, after in zip(positions, following, strict=True)]
