"""Single pages of a projection, for tests that look at what is there between two of them."""

from projections.engine import Run
from projections.ports import EntryStore, EventSource, Generation
from projections.projection import AnyProjection


async def advance(
    log: EventSource,
    store: EntryStore,
    projection: AnyProjection,
    generation: Generation,
    *,
    limit: int = 1_000,
    up_to: int | None = None,
) -> Generation:
    """Fold one page of events and write it. Returns the generation unchanged when there is nothing new. Raises as
    Run.advance. A page that ends before an erasure is written together with that.
    """
    end = generation.position + limit if up_to is None else min(generation.position + limit, up_to)
    run = Run(log, store, projection, generation, lasting=False)
    try:
        while await run.advance(limit=limit, up_to=end) == generation and not run.at_end:
            pass  # folded, and not written yet
    finally:
        run.close()
    return run.generation
