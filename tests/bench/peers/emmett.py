"""Emmett's Postgres event store (`@event-driven-io/emmett-postgresql`), in a Node process of its own."""

import asyncio
import json
import shutil
from pathlib import Path
from urllib.parse import quote

import msgspec
from psycopg.conninfo import conninfo_to_dict

from tests.bench.measure import Sample
from tests.bench.notes import TEXT

_WARM_SECONDS_MIN = 1.0
"""Node compiles while it runs; before that it is not at its best."""
_FOLDER = Path(__file__).parent / "emmett"


async def prepare() -> str:
    """Install it where it is not yet. Returns why it cannot run, or nothing."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return "node and npm are not there"
    if not (_FOLDER / "node_modules").is_dir():
        process = await asyncio.create_subprocess_exec(
            npm, "ci", "--silent", cwd=_FOLDER, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        if await process.wait() != 0:
            return "npm ci failed"
    return ""


def version() -> str:
    declared = json.loads((_FOLDER / "package.json").read_text())
    return str(declared["dependencies"]["@event-driven-io/emmett-postgresql"])


async def append(conninfo: str, callers: int, warm_seconds: float, seconds: float) -> Sample:
    """Raises RuntimeError when the process fails."""
    warm_seconds = max(warm_seconds, _WARM_SECONDS_MIN)
    parts = conninfo_to_dict(conninfo)
    url = f"postgresql://{parts['user']}@/{parts['dbname']}?host={quote(str(parts['host']), safe='/')}"
    process = await asyncio.create_subprocess_exec(
        *("node", "append.js", url, str(callers), str(warm_seconds), str(seconds), TEXT),
        cwd=_FOLDER,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        out, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode != 0:
        raise RuntimeError(f"append.js failed: {errors.decode()[-2_000:]}")
    return msgspec.json.decode(out, type=Sample)
