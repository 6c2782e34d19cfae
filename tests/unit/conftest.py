"""Properties are tried without regard to the clock: a busy machine fails no test."""

from hypothesis import settings

settings.register_profile("unhurried", deadline=None, print_blob=True)
settings.load_profile("unhurried")
