"""Composition roots: one file a process. They wire, and hold no rules."""
