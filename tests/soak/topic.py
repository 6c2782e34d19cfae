"""A projector process of the soak: the projector of the product, with one projection of one entry per event."""

import sys
from collections.abc import Iterable

from pydantic import SecretStr

import domain.contexts  # noqa: F401  registers every event
from domain.events import REGISTRY, Recorded
from projections import topics
from projections.projection import Projection, Value
from tests.keys import MASTER
from workers import projector
from workers.settings import Settings

TOPIC = "soak"


class Shown(Value, frozen=True):
    """How often an event was folded: once."""

    times: int


def key(event: Recorded) -> Iterable[str]:
    yield str(event.event_id)


def fold(entry: Shown | None, event: Recorded) -> Shown:
    return Shown((entry.times if entry else 0) + 1)


PROJECTION = Projection(topic=TOPIC, version=1, reads=REGISTRY.values(), value=Shown, key=key, fold=fold)


def main(conninfo: str) -> None:
    topics.TOPICS.clear()
    topics.TOPICS[TOPIC] = PROJECTION
    projector.main(Settings(postgres_url=conninfo, master_keys=SecretStr(MASTER), log_level="WARNING"))


if __name__ == "__main__":
    main(sys.argv[1])
