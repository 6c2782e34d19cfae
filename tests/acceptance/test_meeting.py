"""A meeting becomes history that everyone can follow, from the command line to the log and back."""

import json
import shutil
from itertools import pairwise
from pathlib import Path

import psycopg

from tests.hub import RunningHub, until, write_meeting

LINES = 120


def _texts(hub: RunningHub, space: str) -> list[str]:
    return [line["value"]["text"] for line in hub.lines("tail", "transcripts", "--space", space, "--until-head")]


def test_ingested_twice_a_meeting_is_recorded_once_in_its_order(hub: RunningHub, tmp_path: Path) -> None:
    said = write_meeting(tmp_path / "a.jsonl", LINES)
    first = hub.lines("ingest", str(tmp_path / "a.jsonl"), "--space", "twice")[0]
    again = hub.lines("ingest", str(tmp_path / "a.jsonl"), "--space", "twice")[0]
    assert (first["recorded"], first["already_there"], first["broken"]) == (LINES, 0, 0)
    assert (again["recorded"], again["already_there"], again["broken"]) == (0, LINES, 0)
    assert _texts(hub, "twice") == [line["text"] for line in said]


def test_broken_lines_are_reported_with_their_number_and_the_rest_goes_in(hub: RunningHub, tmp_path: Path) -> None:
    file = tmp_path / "broken.jsonl"
    good = json.dumps({"speaker": "A", "text": "first"}), json.dumps({"speaker": "B", "text": "last"})
    file.write_text("\n".join([good[0], "{", '{"speaker": "A"}', "[]", '{"speaker": "A", "text": 7}', good[1]]))
    done = hub.stele("ingest", str(file), "--space", "broken", expect=1)
    assert [line.split(":")[1] for line in done.stderr.splitlines()] == ["2", "3", "4", "5"]
    assert _texts(hub, "broken") == ["first", "last"]
    file.write_text("\n".join([good[0], json.dumps({"speaker": "A", "text": "mended"}), good[1]]))
    hub.stele("ingest", str(file), "--space", "broken")
    assert "mended" in _texts(hub, "broken")


def test_an_approved_action_is_run_and_its_causes_lead_back_to_what_was_said(hub: RunningHub, tmp_path: Path) -> None:
    write_meeting(tmp_path / "m.jsonl", LINES)
    hub.stele("ingest", str(tmp_path / "m.jsonl"), "--space", "causes")
    notes = until(lambda: [a for a in hub.lines("actions", "list", "--space", "causes") if a["tool"] == "note"])
    note = notes[0]
    log = {event["position"]: event for event in hub.lines("log")}
    said = [log[position] for position in note["rests_on"]]
    assert said
    assert all(event["type"] == "stele.transcripts.v1.TranscriptChunkRecorded" for event in said)
    assert any("decided" in event["data"]["text"] for event in said)

    hub.stele("actions", "approve", note["action_id"])
    until(
        lambda: [
            a
            for a in hub.lines("actions", "list", "--status", "succeeded")
            if a == {**a, "action_id": note["action_id"]}
        ]
    )
    events = [e for e in hub.lines("log") if e["stream_id"] == note["action_id"]]
    assert [e["type"].rsplit(".", 1)[1] for e in events] == [
        "ActionProposed",
        "ActionApproved",
        "ActionStarted",
        "ActionSucceeded",
    ]
    chain = [said[0], *events]
    assert all(after["causation_id"] == before["event_id"] for before, after in pairwise(chain))
    assert len({event["correlation_id"] for event in chain}) == 1
    assert "decided" in json.loads(events[-1]["data"]["result_json"])["note"]["text"]


def test_I1_topics_come_back_equal_when_nats_and_all_entries_are_lost(scratch: Path, tmp_path: Path) -> None:
    hub = RunningHub(scratch / "lost")
    hub.start()
    try:
        write_meeting(tmp_path / "m.jsonl", LINES)
        hub.stele("ingest", str(tmp_path / "m.jsonl"), "--space", "lost")
        action = until(lambda: hub.lines("actions", "list"))[0]["action_id"]
        hub.stele("actions", "reject", action, "--reason", "not now")
        before = _settled_digests(hub)
        with psycopg.connect(hub.ready["postgres_url"], autocommit=True) as connection:
            connection.execute("SELECT 1")
        postgres_url = hub.ready["postgres_url"]
        hub.stop()
        _empty_entries(hub.data / "postgres", postgres_url)
        shutil.rmtree(hub.data / "nats")
        hub.start()
        until(lambda: _settled_digests(hub) == before)
        verified = hub.lines("projections", "verify")
        assert {one["outcome"] for one in verified} == {"equal"}
    finally:
        hub.stop()


def _settled_digests(hub: RunningHub) -> dict[str, tuple[int, str]]:
    def settled() -> dict[str, tuple[int, str]] | None:
        listed = [one for one in hub.lines("projections", "list", "--digest") if one["state"] == "live"]
        if len(listed) < 4 or any(one["lag"] for one in listed):
            return None
        return {one["topic"]: (one["position"], one["digest"]) for one in listed}

    found: dict[str, tuple[int, str]] = until(settled)
    return found


def _empty_entries(folder: Path, url: str) -> None:
    """While the hub is down: start its Postgres alone, and empty every table of entries."""
    from adapters.embedded.postgres import EmbeddedPostgres

    server = EmbeddedPostgres(folder)
    server.start()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("TRUNCATE stele.entries")
    server.stop()
