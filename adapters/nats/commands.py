"""Commands over NATS: a worker asks, a runtime answers (request and reply). Its kind decides what it may ask."""

import asyncio
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import structlog
from msgspec import Raw, Struct
from nats.aio.msg import Msg
from opentelemetry.trace import SpanKind

from adapters import tracing
from adapters.nats.connect import Client, NatsError, command_subject
from domain import canonical
from domain.actions import FinishAction, StartAction
from domain.faults import describe
from domain.limits import COMMAND_REPLY_SECONDS_MAX, POLL_SECONDS
from domain.planning import RecordPlan
from domain.refusals import NOT_NOW, Refusal
from domain.runtime import Accepted, Cause, Command, Context, Runtime

ALLOWED: dict[str, tuple[type[Command], ...]] = {"planner": (RecordPlan,), "executor": (StartAction, FinishAction)}
"""A planner proposes, an executor executes what was approved; neither can approve (invariant I7)."""

_CONCURRENCY = 256
_log = structlog.get_logger()


class Request(Struct, frozen=True):
    """A command, for whom, and the event that caused it. `key` makes it happen once (invariant I6)."""

    command: str
    agent_id: UUID
    key: str
    cause: Cause
    data: Raw
    traceparent: str | None = None


class Reply(Struct, frozen=True, omit_defaults=True):
    """Either `position` and `result`, or a refusal."""

    position: int | None = None
    result: dict[str, Any] | None = None
    refusal_code: str | None = None
    refusal_detail: str | None = None
    retry_after_seconds: float | None = None


_requests = msgspec.json.Decoder(Request)
_replies = msgspec.json.Decoder(Reply)


class CommandServer:
    """Carries out the commands of workers. Every runtime process serves the same queue group."""

    def __init__(self, client: Client, runtime: Runtime) -> None:
        self._client = client
        self._runtime = runtime
        self._slots = asyncio.Semaphore(_CONCURRENCY)
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        for worker in ALLOWED:
            await self._client.subscribe(command_subject(worker), queue="runtime", cb=self._accept)

    async def _accept(self, message: Msg) -> None:
        await self._slots.acquire()  # at the bound NATS keeps the rest; a worker's request times out and is sent again
        task = asyncio.create_task(self._answer(message))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._slots.release()

    async def _answer(self, message: Msg) -> None:
        worker = message.subject.rsplit(".", 1)[-1]
        try:
            accepted = await self._execute(worker, message.data)
            reply = Reply(accepted.position, accepted.result)
        except Refusal as refusal:
            reply = Reply(
                refusal_code=refusal.code,
                refusal_detail=refusal.detail,
                retry_after_seconds=refusal.retry_after_seconds,
            )
        except Exception:  # the worker hears nothing, waits, and sends it again
            _log.exception("command_failed", worker=worker)
            return
        if message.reply:
            await message.respond(msgspec.json.encode(reply))

    async def _execute(self, worker: str, data: bytes) -> Accepted:
        try:
            request = _requests.decode(data)
            kinds = {kind.__name__: kind for kind in ALLOWED[worker]}
            if request.command not in kinds:
                raise Refusal("forbidden", f"a {worker} may send {sorted(kinds)}, not {request.command!r}")
            command = msgspec.json.decode(request.data, type=kinds[request.command])
        except (msgspec.DecodeError, RecursionError) as error:
            raise Refusal("invalid_command", str(error)) from error
        fingerprint = canonical.sha256_hex(request.command.encode() + bytes(request.data)).encode()
        context = Context(
            agent_id=request.agent_id,
            actor=f"worker:{worker}",
            key=f"{worker}:{request.key}",
            fingerprint=fingerprint,
            cause=request.cause,
            traceparent=request.traceparent,
        )
        return await self._runtime.execute(command, context)


C = TypeVar("C", bound=Command)


class CommandClient:
    """How a worker sends commands."""

    def __init__(self, client: Client, worker: str) -> None:
        self._client = client
        self._worker = worker

    async def send(
        self, command: Command, *, agent_id: UUID, key: str, cause: Cause, traceparent: str | None = None
    ) -> Accepted:
        """The runtime's answer. Without one, and when it says that it cannot just now, it is asked again with the same
        key, until the reply's time is over.

        It belongs to the span that is current, or else to `traceparent`.

        Raises Refusal; and TimeoutError, after which nobody knows whether it was carried out: send it again.
        """
        name = type(command).__name__
        with tracing.current(tracing.start(f"send {name}", tracing.here() or traceparent, kind=SpanKind.CLIENT)):
            data = Raw(canonical.encode(command))
            return await self._ask(Request(name, agent_id, key, cause, data, tracing.here()))

    async def _ask(self, request: Request) -> Accepted:
        payload = msgspec.json.encode(request)
        async with asyncio.timeout(COMMAND_REPLY_SECONDS_MAX):
            while True:
                try:
                    message = await self._client.request(
                        command_subject(self._worker), payload, timeout=COMMAND_REPLY_SECONDS_MAX / 3
                    )
                except (NatsError, TimeoutError) as error:  # no runtime is there just now
                    _log.warning("command_unanswered", command=request.command, error=describe(error))
                    await asyncio.sleep(POLL_SECONDS)
                    continue
                reply = _replies.decode(message.data)
                if reply.refusal_code not in NOT_NOW:
                    return _accepted(reply)
                _log.warning("command_put_off", command=request.command, code=reply.refusal_code)
                await asyncio.sleep(reply.retry_after_seconds or POLL_SECONDS)


def _accepted(reply: Reply) -> Accepted:
    if reply.refusal_code is not None:
        raise Refusal(reply.refusal_code, reply.refusal_detail or "", retry_after_seconds=reply.retry_after_seconds)
    return Accepted(reply.position or 0, reply.result or {})
