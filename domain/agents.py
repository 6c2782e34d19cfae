"""Agents: the tenant, and the tokens that speak for it."""

import hmac
import re
from typing import Any
from uuid import UUID

from msgspec import Struct

from domain.aggregate import Aggregate
from domain.canonical import sha256_hex
from domain.events import Event, event
from domain.limits import LABEL_CHARS_MAX
from domain.ports import Log
from domain.refusals import Refusal
from domain.runtime import Command, Work, handles

_PACKAGE = "stele.agents.v1"
_NOT_VALID = "the token is not valid for any agent of this hub"
ROLES = frozenset({"owner", "operator"})
"""owner: everything of this agent. operator: the hub itself (rebuild and verify projections)."""


@event(_PACKAGE)
class AgentCreated(Event, frozen=True):
    agent_id: UUID
    name: str


@event(_PACKAGE)
class TokenIssued(Event, frozen=True):
    """Only the SHA-256 of the secret is kept: 256 random bits need no slower hash."""

    agent_id: UUID
    token_id: UUID
    sha256: str
    roles: tuple[str, ...]


class BootstrapAgent(Command, frozen=True):
    """Create an agent and its owner's token in one step."""

    agent_id: UUID
    name: str
    token_id: UUID
    token_sha256: str
    roles: tuple[str, ...] = ("owner",)


class IssueToken(Command, frozen=True):
    """Another token for an agent that exists."""

    token_id: UUID
    token_sha256: str
    roles: tuple[str, ...] = ("owner",)


class Principal(Struct, frozen=True):
    """Who a token speaks for."""

    agent_id: UUID
    token_id: UUID
    roles: tuple[str, ...]


class Agent(Aggregate):
    name: str = ""
    tokens: dict[UUID, TokenIssued] = {}  # noqa: RUF012  never changed, only replaced

    def create(self, name: str) -> None:
        if self.exists:
            raise Refusal("agent_exists", f"agent {self.id} exists already")
        if not name.strip() or len(name) > LABEL_CHARS_MAX:
            raise Refusal("invalid_name", f"an agent's name has 1 to {LABEL_CHARS_MAX} characters")
        self.emit(AgentCreated(self.id, name))

    def issue(self, token_id: UUID, sha256: str, roles: tuple[str, ...]) -> None:
        if not roles or not ROLES.issuperset(roles):
            raise Refusal("invalid_command", f"roles are some of {sorted(ROLES)}")
        self.emit(TokenIssued(self.id, token_id, sha256, roles))

    def authenticate(self, token_id: UUID, secret: str) -> Principal:
        """Raises Refusal `unauthenticated` for a token that this agent did not issue."""
        token = self.tokens.get(token_id)
        if token is None or not hmac.compare_digest(token.sha256, sha256_hex(secret.encode())):
            raise Refusal("unauthenticated", _NOT_VALID)
        return Principal(self.id, token_id, token.roles)

    def when(self, event: Event) -> None:
        match event:
            case AgentCreated(name=name):
                self.name = name
            case TokenIssued(token_id=token_id):
                self.tokens = {**self.tokens, token_id: event}


def write_token(agent_id: UUID, token_id: UUID, secret: str) -> str:
    """The token as its holder keeps it: `stele_<agent id>_<token id>_<secret>`, ids in hexadecimal."""
    return f"stele_{agent_id.hex}_{token_id.hex}_{secret}"


_TOKEN = re.compile(r"stele_([0-9a-f]{32})_([0-9a-f]{32})_([A-Za-z0-9-]{20,200})")


async def authenticate(log: Log, token: str) -> Principal:
    """Who holds this token. It names its agent, so the answer comes from that agent's stream alone.

    Raises Refusal `unauthenticated`, with the same words whatever is wrong.
    """
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise Refusal("unauthenticated", _NOT_VALID)
    agent = Agent(UUID(match[1]))
    for recorded in await log.read_streams(agent.id, [agent.id]):
        agent.replay(recorded)
    return agent.authenticate(UUID(match[2]), match[3])


@handles(BootstrapAgent)
async def bootstrap(command: BootstrapAgent, work: Work) -> dict[str, Any]:
    agent = Agent(command.agent_id)
    await work.load(agent)
    agent.create(command.name)
    agent.issue(command.token_id, command.token_sha256, command.roles)
    return {"agent_id": command.agent_id, "token_id": command.token_id}


@handles(IssueToken)
async def issue_token(command: IssueToken, work: Work) -> dict[str, Any]:
    agent = Agent(work.agent_id)
    await work.load(agent)
    if not agent.exists:
        raise Refusal("agent_not_found", f"no agent {agent.id}")
    agent.issue(command.token_id, command.token_sha256, command.roles)
    return {"agent_id": agent.id, "token_id": command.token_id}
