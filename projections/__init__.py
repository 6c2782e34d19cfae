"""Read models: one file a topic, each a pure fold of events into entries; `engine.py` runs them."""
