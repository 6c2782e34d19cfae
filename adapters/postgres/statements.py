"""SQL lives in `sql/*.sql`: a comment `-- name: what it is for` before each statement. Python builds none."""

import re
from importlib.resources import files
from typing import LiteralString, cast

_NAME = re.compile(r"^-- (\w+): .*$", re.MULTILINE)


def load(file: str) -> dict[str, LiteralString]:
    """The statements of `sql/<file>.sql` by name."""
    text = (files("adapters.postgres") / "sql" / f"{file}.sql").read_text()
    parts = _NAME.split(text)[1:]
    return {name: cast(LiteralString, body.strip()) for name, body in zip(parts[::2], parts[1::2], strict=True)}
