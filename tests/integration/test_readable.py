"""A release that cannot read everything in the log does not start, and says in one line what it cannot read."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from adapters.embedded.postgres import EmbeddedPostgres
from adapters.postgres.migrate import migrate
from domain.people import PersonRegistered

NEWER = [("stele.future.v1.Unheard", 1, 7), (PersonRegistered.type, 2, 9)]
NAMED = f"{NEWER[0][0]} schema version 1 (first at position 7), {NEWER[1][0]} schema version 2 (first at position 9)"


@pytest.fixture
async def newer_log(database: str) -> str:
    """The database of a log that a newer release has written to."""
    await migrate(database)
    async with await psycopg.AsyncConnection.connect(database) as connection:
        for kind in NEWER:
            await connection.execute("INSERT INTO stele.kinds VALUES (%s, %s, %s)", kind)
    return database


def stele(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workers", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("command", [["projector"], ["serve"], ["up", "--port", "0"], ["bootstrap", "--token-file"]])
def test_a_process_does_not_start_on_a_log_that_it_cannot_read(
    newer_log: str, nats_url: str, tmp_path: Path, command: list[str]
) -> None:
    arguments = [*command, *([str(tmp_path / "token")] if command[0] == "bootstrap" else [])]
    ended = stele(
        *arguments,
        STELE_POSTGRES_URL=newer_log,
        STELE_NATS_URL=nats_url,
        STELE_DATA=str(tmp_path / "data"),
        STELE_PORT="0",
    )
    [line] = [one for one in ended.stderr.splitlines() if one.startswith("stele: ")]
    assert line.startswith(f"stele: the log holds events that this release cannot read: {NAMED}")
    assert ended.returncode == 2
    assert ended.stdout == ""


def test_the_doctor_names_what_cannot_be_read(newer_log: str, tmp_path: Path) -> None:
    ended = stele("doctor", STELE_POSTGRES_URL=newer_log, STELE_DATA=str(tmp_path / "data"))
    assert f"BAD  events: this release cannot read {NAMED}" in ended.stdout
    assert ended.returncode == 1


async def test_the_doctor_says_that_everything_can_be_read(database: str, tmp_path: Path) -> None:
    await migrate(database)
    looked = stele("doctor", STELE_POSTGRES_URL=database, STELE_DATA=str(tmp_path / "data"))
    assert "ok   events: 0 kinds in the log, and this release reads them all" in looked.stdout


def test_the_doctor_looks_into_a_log_of_an_earlier_release(database: str, tmp_path: Path) -> None:
    looked = stele("doctor", STELE_POSTGRES_URL=database, STELE_DATA=str(tmp_path / "data"))
    assert "ok   events: the schema is that of an earlier release" in looked.stdout


def test_the_doctor_starts_an_embedded_database_for_the_look_and_stops_it_again(scratch: Path) -> None:
    server = EmbeddedPostgres(scratch / "doctor" / "postgres")
    asyncio.run(migrate(server.start()))
    server.stop()
    looked = stele("doctor", STELE_DATA=str(scratch / "doctor"))
    assert "ok   events: 0 kinds in the log" in looked.stdout
    assert not (scratch / "doctor" / "postgres" / "postmaster.pid").exists()
