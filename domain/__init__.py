"""The rules of Stele: events, aggregates, commands, refusals and the runtime. Pure: no I/O, no clock, no randomness."""
