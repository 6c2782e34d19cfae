"""The planner: transcript events in, at most one RecordPlan command out for each."""

import asyncio

import structlog
from prometheus_client import Counter

from adapters.nats.commands import CommandClient
from adapters.nats.consumer import Consumer
from adapters.nats.opening import OpeningClient
from adapters.rules.planner import RulePlanner
from domain import upcasts
from domain.events import Recorded
from domain.personal import ERASED
from domain.planning import RecordPlan
from domain.ports import Planner, Utterance
from domain.refusals import Refusal
from domain.runtime import Cause
from domain.transcripts import TranscriptChunkRecorded
from workers import parts
from workers.process import run, run_until
from workers.settings import Settings, required

_EVENTS = Counter(
    "stele_planner_events_total", "Events that were planned about: proposed, nothing or refused.", ("outcome",)
)
_PROPOSALS = Counter("stele_planner_proposals_total", "Actions that were proposed.")
_log = structlog.get_logger()


def main(settings: Settings) -> None:
    run("planner", lambda stop: _main(settings, stop), level=settings.log_level, exposed=settings)


async def _main(settings: Settings, stop: asyncio.Event) -> None:
    client = await parts.nats(required(settings.nats_url, "STELE_NATS_URL"), "planner")
    planning = Planning(RulePlanner(), CommandClient(client, "planner"), OpeningClient(client))
    types = upcasts.names(TranscriptChunkRecorded.type)
    await run_until(stop, Consumer(client, "planner", types, planning.on_event).run())
    await client.close()


class Planning:
    def __init__(self, planner: Planner, commands: CommandClient, opening: OpeningClient) -> None:
        self._planner = planner
        self._opening = opening
        self._commands = commands

    async def on_event(self, event: Recorded) -> None:
        """Plan about what was said. Delivered twice, it is planned once: ids and key follow from the event."""
        await self._opening.open(event)
        said = event.payload
        if not isinstance(said, TranscriptChunkRecorded) or said.text == ERASED:
            return
        utterance = Utterance(
            event.agent_id, said.space_id, event.position, said.person_id, said.speaker, said.text, event.occurred_at
        )
        proposals = tuple(await self._planner.plan(utterance))
        if not proposals:
            _EVENTS.labels("nothing").inc()
            return
        try:
            await self._commands.send(
                RecordPlan(said.space_id, event.event_id, proposals),
                agent_id=event.agent_id,
                key=str(event.event_id),
                cause=Cause(event.event_id, event.correlation_id),
                traceparent=event.traceparent,
            )
            _EVENTS.labels("proposed").inc()
            _PROPOSALS.inc(len(proposals))
        except Refusal as refusal:  # a plan that is refused is refused for good
            _EVENTS.labels("refused").inc()
            _log.warning("plan_refused", event_id=str(event.event_id), code=refusal.code)
