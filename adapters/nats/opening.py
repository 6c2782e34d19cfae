"""Opening what is sealed, for workers: an event travels over NATS as it is in the log, and a runtime opens it as long
as the persons' keys are there (invariant I9). The answer is kept nowhere.
"""

import asyncio
from uuid import UUID

import msgspec
import structlog
from msgspec import Struct
from nats.aio.msg import Msg

from adapters.nats.connect import OPENING_SUBJECT, Client, NatsError
from domain import canonical
from domain.events import REGISTRY, Event, Recorded
from domain.faults import describe
from domain.limits import COMMAND_REPLY_SECONDS_MAX, POLL_SECONDS
from domain.ports import Log, Vault
from domain.refusals import Refusal

_log = structlog.get_logger()


class _Request(Struct, frozen=True):
    agent_id: UUID
    position: int


class _Reply(Struct, frozen=True, omit_defaults=True):
    """The event's present type and its opened bytes, or why they cannot be had."""

    type: str = ""
    data: str = ""
    refusal_code: str | None = None


_requests, _replies = msgspec.json.Decoder(_Request), msgspec.json.Decoder(_Reply)


class OpeningServer:
    """Every runtime process serves the same queue group."""

    def __init__(self, client: Client, log: Log, vault: Vault) -> None:
        self._client = client
        self._log = log
        self._vault = vault

    async def start(self) -> None:
        await self._client.subscribe(OPENING_SUBJECT, queue="runtime", cb=self._answer)

    async def _answer(self, message: Msg) -> None:
        try:
            request = _requests.decode(message.data)
            events = await self._vault.open(await self._log.read_positions(request.agent_id, [request.position]))
            payload = events[0].payload if events else None
            reply = (
                _Reply(payload.type, canonical.encode(payload).decode())
                if payload is not None
                else _Reply(refusal_code="evidence_unknown")
            )
        except Refusal as refusal:
            reply = _Reply(refusal_code=refusal.code)
        except Exception as error:  # the worker hears nothing, waits, and asks again
            _log.error("opening_failed", error=describe(error))
            return
        if message.reply:
            await message.respond(msgspec.json.encode(reply))


class OpeningClient:
    """How a worker has an event opened."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def open(self, event: Recorded) -> None:
        """Let `event.payload` be in plain text; what nobody can open any more says ERASED.

        Raises TimeoutError when nobody answers, or nobody can tell just now: the event is to be delivered again.
        """
        if event.subjects:
            event.open_as(await self.read(event.agent_id, event.position))

    async def read(self, agent_id: UUID, position: int) -> Event:
        """The opened payload of the event at a position. Raises as `open`."""
        question = msgspec.json.encode(_Request(agent_id, position))
        async with asyncio.timeout(COMMAND_REPLY_SECONDS_MAX):
            while True:
                try:
                    message = await self._client.request(
                        OPENING_SUBJECT, question, timeout=COMMAND_REPLY_SECONDS_MAX / 3
                    )
                    reply = _replies.decode(message.data)
                except (NatsError, TimeoutError) as error:
                    _log.warning("opening_unanswered", error=describe(error))
                    await asyncio.sleep(POLL_SECONDS)
                    continue
                if reply.refusal_code is None:
                    payload: Event = msgspec.json.decode(reply.data, type=REGISTRY[reply.type])
                    return payload
                _log.warning("opening_put_off", code=reply.refusal_code)
                await asyncio.sleep(POLL_SECONDS)
