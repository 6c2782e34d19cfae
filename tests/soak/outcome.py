"""What came of a run."""

from collections import Counter
from pathlib import Path

import msgspec
from msgspec import Struct, field

from tests.soak.audit import Commands
from tests.soak.watch import Verdict


class Outcome(Struct):
    """One log, several readers. `faults` is what went wrong while it ran."""

    subject: str
    seconds: float
    events: int
    readers: list[Verdict]
    faulty: bool = False
    """It is known to let readers miss events, and they have to be caught."""
    commands: Commands | None = None
    happened: dict[str, int] = field(default_factory=dict)
    said: dict[str, int] = field(default_factory=dict)
    """What the processes logged, and how often."""
    faults: list[str] = field(default_factory=list)

    @property
    def missed(self) -> int:
        return max(verdict.missed for verdict in self.readers)

    @property
    def as_expected(self) -> bool:
        if self.faults or (self.commands is not None and not self.commands.good):
            return False
        return self.missed > 0 if self.faulty else all(verdict.good for verdict in self.readers)


class _Line(Struct):
    event: str = ""
    level: str = ""


def said(folder: Path) -> dict[str, int]:
    """The lines in the processes' logs, by process and what they say; a line that is no JSON counts as itself."""
    found: Counter[str] = Counter()
    for file in sorted(folder.glob("*.log")):
        process = file.stem.split(".")[0]
        for line in file.read_text(errors="replace").splitlines():
            try:
                decoded = msgspec.json.decode(line, type=_Line)
            except msgspec.DecodeError:
                decoded = _Line(line[:100])
            found[f"{process}: {decoded.event}"] += 1
    return dict(found)
