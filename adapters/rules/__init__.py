"""The planner that needs no model: English rules over what was said."""
