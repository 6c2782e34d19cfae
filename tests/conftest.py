"""What tests share: one real Postgres and one real NATS a run, and hubs of real processes. Nothing is mocked."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from adapters.embedded.nats import EmbeddedNats
from adapters.embedded.postgres import EmbeddedPostgres


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A short path: a Unix socket's name has at most 107 characters."""
    with tempfile.TemporaryDirectory(prefix="stele-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="session")
def postgres_server(scratch: Path) -> Iterator[str]:
    """A real Postgres, shared by the run; tests take a database of their own."""
    server = EmbeddedPostgres(scratch / "pg")
    yield server.start()
    server.stop()


@pytest.fixture(scope="session")
def nats_url(scratch: Path) -> Iterator[str]:
    """A real NATS with JetStream, shared by the run."""
    server = EmbeddedNats(scratch / "nats")
    yield server.start()
    server.stop()


@pytest.fixture
def database(postgres_server: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database of its own, dropped afterwards."""
    name = f"test_{abs(hash(request.node.nodeid)) % 10**12}_{os.getpid()}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    yield postgres_server.replace("/postgres?", f"/{name}?")
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests do not depend on the environment of whoever runs them."""
    for name in list(os.environ):
        if name.startswith("STELE_"):
            monkeypatch.delenv(name)
