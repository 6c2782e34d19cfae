"""HTTP: commands in, queries out, problems in RFC 9457. What it needs is handed to it by `workers/serve.py`."""
