"""The benchmarks run: every row gives figures. How large they are is not a test's business."""

import json
import subprocess
import sys

import pytest

pytest.importorskip("eventsourcing", reason="the library that the benchmarks compare with is a development dependency")
_SECONDS_MAX = 60
_NOT_QUICK = "not part of the quick run"


@pytest.fixture(scope="module")
def rows() -> dict[str, list[dict[str, object]]]:
    """What a quick run measured, row by row."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--quick", "--json"],
        capture_output=True,
        timeout=_SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, list[dict[str, object]]] = json.loads(done.stdout)["rows"]
    return found


def test_every_row_measures_something(rows: dict[str, list[dict[str, object]]]) -> None:
    """Each line has a figure of ours, and one of its baseline, except where that needs more than Python."""
    assert len(rows) >= 8
    for name, lines in rows.items():
        assert lines, name
        for line in lines:
            ours, theirs = line["ours"], line["theirs"]
            assert isinstance(ours, dict), line
            assert ours["unit"] == "missed" or ours["value"] > 0, line
            assert isinstance(theirs, dict) or line["missing"] == _NOT_QUICK or ours["unit"] == "missed", line


def test_a_reader_misses_nothing(rows: dict[str, list[dict[str, object]]]) -> None:
    """I3, under two writer processes."""
    missed = [line for line in rows["processes"] if line["work"] == "events that a reader missed"]
    assert [line["met"] for line in missed] == [True]
