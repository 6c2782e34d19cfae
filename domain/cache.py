"""Aggregates that were used lately, so that hot ones are not read again. Only a cache (invariant I1): what it says is
checked by the version that a decision expects, and a decision that writes nothing is made again on what the log says.
"""

from collections import OrderedDict
from typing import Any
from uuid import UUID

from domain.aggregate import Aggregate

_Key = tuple[int, type[Aggregate], int]


class AggregateCache:
    def __init__(self, size_max: int) -> None:
        self._size_max = size_max
        self._kept: OrderedDict[_Key, dict[str, Any]] = OrderedDict()

    def fill(self, agent_id: UUID, aggregate: Aggregate) -> bool:
        """Bring a new aggregate to where it is kept; False when it is not."""
        key = (agent_id.int, type(aggregate), aggregate.id.int)
        frozen = self._kept.get(key)
        if frozen is None:
            return False
        self._kept.move_to_end(key)
        aggregate.thaw(frozen)
        return True

    def keep(self, agent_id: UUID, aggregate: Aggregate) -> None:
        """Keep what is in the log; an older version never takes the place of a newer one."""
        if not aggregate.cached or not aggregate.exists:
            return
        key = (agent_id.int, type(aggregate), aggregate.id.int)
        kept = self._kept.get(key)
        if kept is None:
            self._kept[key] = aggregate.freeze()
        elif kept["version"] < aggregate.version:
            self._kept[key] = aggregate.freeze()
            self._kept.move_to_end(key)
        if len(self._kept) > self._size_max:
            self._kept.popitem(last=False)

    def forget(self, agent_id: UUID, aggregate: Aggregate) -> None:
        """It turned out not to be what the log says."""
        self._kept.pop((agent_id.int, type(aggregate), aggregate.id.int), None)
