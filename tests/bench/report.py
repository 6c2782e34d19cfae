"""What a run measured: kept as JSON, one row beside the other, and shown as a page, as tables and to programs."""

import re
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, structs
from rich.table import Table

from tests.bench.measure import Figure
from tests.bench.row import Line, Row, Target

_HEAD = """# Benchmarks

Written by `make bench` (`python -m tests.bench`) from docs/benchmarks/results.json; not edited by hand, but for what
bounds each row (tests/bench/bounds/). Every baseline was measured in the same run, on the same Postgres, in turn with
ours (A B A B …). A figure is the median of its samples, with the lowest and the highest of them in brackets; *ratio* is
ours ÷ baseline, so for rates more is better, for times and sizes less. Client and Postgres share the machine's CPUs.
`make bench` measures everything; `python -m tests.bench --only ROW` one row, and leaves the others as they are here.

"""
_COLUMNS = ("work", "ours", "baseline", "ratio", "target")
_NO_SKIP_TITLE = "Readers that miss nothing"
_NO_SKIP_MISSING = (
    "Not measured yet: `python -m tests.soak.no_skip --markdown > docs/benchmarks/no-skip.md`, then"
    " `python -m tests.bench --page`."
)


class Outcome(Struct, frozen=True):
    """One row as it was measured."""

    day: date
    command: str
    repeats: int
    load: str
    """Of the machine, just before the run."""
    machine: dict[str, str]
    lines: list[Line]


Outcomes = dict[str, Outcome]
"""By the name of the row."""


class Places(Struct, frozen=True):
    """Where the page is, what it is made of, and what people write for it."""

    page: Path
    results: Path
    no_skip: Path
    bounds: Path

    @classmethod
    def under(cls, root: Path) -> "Places":
        docs = root / "docs" / "benchmarks"
        return cls(docs.with_suffix(".md"), docs / "results.json", docs / "no-skip.md", root / "tests/bench/bounds")

    def keep(self, measured: Outcomes, rows: Iterable[Row]) -> None:
        """Put these outcomes in the place of older ones of the same rows, and write the page anew."""
        known = self.read() | measured
        kept = {row.name: known[row.name] for row in rows if row.name in known}
        self.results.parent.mkdir(parents=True, exist_ok=True)
        self.results.write_bytes(msgspec.json.format(msgspec.json.encode(kept), indent=1) + b"\n")
        self.write(rows)

    def read(self) -> Outcomes:
        return msgspec.json.decode(self.results.read_bytes(), type=Outcomes) if self.results.exists() else {}

    def write(self, rows: Iterable[Row]) -> None:
        """Write the page from what is there; nothing is measured."""
        outcomes = self.read()
        shown = [(row, outcomes[row.name]) for row in rows if row.name in outcomes]
        no_skip = self.no_skip.read_text() if self.no_skip.exists() else _NO_SKIP_MISSING
        bounds = {row.name: _text(self.bounds / f"{row.name}.md") for row, _ in shown}
        self.page.write_text(markdown(shown, bounds, no_skip))


def _text(file: Path) -> str:
    return file.read_text().strip() if file.exists() else ""


def markdown(shown: Sequence[tuple[Row, Outcome]], bounds: dict[str, str], no_skip: str) -> str:
    """The page: where it was measured, the lines that have a target, then every row, and what readers see."""
    parts = [_HEAD]
    common = shown[-1][1].machine if shown else {}
    parts += [f"- {key}: {value}\n" for key, value in common.items()]
    wanted = [
        structs.replace(line, work=f"{row.name}: {line.work}")
        for row, outcome in shown
        for line in outcome.lines
        if line.target is not None
    ]
    parts += ["\n## Figures to reach\n\n", *_markdown_table(wanted)]
    for row, outcome in shown:
        parts.append(f"\n## {row.title}\n\n{row.note}\n\n")
        parts.append(f"{_measured(outcome, common)}\n\n")
        parts += _markdown_table(outcome.lines)
        if bounds[row.name]:
            parts.append(f"\n**What bounds it.** {bounds[row.name]}\n")
    parts.append(f"\n## {_NO_SKIP_TITLE}\n\n{_below(no_skip)}\n")
    return "".join(parts)


def _measured(outcome: Outcome, common: dict[str, str]) -> str:
    """When and how; and on what, where that is not what the page begins with."""
    other = "; ".join(f"{key}: {value}" for key, value in outcome.machine.items() if common.get(key) != value)
    samples = f"{outcome.repeats} sample{'s' if outcome.repeats > 1 else ''} each"
    told = f"{outcome.day.isoformat()}, `{outcome.command}`, {samples}, load before {outcome.load}"
    return f"Measured {told}{f'; {other}' if other else ''}."


def _below(fragment: str) -> str:
    """Its headings below the page's own."""
    return re.sub(r"^#+(?= )", "###", fragment.strip(), flags=re.MULTILINE)


def _markdown_table(lines: Sequence[Line]) -> list[str]:
    head = [f"| {' | '.join(_COLUMNS)} |\n", f"|{'---|' * len(_COLUMNS)}\n"]
    return head + [f"| {' | '.join(cells(line))} |\n" for line in lines]


def table(row: Row, lines: Sequence[Line]) -> Table:
    shown = Table(title=row.title, title_justify="left")
    for column in _COLUMNS:
        shown.add_column(column)
    for line in lines:
        shown.add_row(*(cell.replace("*", "") for cell in cells(line)))
    return shown


def as_json(outcomes: Outcomes) -> bytes:
    """The same figures, by row, with what follows from them."""
    whole: dict[str, Any] = {}
    for name, outcome in outcomes.items():
        lines = [{**msgspec.to_builtins(line), "ratio": line.ratio, "met": line.met} for line in outcome.lines]
        whole[name] = {**msgspec.to_builtins(outcome), "lines": lines}
    return msgspec.json.format(msgspec.json.encode({"rows": whole}), indent=2)


def cells(line: Line) -> Sequence[str]:
    ratio = "" if line.ratio is None else f"{line.ratio:.3g}"
    theirs = figure_text(line.theirs) if line.theirs is not None else line.missing
    baseline = f"{line.baseline}: {theirs}" if theirs else line.baseline
    return line.work, figure_text(line.ours), baseline, ratio, _target(line)


def figure_text(figure: Figure) -> str:
    text = _with_unit(figure.value, figure.unit)
    if figure.low != figure.high:
        text += f" [{number(figure.low)}–{number(figure.high)}]"
    if figure.p50_ms is not None and figure.p99_ms is not None:
        middle = "" if figure.unit == "ms" else f" p50 {figure.p50_ms:.2f}"
        text += f",{middle} p99 {figure.p99_ms:.2f} ms"
    return text


def number(value: float) -> str:
    return f"{value:,.0f}".replace(",", " ") if value >= 100 or value == int(value) else f"{value:.3g}"


def _with_unit(value: float, unit: str) -> str:
    return f"{number(value)}{'' if unit.startswith('/') else ' '}{unit}"


def _target(line: Line) -> str:
    if line.target is None:
        return ""
    bounds = " and ".join(_bounds(line.target, line.ours.unit))
    return bounds if line.met is None else f"{bounds}: {'met' if line.met else '**missed**'}"


def _bounds(target: Target, unit: str) -> Iterable[str]:
    if target.least is not None:
        yield f"≥ {number(target.least)}×"
    if target.most is not None:
        yield f"≤ {number(target.most)}×"
    if target.own_least is not None:
        yield f"≥ {_with_unit(target.own_least, unit)}"
    if target.own_most is not None:
        yield f"≤ {_with_unit(target.own_most, unit)}"
