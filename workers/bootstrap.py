"""Makes a hub usable: the schema, the first agent, and its owner's token in a file of its own."""

import os
import secrets
from pathlib import Path
from uuid import UUID

import structlog

from adapters.postgres.appender import Appender
from adapters.postgres.connect import pool
from adapters.postgres.log import PostgresLog
from adapters.postgres.migrate import NotPermitted, SchemaNewer, alone, migrate
from domain.agents import AgentCreated, BootstrapAgent, IssueToken, authenticate, write_token
from domain.canonical import sha256_hex
from domain.refusals import Refusal
from domain.runtime import Command, Context, Runtime
from workers import parts
from workers.keys import prepare, vault
from workers.readable import refuse_unreadable
from workers.settings import NotConfigured, Settings

_log = structlog.get_logger()
_FIRST_ROLES = ("owner", "operator")


async def bootstrap(conninfo: str, token_file: Path, settings: Settings, *, alone_here: bool = False) -> None:
    """Bring the schema up to date and see that the token in `token_file` is an owner's. Doing it twice changes nothing,
    and when several processes do it at once, one does it and the others find it done.

    A log without agents gets its first one. A token file that is lost is replaced by a new token of that agent.
    `alone_here`: no process of an older release runs any more, so what only they needed goes (migrations `post`).
    Raises NotConfigured.
    """
    async with alone(conninfo):
        try:
            for name in await migrate(conninfo, "post" if alone_here else "pre"):
                _log.info("migrated", migration=name)
        except (SchemaNewer, NotPermitted) as error:
            raise NotConfigured(str(error)) from error
        await _see_to_the_owner(conninfo, token_file, settings)


async def _see_to_the_owner(conninfo: str, token_file: Path, settings: Settings) -> None:
    async with Appender(conninfo) as appender, pool(conninfo, "bootstrap", 1) as reading:
        log = PostgresLog(reading, appender)
        await refuse_unreadable(log)
        await prepare(settings, reading)
        keys = vault(settings, reading)
        runtime = Runtime(log, parts.SystemClock(), parts.TimeOrderedIds(), keys)
        first = await log.read(0, 1)
        created = first[0].payload if first else None
        agent_id = created.agent_id if isinstance(created, AgentCreated) else parts.TimeOrderedIds().new()
        if not await _valid(log, _read(token_file)):
            await _give_token(runtime, agent_id, "hub", token_file, _FIRST_ROLES, exists=created is not None)
        await keys.pseudonym(agent_id, "")  # a hub has a key from its start: who comes with another master key is told


async def create_agent(conninfo: str, name: str, token_file: Path, settings: Settings) -> UUID:
    """Another agent on the same hub: a tenant of its own, which shares nothing with the others. Raises Refusal."""
    async with Appender(conninfo) as appender, pool(conninfo, "bootstrap", 1) as reading:
        log = PostgresLog(reading, appender)
        runtime = Runtime(log, parts.SystemClock(), parts.TimeOrderedIds(), vault(settings, reading))
        agent_id = parts.TimeOrderedIds().new()
        await _give_token(runtime, agent_id, name, token_file, ("owner",), exists=False)
        return agent_id


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except FileNotFoundError:
        return ""


async def _valid(log: PostgresLog, token: str) -> bool:
    try:
        await authenticate(log, token)
    except Refusal:
        return False
    return True


async def _give_token(
    runtime: Runtime, agent_id: UUID, name: str, file: Path, roles: tuple[str, ...], *, exists: bool
) -> None:
    """Write the secret first: a token without a holder is of no use, a file without its event is written anew."""
    token_id, secret = parts.TimeOrderedIds().new(), secrets.token_hex(32)
    _put_aside(file)
    write_private(file, write_token(agent_id, token_id, secret) + "\n")
    digest = sha256_hex(secret.encode())
    command: Command = (
        IssueToken(token_id, digest, roles) if exists else BootstrapAgent(agent_id, name, token_id, digest, roles)
    )
    await runtime.execute(command, Context(agent_id, "hub:bootstrap"))


def _put_aside(file: Path) -> None:
    """It may be the only copy of a token for another database."""
    if file.exists():
        file.replace(file.with_name(f"{file.name}.replaced"))


def write_private(file: Path, text: str) -> None:
    """A file that only its owner reads; it appears whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)
