"""How a process collects garbage. Reference counts free nearly everything here; the collector is for the few cycles.

Its defaults look at every object after 700 new ones: a third of the time of a busy runtime (docs/adr/0002).
"""

import gc

_YOUNG_OBJECTS = 100_000
"""New objects before the youngest generation is looked at."""


def settle() -> None:
    """To be called when everything that stays has been imported: it is not looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 100)
