"""Postgres: the log, the entries, and the wake-ups that say that there is more of either."""
