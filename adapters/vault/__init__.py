"""Sealing what is personal: persons' keys, the master keys that wrap them, and the cipher."""
