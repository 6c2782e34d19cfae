"""The planner: transcript events in, at most one RecordPlan command out for each."""

import asyncio

import structlog

from adapters.nats.commands import CommandClient
from adapters.nats.consumer import Consumer
from adapters.rules.planner import RulePlanner
from domain.events import Recorded
from domain.planning import RecordPlan
from domain.ports import Planner, Utterance
from domain.refusals import Refusal
from domain.runtime import Cause
from domain.transcripts import TranscriptChunkRecorded
from workers import parts
from workers.process import run, run_until
from workers.settings import Settings, required

_log = structlog.get_logger()


def main(settings: Settings) -> None:
    run("planner", lambda stop: _main(settings, stop), level=settings.log_level)


async def _main(settings: Settings, stop: asyncio.Event) -> None:
    client = await parts.nats(required(settings.nats_url, "STELE_NATS_URL"), "planner")
    planning = Planning(RulePlanner(), CommandClient(client, "planner"))
    await run_until(stop, Consumer(client, "planner", [TranscriptChunkRecorded.type], planning.on_event).run())
    await client.close()


class Planning:
    def __init__(self, planner: Planner, commands: CommandClient) -> None:
        self._planner = planner
        self._commands = commands

    async def on_event(self, event: Recorded) -> None:
        """Plan about what was said. Delivered twice, it is planned once: ids and key follow from the event."""
        said = event.payload
        if not isinstance(said, TranscriptChunkRecorded):
            return
        utterance = Utterance(
            event.agent_id, said.space_id, event.position, said.person_id, said.speaker, said.text, event.occurred_at
        )
        proposals = tuple(await self._planner.plan(utterance))
        if not proposals:
            return
        try:
            await self._commands.send(
                RecordPlan(said.space_id, event.event_id, proposals),
                agent_id=event.agent_id,
                key=str(event.event_id),
                cause=Cause(event.event_id, event.correlation_id),
                traceparent=event.traceparent,
            )
        except Refusal as refusal:  # a plan that is refused is refused for good
            _log.warning("plan_refused", event_id=str(event.event_id), code=refusal.code)
