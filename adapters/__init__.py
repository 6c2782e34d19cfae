"""The outside world: one folder each. Adapters implement ports and do not import each other."""
