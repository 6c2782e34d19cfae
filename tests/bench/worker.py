"""`python -m tests.bench.worker COMMAND …`: the command `stele` of a release that knows the bench's own event."""

import tests.bench.notes  # noqa: F401  registers it
from workers.cli import main

if __name__ == "__main__":
    main()
