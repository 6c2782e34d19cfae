"""Postgres and NATS from wheels, as children of `stele up` and of the tests. No Docker, no account."""
