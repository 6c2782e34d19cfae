"""A run's outcome: a page for the docs, a table for the terminal, JSON for programs."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import msgspec
from msgspec import Struct
from rich.table import Table

from tests.bench.measure import Figure
from tests.bench.row import Line, Row, Target

_HEAD = """# Benchmarks

Written by `make bench` (`python -m tests.bench`); not edited by hand. Every baseline was measured in the same run,
on the same Postgres, in turn with ours (A B A B …). A figure is the median of {repeats} samples, with the lowest and
the highest of them in brackets; *ratio* is ours ÷ baseline, so for rates more is better and for times less. Client
and Postgres share the machine's CPUs.

"""
_COLUMNS = ("work", "ours", "baseline", "ratio", "target")


class Outcome(Struct, frozen=True):
    row: Row
    lines: list[Line]


class Run(Struct, frozen=True):
    command: str
    scale: str
    repeats: int
    day: date
    machine: dict[str, str]
    outcomes: list[Outcome]


def markdown(run: Run) -> str:
    facts = {"date": run.day.isoformat(), "command": f"`{run.command}`", **run.machine}
    parts = [_HEAD.format(repeats=run.repeats), "\n".join(f"- {key}: {value}" for key, value in facts.items()), "\n"]
    for outcome in run.outcomes:
        parts.append(f"\n## {outcome.row.title}\n\n{outcome.row.note}\n\n")
        parts.append(f"| {' | '.join(_COLUMNS)} |\n|{'---|' * len(_COLUMNS)}\n")
        parts += [f"| {' | '.join(cells(line))} |\n" for line in outcome.lines]
    return "".join(parts)


def table(outcome: Outcome) -> Table:
    shown = Table(title=outcome.row.title, title_justify="left")
    for column in _COLUMNS:
        shown.add_column(column)
    for line in outcome.lines:
        shown.add_row(*cells(line))
    return shown


def as_json(run: Run) -> bytes:
    """The same figures, with rows by name."""
    rows = {
        outcome.row.name: [
            {**msgspec.to_builtins(line), "ratio": line.ratio, "met": line.met} for line in outcome.lines
        ]
        for outcome in run.outcomes
    }
    whole: dict[str, Any] = {
        "command": run.command,
        "scale": run.scale,
        "repeats": run.repeats,
        "day": run.day,
        "machine": run.machine,
        "rows": rows,
    }
    return msgspec.json.format(msgspec.json.encode(whole), indent=2)


def cells(line: Line) -> Sequence[str]:
    ratio = "" if line.ratio is None else f"{line.ratio:.3g}"
    theirs = shown(line.theirs) if line.theirs is not None else line.missing
    baseline = f"{line.baseline}: {theirs}" if theirs else line.baseline
    return line.work, shown(line.ours), baseline, ratio, _target(line.target, line.met)


def shown(figure: Figure) -> str:
    text = f"{number(figure.value)}{'' if figure.unit.startswith('/') else ' '}{figure.unit}"
    if figure.low != figure.high:
        text += f" [{number(figure.low)}–{number(figure.high)}]"
    if figure.p50_ms is not None and figure.p99_ms is not None:
        text += f", p50 {figure.p50_ms:.2f} p99 {figure.p99_ms:.2f} ms"
    return text


def number(value: float) -> str:
    return f"{value:,.0f}".replace(",", " ") if value >= 100 or value == int(value) else f"{value:.3g}"


def _target(target: Target | None, met: bool | None) -> str:
    if target is None:
        return ""
    bound = f"≥ {number(target.least)}" if target.least is not None else f"≤ {number(target.most or 0)}"
    return bound if met is None else f"{bound}, {'met' if met else 'missed'}"
