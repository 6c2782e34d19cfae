"""NATS: transport, never memory. Events go out, commands come in; losing all of it loses nothing."""
