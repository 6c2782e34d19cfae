"""What a hub tells of itself: one trace from the request to the tool, and metrics as they are documented."""

import os
import re
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.acceptance.callers import client, created, events, post, problem, say, status
from tests.acceptance.otlp import Receiver, Sent
from tests.acceptance.watched import METRICS_HEADERS, METRICS_TOKEN, watched_hub
from tests.hub import RunningHub, until

SPACE = "POST /v1/spaces/{space}/transcript"
APPROVE = "POST /v1/actions/{action_id}/approve"
OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
UUID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}")


@pytest.fixture(scope="module")
def watched(scratch: Path, collector: Receiver) -> Iterator[RunningHub]:
    with watched_hub(scratch / "watched", collector) as running:
        yield running


@pytest.fixture(scope="module")
def caller(watched: RunningHub) -> Iterator[httpx.Client]:
    with client(watched, watched.token) as found:
        created(post(found, "/v1/spaces", {"name": "room"}))
        yield found


def _metrics(hub: RunningHub, process: str) -> str:
    answer = httpx.get(hub.ready["metrics"][process], headers=METRICS_HEADERS)
    assert answer.status_code == 200, answer.text
    return answer.text


def _samples(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """Values by name and label values."""
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _send(caller: httpx.Client, path: str, body: Any, traceparent: str) -> dict[str, Any]:
    headers = {"Idempotency-Key": str(uuid.uuid4()), "traceparent": traceparent}
    return created(caller.post(path, json=body, headers=headers))


def _action_about(caller: httpx.Client, position: int) -> str:
    def proposed() -> list[str]:
        listed = caller.get("/v1/actions", params={"limit": 1000}).json()["entries"]
        return [one["key"] for one in listed if position in one["value"]["rests_on"]]

    return str(until(proposed)[0])


def test_one_trace_goes_from_the_request_through_the_log_to_planner_and_executor(
    caller: httpx.Client, collector: Receiver
) -> None:
    trace, mine = uuid.uuid4().hex, "00f067aa0ba902b7"
    text = "Okay, so we decided to go with the wooden case for the first version."
    body = {"speaker": "Ada", "text": text}
    said = _send(caller, "/v1/spaces/room/transcript", body, f"00-{trace}-{mine}-01")
    action = _action_about(caller, said["position"])
    _send(caller, f"/v1/actions/{action}/approve", {}, f"00-{trace}-{mine}-01")
    until(lambda: status(caller, action) == "succeeded")
    until(lambda: collector.find("command FinishAction"))

    def one(parent: Sent | str, name: str, service: str) -> Sent:
        found = until(lambda: [span for span in collector.below(parent, name) if span.trace == trace])
        assert [span.service for span in found] == [f"stele-{service}"], name
        return found[0]  # type: ignore[no-any-return]

    record = one(one(mine, SPACE, "serve"), "command RecordTranscript", "serve")
    planned = one(record, "planner event", "planner")
    one(one(planned, "send RecordPlan", "planner"), "command RecordPlan", "serve")
    approve = one(one(mine, APPROVE, "serve"), "command ApproveAction", "serve")
    executed = one(approve, "executor event", "executor")
    one(one(executed, "send StartAction", "executor"), "command StartAction", "serve")
    tool = one(executed, "tool", "executor")
    finish = one(one(executed, "send FinishAction", "executor"), "command FinishAction", "serve")
    assert (tool.attributes["stele.tool"], tool.attributes["stele.outcome"]) == ("note", "succeeded")

    linked = (record.trace, record.id)
    assert until(lambda: [span for span in collector.find("append") if linked in span.links])
    pages = until(lambda: [span for span in collector.find("projection page") if linked in span.links])
    assert {span.service for span in pages} == {"stele-projector"}
    assert all(len(span.links) <= 32 for span in collector.spans)

    log = {event["position"]: event["traceparent"] for event in events(caller)}
    assert log[said["position"]] == record.traceparent
    assert log[max(log)] == finish.traceparent
    assert all(span.events == 0 for span in collector.spans)


@pytest.mark.parametrize(
    "sent", ["", "00-" + "0" * 32 + "-00f067aa0ba902b7-01", "ff-" + "a" * 32 + "-" + "b" * 16 + "-01"]
)
def test_a_traceparent_that_is_none_begins_a_trace_of_its_own(caller: httpx.Client, sent: str) -> None:
    position = _send(caller, "/v1/spaces/room/transcript", {"speaker": "Ada", "text": "Hello."}, sent)["position"]
    written = events(caller, position - 1)[0]["traceparent"]
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[13]", written)
    assert sent[3:35] != written[3:35]


def test_metrics_are_for_who_has_a_token_for_them(watched: RunningHub, caller: httpx.Client) -> None:
    for token in ("", "no-such-token", METRICS_TOKEN[:-1]):
        with client(watched, token) as nobody:
            problem(nobody.get("/metrics"), 401, "unauthenticated")
            for url in watched.ready["metrics"].values():
                assert nobody.get(url).status_code == 401
    with client(watched, METRICS_TOKEN) as prometheus:
        assert "stele_append_seconds_bucket" in prometheus.get("/metrics").text
        problem(prometheus.get("/v1/log"), 401, "unauthenticated")
    assert caller.get("/metrics").headers["content-type"].startswith("text/plain"), "an operator may read them"
    for url in watched.ready["metrics"].values():
        assert httpx.get(url.replace("/metrics", "/livez")).status_code == 200


@pytest.mark.parametrize(
    "setting", ["STELE_METRICS_LISTEN=9464", "STELE_METRICS_LISTEN=127.0.0.1:65536", "STELE_METRICS_TOKEN=short"]
)
def test_a_setting_that_is_none_is_told_by_its_name(tmp_path: Path, setting: str) -> None:
    name, _, value = setting.partition("=")
    refused = RunningHub(tmp_path / "never", **{name: value}).stele("up", "--port", "0", expect=2)
    assert refused.stderr.startswith(f"stele: {name}: ")
    assert refused.stderr.count("\n") == 1


def test_an_address_for_metrics_that_is_taken_is_told(watched: RunningHub, tmp_path: Path) -> None:
    taken = urlsplit(watched.ready["metrics"]["relay"]).netloc
    refused = RunningHub(tmp_path / "never", STELE_METRICS_LISTEN=taken).stele("up", "--port", "0", expect=2)
    assert refused.stderr.startswith(f"stele: STELE_METRICS_LISTEN: cannot listen on {taken}: ")


def _documented() -> dict[tuple[str, str], set[str]]:
    """(process, metric) -> labels, of the table in docs/operations.md."""
    row = re.compile(r"^\| `(stele_\w+)` \| (\w+) \|([^|]*)\|([^|]*)\|", re.MULTILINE)
    return {
        (process.strip(), name): set(re.findall(r"`(\w+)`", labels))
        for name, _, labels, processes in row.findall(OPERATIONS.read_text())
        for process in processes.split(",")
    }


def test_every_metric_is_documented_with_its_labels_and_the_other_way_round(
    watched: RunningHub, caller: httpx.Client
) -> None:
    url = watched.ready["url"].replace("http", "ws", 1) + "/v1/sync"
    with connect(url) as socket:
        socket.send("no message at all")
        with pytest.raises(ConnectionClosed):
            socket.recv()
    until(lambda: "stele_sync_closes_total{" in _metrics(watched, "serve"))
    shown: dict[tuple[str, str], set[str]] = {}
    for process in watched.ready["metrics"]:
        for family in text_string_to_metric_families(_metrics(watched, process)):
            if not family.name.startswith("stele_"):
                continue
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            shown[process, name] = labels
    documented = _documented()
    assert shown.keys() == documented.keys()
    assert {key: labels for key, labels in shown.items() if labels and labels != documented[key]} == {}


def test_work_moves_the_metrics(watched: RunningHub, caller: httpx.Client) -> None:
    say(caller, "room", "Whoever speaks is met now.")
    before = _samples(_metrics(watched, "serve"))
    say(caller, "room", "One.", "Two.", "Three.")
    problem(post(caller, "/v1/spaces/nowhere/transcript", {"speaker": "Ada", "text": "x"}), 404, "space_not_found")
    after = _samples(_metrics(watched, "serve"))

    def grew(name: str, *labels: str) -> float:
        return after[name, labels] - before.get((name, labels), 0.0)

    assert grew("stele_append_batch_events_sum") == 3
    assert grew("stele_append_seconds_count") == grew("stele_append_batch_commands_count") >= 2
    assert grew("stele_commands_total", "RecordTranscript", "accepted") == 1
    assert grew("stele_commands_total", "RecordTranscript", "refused") == 1
    assert grew("stele_refusals_total", "space_not_found") == 1
    assert grew("stele_http_problems_total", "space_not_found") == 1
    batch = ("POST", "/v1/spaces/{space}/transcript/batch", "201")
    assert grew("stele_http_request_seconds_count", *batch) == 1
    head = after["stele_log_head_position", ()]
    until(lambda: _samples(_metrics(watched, "serve"))["stele_projection_position", ("transcripts",)] >= head)
    until(lambda: _samples(_metrics(watched, "projector"))["stele_projection_events_total", ("people",)] >= head)
    until(lambda: _samples(_metrics(watched, "relay"))["stele_relay_events_total", ()] >= head)


def test_lag_is_right_while_the_projector_is_dead(watched: RunningHub, caller: httpx.Client) -> None:
    """It is stopped rather than killed: a killed one is started again at once."""
    pid = watched.ready["processes"]["projector"]
    head = say(caller, "room", "Before.")["position"]
    until(lambda: _samples(_metrics(watched, "serve"))["stele_projection_lag_events", ("people",)] == 0)
    os.kill(pid, signal.SIGSTOP)
    try:
        say(caller, "room", "After.", "After that.")
        until(lambda: _samples(_metrics(watched, "serve"))["stele_projection_lag_seconds", ("people",)] > 1.0)
        found = _samples(_metrics(watched, "serve"))
        assert found["stele_projection_position", ("people",)] == head
        assert found["stele_projection_lag_events", ("people",)] == 2
    finally:
        os.kill(pid, signal.SIGCONT)
    until(lambda: _samples(_metrics(watched, "serve"))["stele_projection_lag_seconds", ("people",)] == 0)
