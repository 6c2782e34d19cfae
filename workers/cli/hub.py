"""How commands find a hub and talk to it."""

import contextlib
import fcntl
import json
import sys
import time
import urllib.parse
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from domain.refusals import NOT_NOW
from workers.cli.output import CommandFailed
from workers.cli.processes import settings

_TIMEOUT_SECONDS = 60.0
_OUTAGE_SECONDS_MAX = 30.0
_PAGE = 1_000
_RETRY = NOT_NOW - {"conflict"} | {"idempotency_key_in_flight", "unavailable", "projection_behind"}
_BUILDING = "as_of_building"
"""Waited for however long it takes: a state of a long past is folded from as many events."""


class Hub:
    """A hub over HTTP. Errors of the hub become CommandFailed with the problem's code."""

    def __init__(self, url: str, token: str, *, patient: bool = False) -> None:
        """A `patient` one waits for a hub that is away, as while it is restarted, and says so."""
        self.url = url
        self._patient = patient
        self.token = token
        self._client = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=_TIMEOUT_SECONDS
        )

    def get(self, path: str, **params: Any) -> Any:
        return self.get_tagged(path, **params)[0]

    def get_tagged(self, path: str, **params: Any) -> tuple[Any, str]:
        """The answer and its ETag."""
        response = self._send("GET", path, params={k: v for k, v in params.items() if v is not None})
        return response.json(), response.headers.get("ETag", "")

    def pages(self, path: str, items: str, goes_on: str, **params: Any) -> Iterator[Any]:
        """What is under `items` in page after page; what `goes_on` names of one is `after` of the next."""
        while True:
            page = self.get(path, **params, limit=_PAGE)
            yield from page[items]
            if page["caught_up"]:
                return
            params["after"] = page[goes_on]

    def post(self, path: str, body: Any = None, *, if_match: str | None = None) -> Any:
        """Sent again with the same Idempotency-Key while the hub is away, so it happens once."""
        headers = {"Idempotency-Key": str(uuid.uuid4()), **({"If-Match": if_match} if if_match else {})}
        return self._send("POST", path, json=body, headers=headers).json()

    def stream(self, method: str, path: str) -> Iterator[dict[str, Any]]:
        """JSON lines, as they come."""
        try:
            with self._client.stream(method, path, timeout=None) as response:
                if response.status_code >= httpx.codes.BAD_REQUEST:
                    response.read()
                    raise _failed(response)
                for line in response.iter_lines():
                    yield json.loads(line)
        except httpx.HTTPError as error:
            raise CommandFailed(f"the hub at {self.url} went away: {error}") from error

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        deadline = time.monotonic() + _OUTAGE_SECONDS_MAX
        waiting = False
        while True:
            try:
                response = self._client.request(method, path, **request)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                if not self._patient or time.monotonic() > deadline or isinstance(error, httpx.UnsupportedProtocol):
                    raise CommandFailed(f"the hub at {self.url} cannot be reached: {error}") from error
                if not waiting:
                    print(f"stele: waiting for the hub at {self.url}", file=sys.stderr)
                waiting = True
                time.sleep(0.3)
                continue
            if response.status_code < httpx.codes.BAD_REQUEST:
                return response
            failed = _failed(response)
            if failed.code != _BUILDING and (failed.code not in _RETRY or time.monotonic() > deadline):
                raise failed
            if failed.code == _BUILDING and not waiting:
                print("stele: waiting for the hub to build what was as of that position", file=sys.stderr)
                waiting = True
            time.sleep(0.3)


class HubRefused(CommandFailed):
    """The hub answered with a problem."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code


def quoted(part: str) -> str:
    """What somebody typed, as one part of a path."""
    return urllib.parse.quote(part, safe="") or "%20"


def _failed(response: httpx.Response) -> HubRefused:
    try:
        problem = response.json()
        return HubRefused(problem["code"], problem["detail"])
    except (ValueError, KeyError, TypeError):
        return HubRefused("http_error", f"{response.status_code} {response.reason_phrase}")


def find(data: Path | None, *, patient: bool = False) -> Hub:
    """The hub of STELE_URL, or the one that runs in the data folder. Raises CommandFailed.

    The token of a data folder goes to the hub of that folder and to no other.
    """
    chosen = settings(data=data)
    ready = running(chosen.data)
    if chosen.url is not None and data is None:
        own = ready is not None and ready["url"] == chosen.url.rstrip("/")
        if chosen.token is None and not own:
            raise CommandFailed(f"no token for {chosen.url}: set STELE_TOKEN")
        return Hub(chosen.url, chosen.token or _token(chosen.data / "owner.token"), patient=patient)
    if ready is None:
        raise CommandFailed(f"no hub is running in {chosen.data}; start one with: stele up --data {chosen.data}")
    return Hub(ready["url"], chosen.token or _token(Path(ready["token_file"])), patient=patient)


def running(data: Path) -> dict[str, Any] | None:
    """What the `ready` file of a running hub says; None when none runs there. A running hub holds the folder's lock."""
    try:
        with (data / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        with contextlib.suppress(OSError, ValueError):
            ready: dict[str, Any] = json.loads((data / "ready").read_text())
            return ready
    except OSError:
        pass
    return None


def _token(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError as error:
        raise CommandFailed(f"no token: set STELE_TOKEN, or put it into {file} ({error.strerror})") from error
