"""`stele` whose supervisor starts what fell again at once: a hundred deaths within minutes are no crash loop here."""

from workers import supervisor
from workers.cli import main

_RESTART_SECONDS_MAX = 0.4

if __name__ == "__main__":
    supervisor._RESTART_SECONDS_MAX = _RESTART_SECONDS_MAX
    main()
