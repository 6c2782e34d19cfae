"""The log and the entries in memory: fakes for unit tests, held to the same conformance suites as the real ones."""
