"""The benchmarks run: every row gives figures. How large they are is not a test's business."""

import json
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

pytest.importorskip("eventsourcing", reason="the library that the benchmarks compare with is a development dependency")
from tests.bench.measure import Sample, figure
from tests.bench.report import Outcome, Places
from tests.bench.row import Line, Row, Target
from tests.bench.rows import ROWS

_BENCH = [sys.executable, "-m", "tests.bench", "--quick"]
_SECONDS_MAX = 60
_NOT_QUICK = "not part of the quick run"


@pytest.fixture(scope="module")
def rows() -> dict[str, list[dict[str, object]]]:
    """What a quick run measured, row by row."""
    done = subprocess.run([*_BENCH, "--json"], capture_output=True, timeout=_SECONDS_MAX, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return {name: outcome["lines"] for name, outcome in json.loads(done.stdout)["rows"].items()}


def test_every_row_measures_something(rows: dict[str, list[dict[str, object]]]) -> None:
    """Each line has a figure of ours, and one of its baseline, except where that needs more than Python."""
    assert rows.keys() == ROWS.keys()
    for name, lines in rows.items():
        assert lines, name
        for line in lines:
            ours, theirs = line["ours"], line["theirs"]
            assert isinstance(ours, dict), line
            assert ours["value"] > 0 or ours["unit"] in ("missed", "MB"), line
            alone = not line["baseline"] or line["missing"] == _NOT_QUICK or ours["unit"] == "missed"
            assert isinstance(theirs, dict) or alone, line


def test_a_reader_misses_nothing(rows: dict[str, list[dict[str, object]]]) -> None:
    """I3, under two writer processes."""
    missed = [line for line in rows["processes"] if line["work"] == "events that a reader missed"]
    assert [line["met"] for line in missed] == [True]


def test_a_run_that_is_stopped_leaves_no_processes() -> None:
    """Neither writers nor Postgres, and not even the run's folder; also when it is killed."""
    runs = [_begun(), _begun()]
    for run, signum in zip(runs, (signal.SIGTERM, signal.SIGKILL), strict=True):
        run.process.send_signal(signum)
    for run, status in zip(runs, (130, -signal.SIGKILL), strict=True):
        run.process.communicate(timeout=_SECONDS_MAX)
        assert run.process.returncode == status
        _, left = psutil.wait_procs(run.others, timeout=_SECONDS_MAX)
        assert left == []
        assert not run.folder.exists()


class _Begun(NamedTuple):
    process: subprocess.Popen[bytes]
    folder: Path
    others: list[psutil.Process]
    """What it has started, Postgres included."""


def _begun() -> _Begun:
    """A run whose row has begun and takes minutes."""
    command = [*_BENCH, "--only", "processes", "--repeats", "1000"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    assert b"processes" in process.stderr.readline()
    children = psutil.Process(process.pid).children(recursive=True)
    (guard,) = [child for child in children if "tests.bench.server" in child.cmdline()]
    folder = guard.cmdline()[-1]
    servers = [one for one in psutil.process_iter(["cmdline"]) if folder in " ".join(one.info["cmdline"] or ())]
    assert len(servers) >= 2, "the guard and Postgres"
    return _Begun(process, Path(folder), [*children, *servers])


def _outcome(command: str, value: float) -> Outcome:
    line = Line("work", figure("/s", [Sample(value)]), "floor", figure("/s", [Sample(100.0)]), Target(least=0.5))
    return Outcome(date(2026, 1, 2), command, 3, "0.0", {"machine": "M"}, [line])


async def _nothing(_: object) -> list[Line]:
    return []


def test_the_page_keeps_rows_that_were_not_measured_again_and_what_people_wrote(tmp_path: Path) -> None:
    """`--only` replaces one row; notes and the table of readers are files of their own."""
    rows = [Row(name, f"Title of {name}", f"Note of {name}.", _nothing) for name in ("one", "two")]
    places = Places.under(tmp_path)
    places.keep({"one": _outcome("first", 10.0), "two": _outcome("first", 20.0)}, rows)
    places.bounds.mkdir(parents=True)
    (places.bounds / "one.md").write_text("The disk.\n")
    places.no_skip.write_text("# Readers\n\n| missed |\n|---|\n| 0 |\n")
    places.keep({"two": _outcome("again", 80.0)}, rows)
    page = places.page.read_text()
    one, two = (
        page[page.index("## Title of one") : page.index("## Title of two")],
        page[page.index("## Title of two") :],
    )
    assert "`first`" in one
    assert "The disk." in one
    assert "10/s" in one
    assert "missed" in one
    assert "`again`" in two
    assert "80/s" in two
    assert "20/s" not in page
    assert "### Readers\n\n| missed |" in two
