"""Sync `stele.sync.v1`: topics to clients, with cursors that never skip. `protocol.py` decides, `gateway.py` moves bytes."""
