"""Every context of this release. Importing this makes the registries of events and handlers whole."""

from domain import acting, actions, agents, people, planning, spaces, transcripts

__all__ = ["acting", "actions", "agents", "people", "planning", "spaces", "transcripts"]
