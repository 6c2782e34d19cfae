"""Sync `stele.sync.v1`: topics to clients. `protocol.py` decides, `feed.py` reads, `gateway.py` moves bytes."""
