"""The log tells what failed and where, and never an error's words or a value that a library fills into its own."""

import json
import subprocess
import sys

import psycopg
import pytest

from domain.faults import Fault, describe

_LOGGING = """
import asyncio, logging, structlog
from workers import logs
logs.configure("INFO")
log, library = structlog.get_logger(), logging.getLogger("somebody.elses")
def fails(cause):
    try:
        int("marzipan")
    except ValueError as error:
        raise KeyError("marzipan") from (error if cause else None)
"""


def _lines(code: str) -> list[dict[str, object]]:
    """What a process that runs this writes to its log."""
    done = subprocess.run([sys.executable, "-c", _LOGGING + code], capture_output=True, text=True, check=True)
    assert "marzipan" not in done.stderr
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_an_exception_is_told_by_its_class_its_cause_and_its_frames() -> None:
    (line,) = _lines("""
try:
    fails(cause=True)
except KeyError:
    log.exception("it_failed", n=7)
""")
    assert (line["event"], line["n"], line["level"]) == ("it_failed", 7, "error")
    told = str(line["exception"])
    assert told.index("ValueError") < told.index("caused") < told.index("KeyError")
    assert "fails" in told


def test_a_library_is_heard_without_the_values_that_it_fills_in() -> None:
    lines = _lines("""
library.warning("%d of %s failed: %s", 3, "marzipan", ValueError("marzipan"))
library.warning("%(a)s", {"a": "marzipan"})
library.error("in vain: %s %s", "marzipan")
try:
    fails(cause=False)
except KeyError:
    library.exception("it failed\\nmarzipan")
""")
    assert [line["event"] for line in lines] == ["3 of … failed: ValueError", "%(a)s", "in vain: %s %s", "it failed"]
    assert {line["logger"] for line in lines} == {"somebody.elses"}
    assert str(lines[-1]["exception"]).endswith("KeyError")


def test_a_task_that_nobody_waits_for_is_told_without_what_it_says() -> None:
    lines = _lines("""
async def main():
    task = asyncio.ensure_future(asyncio.to_thread(fails, False))
    await asyncio.wait([task])
    del task
    asyncio.get_running_loop().call_soon(fails, "marzipan")
    await asyncio.sleep(0.01)
asyncio.run(main())
import gc; gc.collect()
""")
    told = [str(line["event"]) for line in lines]
    assert "Task exception was never retrieved" in told
    assert any(one.startswith("Exception in callback") for one in told)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("marzipan"), "ValueError"),
        (psycopg.errors.UniqueViolation("Key (name)=(marzipan) exists"), "UniqueViolation: sqlstate 23505"),
        (psycopg.OperationalError("host marzipan: Connection refused"), "OperationalError: Connection refused"),
        (Fault("it did not start; see the log"), "Fault: it did not start; see the log"),
        (ConnectionRefusedError(111, "marzipan"), "ConnectionRefusedError: errno 111"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_an_error_is_described_by_what_is_known_to_be_harmless(error: Exception, told: str) -> None:
    assert describe(error) == told


def test_without_an_endpoint_the_tracing_sdk_is_not_loaded() -> None:
    code = "import sys, workers.serve; print([m for m in sys.modules if m.startswith('opentelemetry.sdk')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
