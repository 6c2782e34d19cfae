"""What a reader has been shown: every position once, in order. It is judged while it runs and against the log after."""

from array import array
from collections.abc import Sequence

from msgspec import Struct

Seen = tuple[int, int]
"""A position and which event is there: 64 bits of its id, never 0."""
_GROWTH = 65_536


def mark(event_id: int) -> int:
    """64 bits that tell events apart: the end of an id, which is its random part."""
    return event_id & 0xFFFF_FFFF_FFFF_FFFF or 1


class Verdict(Struct, frozen=True):
    """How a reader fared. `missed`, `out_of_order`, `duplicates` and `different` have to be 0."""

    reader: str
    seen: int
    missed: int
    out_of_order: int
    duplicates: int
    different: int
    """Events that it saw and that are not in the log, or not at that position."""
    first_missed: int | None = None

    @property
    def good(self) -> bool:
        return not (self.missed or self.out_of_order or self.duplicates or self.different)


class Watch:
    """One reader's eye. `dense`: positions have no holes by promise, so the first hole is a fault at once."""

    def __init__(self, reader: str, *, dense: bool = True) -> None:
        self.reader = reader
        self.position = 0
        """The newest position that was seen; what a reader asks after."""
        self.seen = 0
        self.fault: str | None = None
        """The first thing that went wrong while it ran."""
        self._dense = dense
        self._marks = array("Q", bytes(8 * _GROWTH))
        self._out_of_order = 0
        self._duplicates = 0

    def take(self, events: Sequence[Seen]) -> None:
        """The reader was shown these, in this order."""
        for position, which in events:
            if position >= len(self._marks):
                self._marks.frombytes(bytes(8 * max(_GROWTH, position - len(self._marks) + 1)))
            if self._marks[position]:
                self._duplicates += 1
                self._blame(f"position {position} came twice")
                continue
            if position < self.position:
                self._out_of_order += 1
                self._blame(f"position {position} came after {self.position}")
            elif self._dense and position != self.position + 1:
                self._blame(f"position {position} came after {self.position}: a hole")
            self._marks[position] = which
            self.position = max(self.position, position)
            self.seen += 1

    def missing(self, log: Sequence[Seen]) -> list[int]:
        """The positions of these events of the log that this reader has passed without seeing them."""
        return [position for position, _ in log if position <= self.position and not self._at(position)]

    def judge(self, log: Sequence[Seen]) -> Verdict:
        """The verdict, given the whole log."""
        missed = [position for position, _ in log if not self._at(position)]
        equal = sum(self._at(position) == which for position, which in log)
        return Verdict(
            self.reader,
            self.seen,
            len(missed),
            self._out_of_order,
            self._duplicates,
            self.seen - equal,
            missed[0] if missed else None,
        )

    def _at(self, position: int) -> int:
        return self._marks[position] if position < len(self._marks) else 0

    def _blame(self, what: str) -> None:
        self.fault = self.fault or f"{self.reader}: {what}"
