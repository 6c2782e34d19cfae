"""What people say and what opens doors is in no log, no metric and no span of a hub, whatever goes wrong."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.acceptance.callers import client, created, head, post, raw, say, status
from tests.acceptance.otlp import Receiver
from tests.acceptance.watched import COLLECTOR_SECRET, METRICS_HEADERS, METRICS_TOKEN, watched_hub
from tests.hub import RunningHub, until

SAID = "Okay, so we decided to hide the xylophone under the bandstand."
WORDS = ("xylophone", "bandstand", "Quillfeather", "undercroft", "marzipan", COLLECTOR_SECRET, "guessed-token")


@pytest.fixture(scope="module")
def open_book(scratch: Path, collector: Receiver) -> Iterator[RunningHub]:
    """A hub that tells all it can."""
    with watched_hub(scratch / "book", collector, STELE_LOG_LEVEL="DEBUG") as running:
        yield running


def _meet(caller: httpx.Client) -> None:
    """A whole meeting, from what is said to a tool that tells in its error what it was given."""
    created(post(caller, "/v1/spaces", {"name": "undercroft", "title": "The undercroft"}))
    position = say(caller, "undercroft", SAID, speaker="Quillfeather")["position"]

    def proposed() -> list[str]:
        listed = caller.get("/v1/actions", params={"limit": 1000}).json()["entries"]
        return [one["key"] for one in listed if position in one["value"]["rests_on"]]

    action = until(proposed)[0]
    created(post(caller, f"/v1/actions/{action}/approve", {}, key="marzipan"))
    until(lambda: status(caller, action) == "failed")


def _blunder(hub: RunningHub, caller: httpx.Client) -> None:
    """Everything that is refused, with the words in every place that a request has."""
    chunk, broken = {"speaker": "Quillfeather", "text": SAID}, b"\r\n{marzipan"
    statuses = [
        post(caller, "/v1/spaces/xylophone/transcript", chunk).status_code,
        post(caller, "/v1/spaces/undercroft/transcript", {**chunk, "marzipan": 1}).status_code,
        post(caller, "/v1/spaces/undercroft/transcript", {**chunk, "started_at": "marzipan"}).status_code,
        post(caller, "/v1/spaces", {"name": "undercroft"}).status_code,
        post(caller, "/v1/spaces", {"name": "The Bandstand!"}).status_code,
        caller.get("/marzipan/undercroft?xylophone=1").status_code,
        caller.get("/v1/topics/xylophone/entries").status_code,
        caller.get("/v1/topics/people/entries", params={"after": "marzipan", "space": "undercroft"}).status_code,
        caller.request("MARZIPAN", "/v1/spaces").status_code,
        raw(caller, head(caller, "/v1/spaces", "Content-Length: 9", "traceparent: marzipan") + broken).status_code,
    ]
    with client(hub, "guessed-token") as nobody:
        statuses.append(nobody.get("/v1/log").status_code)
        statuses.append(post(nobody, "/v1/spaces/undercroft/transcript", chunk).status_code)
    assert all(400 <= one < 500 for one in statuses), statuses
    for hello in ("marzipan", json.dumps({"type": "hello", "token": "guessed-token", "protocol": "marzipan"})):
        with connect(hub.ready["url"].replace("http", "ws", 1) + "/v1/sync") as socket:
            socket.send(hello)
            with pytest.raises(ConnectionClosed):  # noqa: PT012  whatever is said before
                while True:
                    socket.recv(timeout=20)


def _poison(hub: RunningHub, caller: httpx.Client) -> None:
    """An event in the log whose bytes no release can read, as a fault of ours might leave one."""
    position = say(caller, "undercroft", "Nothing.")["position"]
    with psycopg.connect(hub.ready["postgres_url"]) as connection:
        connection.execute(
            """INSERT INTO stele.log SELECT (jsonb_populate_record(l, jsonb_build_object('position', position + 1,
            'event_id', gen_random_uuid(), 'stream_id', gen_random_uuid(), 'version', 1, 'data', %s::bytea))).*
            FROM stele.log l WHERE position = %s""",
            [b'{"text":"xylophone","marzipan":', position],
        )
        connection.execute("UPDATE stele.head SET position = position + 1")
    created(post(caller, "/v1/spaces", {"name": f"after-{uuid.uuid4().hex[:8]}"}))
    until(lambda: caller.get("/readyz").status_code == 503)


def test_nothing_that_was_said_and_no_secret_is_in_logs_metrics_and_spans(
    open_book: RunningHub, collector: Receiver
) -> None:
    with client(open_book, open_book.token) as caller:
        _meet(caller)
        _blunder(open_book, caller)
        _poison(open_book, caller)
        told = {"readyz": caller.get("/readyz").text}
        assert "stopped at position" in told["readyz"]
        agent = open_book.token.split("_")[1]
    metrics = {name: httpx.get(url, headers=METRICS_HEADERS).text for name, url in open_book.ready["metrics"].items()}
    ready = open_book.ready
    until(lambda: {"command FinishAction", "projection page"} <= {span.name for span in collector.spans})
    until(lambda: any(span.name == "projection page" and span.error for span in collector.spans))
    open_book.stop()

    told |= {f"metrics of {name}": text for name, text in metrics.items()}
    told |= {file.name: file.read_text() for file in (open_book.data / "logs").iterdir()}
    told |= {"up": open_book.data.with_suffix(".err").read_text(), "spans": "\n".join(collector.raw)}
    assert all(told[name] for name in ("serve.log", "planner.log", "projector.log", "spans", "metrics of serve"))
    secrets = [
        open_book.token,
        open_book.token.split("_")[3],
        METRICS_TOKEN,
        urlsplit(ready["nats_url"]).password or "",
    ]
    assert all(secrets)
    found = {(name, word) for name, text in told.items() for word in (*WORDS, *secrets) if word.lower() in text.lower()}
    assert found == set()
    assert {name for name, text in metrics.items() if agent in text.replace("-", "")} == set()
