"""What is seen of every command, whoever sent it: its span, and what became of it."""

from collections import Counter as Counts
from collections.abc import Iterator

from msgspec import structs
from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from adapters import tracing
from domain.refusals import Refusal
from domain.runtime import Accepted, Command, Context, Runtime


class ObservedRuntime(Runtime):
    """Commands are counted in a dict, which costs them nothing to speak of; Prometheus gets the sums when it asks."""

    async def execute(self, command: Command, context: Context) -> Accepted:
        name = type(command).__name__
        if tracing.recorded():
            return await self._traced(name, command, context)
        outcome = "failed"
        try:
            accepted = await super().execute(command, context)
            outcome = "repeated" if accepted.repeated else "accepted"
            return accepted
        except Refusal as refusal:
            outcome = "refused"
            _REFUSALS[refusal.code] += 1
            raise
        finally:
            _COMMANDS[name, outcome] += 1

    async def _traced(self, name: str, command: Command, context: Context) -> Accepted:
        span = tracing.start(f"command {name}", context.traceparent)
        below = tracing.traceparent(span)
        if below != context.traceparent:
            context = structs.replace(context, traceparent=below)
        outcome = "failed"
        try:
            accepted = await super().execute(command, context)
            outcome = "repeated" if accepted.repeated else "accepted"
            span.set_attribute("stele.position", accepted.position)
            return accepted
        except Refusal as refusal:
            outcome = "refused"
            _REFUSALS[refusal.code] += 1
            span.set_attribute("stele.code", refusal.code)
            raise
        except Exception as error:
            tracing.fail(span, type(error).__name__)
            raise
        finally:
            _COMMANDS[name, outcome] += 1
            span.set_attribute("stele.outcome", outcome)
            span.end()


_COMMANDS: Counts[tuple[str, str]] = Counts()
_REFUSALS: Counts[str] = Counts()


class _Commands(Collector):
    def collect(self) -> Iterator[CounterMetricFamily]:
        commands = CounterMetricFamily(
            "stele_commands",
            "Commands by what became of them: accepted, repeated (with their first answer), refused or failed.",
            labels=("command", "outcome"),
        )
        for labels, count in list(_COMMANDS.items()):
            commands.add_metric(labels, count)
        refusals = CounterMetricFamily(
            "stele_refusals", "Refused commands by the code of the refusal.", labels=("code",)
        )
        for code, count in list(_REFUSALS.items()):
            refusals.add_metric((code,), count)
        yield commands
        yield refusals


REGISTRY.register(_Commands())
