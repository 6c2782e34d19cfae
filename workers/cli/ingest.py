"""`stele ingest`: a transcript file into a space, in order, once."""

import hashlib
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from domain.limits import TEXT_CHARS_MAX
from domain.refusals import NOT_NOW
from workers.cli.hub import Hub, HubRefused
from workers.cli.output import CommandFailed, interactive, one_line, print_json

_BATCH_LINES = 100
_LINE_BYTES_MAX = 8 * TEXT_CHARS_MAX
_FIELDS = {"speaker", "text", "id", "started_at", "ended_at"}
Line = tuple[int, dict[str, Any]]
"""Its number and the chunk that it holds."""


def run(hub: Hub, file: Path, space: str, rate: float | None, source: str, as_json: bool) -> None:
    """Broken lines are reported with their number and the rest goes in; then the exit status is 1."""
    if rate is not None and not (rate > 0 and math.isfinite(rate)):
        raise CommandFailed("--rate is a number of lines a second, above 0")
    lines, broken = _read(file, source)
    for number, what in broken:
        _report(file, number, what)
    _create(hub, space)
    sent = _Sender(hub, file, space)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not interactive(),
        transient=True,
    ) as progress:
        task = progress.add_task(f"{file.name} → {space}", total=len(lines))
        for batch in _paced(lines, rate):
            sent.send(batch)
            progress.advance(task, len(batch))
    failed = len(broken) + sent.broken
    if as_json:
        print_json(
            {
                "recorded": sent.recorded,
                "already_there": sent.already,
                "broken": failed,
                "space": space,
                "position": sent.position,
            }
        )
    else:
        print(f"{sent.recorded} recorded, {sent.already} already there, {failed} broken")
    if failed:
        raise SystemExit(1)


def _create(hub: Hub, space: str) -> None:
    try:
        hub.post("/v1/spaces", {"name": space})
    except HubRefused as refused:
        if refused.code != "space_exists":
            raise


_NOT_ABOUT_A_LINE = {"unauthenticated", "forbidden", "space_not_found", *NOT_NOW}


class _Sender:
    def __init__(self, hub: Hub, file: Path, space: str) -> None:
        self._hub = hub
        self._file = file
        self._space = space
        self.recorded = self.already = self.broken = self.position = 0

    def send(self, batch: list[Line]) -> None:
        """Send a batch; when the hub refuses what is in it, find the line by halving."""
        try:
            answer = self._hub.post(
                f"/v1/spaces/{self._space}/transcript/batch", {"chunks": [chunk for _, chunk in batch]}
            )
        except HubRefused as refused:
            if refused.code in _NOT_ABOUT_A_LINE:
                raise
            if len(batch) == 1:
                self.broken += 1
                _report(self._file, batch[0][0], str(refused))
                return
            middle = len(batch) // 2
            self.send(batch[:middle])
            self.send(batch[middle:])
            return
        self.recorded += answer["recorded"]
        self.already += len(batch) - answer["recorded"]
        self.position = max(self.position, answer["position"])


def _read(file: Path, source: str) -> tuple[list[Line], list[tuple[int, str]]]:
    lines: list[Line] = []
    broken: list[tuple[int, str]] = []
    said: Counter[str] = Counter()
    try:
        with sys.stdin.buffer if str(file) == "-" else file.open("rb") as stream:
            for number, raw in enumerate(stream, start=1):
                if not raw.strip():
                    continue
                try:
                    chunk = _chunk(raw)
                except ValueError as error:
                    broken.append((number, str(error)))
                else:
                    chunk.setdefault("id", _id(source, chunk, said))
                    lines.append((number, chunk))
    except OSError as error:
        raise CommandFailed(f"cannot read {file}: {error.strerror}") from error
    return lines, broken


def _object(raw: bytes) -> dict[str, Any]:
    """Raises ValueError."""
    if len(raw) > _LINE_BYTES_MAX:
        raise ValueError(f"the line has {len(raw)} bytes; at most {_LINE_BYTES_MAX}")
    try:
        value = json.loads(raw.decode())
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from None
    except RecursionError:
        raise ValueError("not JSON that anybody would write: nested too deep") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def _chunk(raw: bytes) -> dict[str, Any]:
    """The chunk in a line. Raises ValueError, saying what is wrong with it."""
    value = _object(raw)
    for field in ("speaker", "text"):
        if not isinstance(value.get(field), str) or not value[field].strip():
            raise ValueError(f"{field!r} is missing or not a text")
    if unknown := value.keys() - _FIELDS:
        raise ValueError(f"unknown fields: {', '.join(sorted(unknown))[:100]}")
    chunk = {field: value[field] for field in value if value[field] is not None}
    if any(not isinstance(field, str) for field in chunk.values()):
        raise ValueError("every field is a text")
    if any("\ud800" <= c <= "\udfff" for field in chunk.values() for c in field):
        raise ValueError("a text holds half of a surrogate pair, which is not valid Unicode")
    return chunk


def _id(source: str, chunk: dict[str, Any], said: "Counter[str]") -> str:
    """What is said in which file, and the how-manieth time: a line that is put in or mended adds that line only."""
    digest = hashlib.sha256("\0".join((source, chunk["speaker"], chunk["text"])).encode()).hexdigest()[:40]
    said[digest] += 1
    return f"{digest}-{said[digest]}"


def _paced(lines: list[Line], rate: float | None) -> Iterator[list[Line]]:
    """Batches at full speed, or line by line at `rate` lines a second."""
    if rate is None:
        for start in range(0, len(lines), _BATCH_LINES):
            yield lines[start : start + _BATCH_LINES]
        return
    began = time.monotonic()
    for index, line in enumerate(lines):
        time.sleep(max(0.0, began + index / rate - time.monotonic()))
        yield [line]


def _report(file: Path, number: int, what: str) -> None:
    print(f"{file}:{number}: {one_line(what, 500)}", file=sys.stderr)
