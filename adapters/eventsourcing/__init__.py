"""Reading the log by a stock application of the library `eventsourcing`, by its own settings (docs/adr/0013)."""
