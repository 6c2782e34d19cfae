"""The runs' outcomes: tables for the terminal, a fragment for docs/benchmarks.md, JSON for programs."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct
from rich.table import Table

from tests.soak.kill_run import KillOutcome
from tests.soak.outcome import Outcome

READERS = ("log: reader", "events", "seen", "missed", "out of order", "twice", "as expected")


class Row(Struct, frozen=True):
    title: str
    columns: Sequence[str]
    lines: Sequence[Sequence[str]]


def readers(outcomes: Sequence[Outcome]) -> Row:
    lines = [
        (
            f"{outcome.subject}: {verdict.reader}",
            _number(outcome.events),
            _number(verdict.seen),
            _number(verdict.missed),
            _number(verdict.out_of_order),
            _number(verdict.duplicates),
            "yes" if outcome.as_expected else "NO",
        )
        for outcome in outcomes
        for verdict in outcome.readers
    ]
    return Row("What readers saw", READERS, lines)


def writers(outcomes: Sequence[Outcome]) -> Row:
    """What became of the writers' commands, and what happened meanwhile."""
    lines: list[tuple[str, str]] = []
    for outcome in outcomes:
        if outcome.commands is not None:
            told = msgspec.to_builtins(outcome.commands)
            lines += [(f"commands: {name.replace('_', ' ')}", _number(count)) for name, count in told.items()]
            lines += [(what, _number(count)) for what, count in outcome.happened.items()]
    return Row("What writers were told, and what happened to them", ("what", "times"), lines)


def kills(outcome: KillOutcome) -> Row:
    lines = [
        ("rounds of `kill -9`", _number(outcome.rounds)),
        *((f"killed: {victim}", _number(times)) for victim, times in sorted(outcome.killed.items())),
        ("seconds", f"{outcome.seconds:.0f}"),
        ("commands acknowledged", _number(outcome.acknowledged)),
        ("events of them", _number(outcome.acknowledged_events)),
        ("commands sent again after their answer", _number(outcome.sent_again)),
        ("acknowledged and lost", _number(outcome.lost)),
        ("events that are there twice", _number(outcome.duplicated)),
        ("commands that are there in part", _number(outcome.torn)),
        ("not where their sender was told", _number(outcome.misplaced)),
        ("longest time without an answer", f"{outcome.silence_seconds_max:.1f} s"),
        ("projections caught up after", f"{outcome.catch_up_seconds:.1f} s"),
        *((f"topic {topic} and its rebuild", what) for topic, what in outcome.topics.items()),
        *((f"answers: {what}", _number(times)) for what, times in outcome.answers.most_common()),
    ]
    return Row("A hub under load that is killed again and again", ("what", "outcome"), lines)


def table(row: Row) -> Table:
    shown = Table(title=row.title, title_justify="left")
    for column in row.columns:
        shown.add_column(column)
    for line in row.lines:
        shown.add_row(*line)
    return shown


def markdown(row: Row) -> str:
    lines = [row.columns, ["---"] * len(row.columns), *row.lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def as_json(seed: int, outcomes: Sequence[Outcome]) -> bytes:
    runs: list[dict[str, Any]] = [
        {**msgspec.to_builtins(outcome), "as_expected": outcome.as_expected} for outcome in outcomes
    ]
    return msgspec.json.format(msgspec.json.encode({"seed": seed, "runs": runs}), indent=2)


def _number(value: int) -> str:
    return f"{value:,}".replace(",", " ")
