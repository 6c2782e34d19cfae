"""A refusal: the answer "no" to a command, with a stable code and nothing written."""

from typing import Final


class Refusal(Exception):
    """A command was not carried out. Nothing of it was written.

    `code` is stable and for programs; `detail` says what was wrong, what was expected and what to do.
    """

    def __init__(self, code: str, detail: str, *, retry_after_seconds: float | None = None) -> None:
        if code not in CODES:
            raise ValueError(f"refusal code {code!r} is not listed in domain/refusals.py")
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds


NOT_NOW: Final = frozenset({"conflict", "overloaded", "log_unavailable", "keys_unavailable"})
"""Refusals that are about the moment, not about the command. They are not kept under its key."""

CODES: Final = frozenset(
    {
        # what was sent is not well-formed
        "invalid_command",
        "invalid_name",
        "invalid_arguments",
        "text_empty",
        "text_too_long",
        "batch_empty",
        "batch_too_large",
        "times_reversed",
        # who sent it
        "unauthenticated",
        "forbidden",
        # what it is about
        "agent_exists",
        "agent_not_found",
        "space_exists",
        "space_not_found",
        "chunk_differs",
        "action_not_found",
        "action_not_proposed",
        "action_not_approved",
        "action_not_started",
        "approval_mismatch",
        "lease_held",
        "lease_lost",
        "evidence_unknown",
        "person_not_found",
        "person_erased",
        "person_unsealed",
        # the same command again
        "idempotency_key_reused",
        "idempotency_key_in_flight",
        # not now
        "version_mismatch",
        "conflict",
        "overloaded",
        "log_unavailable",
        "keys_unavailable",
    }
)
