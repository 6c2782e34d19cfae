"""I9: one command erases a person of a meeting from all that a hub shows or holds; the rest stays as it is."""

import asyncio
import json
from pathlib import Path
from typing import Any

import nats
import psycopg
import pytest

from adapters.nats.connect import STREAM
from tests.hub import RunningHub, until

NAME, WORD, OTHER = "Quilla Marsh", "zibbelfax", "Bo Dragan"
TOPICS = ("people", "spaces", "transcripts", "actions")


def _meeting(file: Path) -> None:
    said = [(NAME, f"I think the {WORD} number {n} is ready.") for n in range(6)]
    said += [(OTHER, f"We could look at the budget, part {n}.") for n in range(6)]
    said += [(NAME, f"We decided that the {WORD} ships on Friday."), (OTHER, "We decided to use the blue paint.")]
    lines = [json.dumps({"speaker": who, "text": text, "id": f"e{n}"}) for n, (who, text) in enumerate(said)]
    file.write_text("\n".join(lines) + "\n")


def _entries(hub: RunningHub) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (topic, line["key"]): line for topic in TOPICS for line in hub.lines("topics", "show", topic) if line["value"]
    }


def _everything(hub: RunningHub) -> bytes:
    """Every row of every table, as bytes: what a dump would hold."""
    found = []
    with psycopg.connect(hub.ready["postgres_url"]) as connection:
        tables = connection.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname LIKE 'stele%'"
        ).fetchall()
        for (table,) in tables:
            for row in connection.execute(f"SELECT * FROM {table}".encode()):
                found += [bytes(v) if isinstance(v, bytes | memoryview) else str(v).encode() for v in row]
    return b"\n".join(found)


def _events(hub: RunningHub) -> bytes:
    with psycopg.connect(hub.ready["postgres_url"]) as connection:
        return b"\n".join(data for (data,) in connection.execute("SELECT data FROM stele.log"))


async def _stream(hub: RunningHub) -> bytes:
    """Every message that JetStream holds."""
    client = await nats.connect(hub.ready["nats_url"])
    jetstream = client.jetstream()
    state, found = (await jetstream.stream_info(STREAM)).state, []
    for seq in range(state.first_seq, state.last_seq + 1):
        try:
            found.append((await jetstream.get_msg(STREAM, seq=seq)).data or b"")
        except nats.js.errors.NotFoundError:
            continue
    await client.close()
    return b"\n".join(found)


def _about(value: dict[str, Any], person: str) -> bool:
    return person in (value.get("person_id"), *value.get("person_ids", ()))


@pytest.fixture(scope="module")
def meeting(hub: RunningHub, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("erase") / "m.jsonl"
    _meeting(file)
    hub.stele("ingest", str(file), "--space", "erasing")
    return file


def test_I9_an_erased_person_is_gone_from_everywhere_and_everything_else_is_as_it_was(
    hub: RunningHub, meeting: Path
) -> None:
    notes = until(lambda: [a for a in hub.lines("actions", "list", "--space", "erasing") if len(_of_both(hub)) >= 2])
    mine = next(a for a in notes if WORD in a["title"])
    hub.stele("actions", "approve", mine["action_id"])
    until(lambda: _status(hub, mine["action_id"]) == "succeeded")
    before = _entries(hub)
    for secret in (NAME, WORD, OTHER):  # a backup of the events is as unreadable as the events
        assert secret.encode() not in _events(hub)
    [person] = [v["value"]["person_id"] for v in before.values() if v["value"].get("label") == NAME]

    assert hub.stele("erase", NAME, expect=2).stderr.startswith(f"{NAME}")
    assert "erased" in hub.stele("erase", NAME, "--yes").stdout
    until(lambda: not any(_about(line["value"], person) for k, line in _entries(hub).items() if k[0] != "actions"))
    until(lambda: _entries(hub)["actions", mine["action_id"]]["value"]["title"] == "[erased]")

    after = _entries(hub)
    left = {key: line for key, line in before.items() if not _about(line["value"], person)}
    assert {key: after[key]["value"] for key in left} == {key: line["value"] for key, line in left.items()}
    redacted = after["actions", mine["action_id"]]["value"]
    assert (redacted["status"], redacted["arguments"], redacted["result"]) == ("succeeded", {}, {})

    shown = "\n".join(hub.stele(*command, "--json").stdout for command in _LOOKS)
    until(lambda: WORD.encode() not in asyncio.run(_stream(hub)))
    for place in (shown.encode(), _everything(hub), asyncio.run(_stream(hub)), _logs(hub)):
        assert WORD.encode() not in place
        assert NAME.encode() not in place
    assert OTHER.encode() in shown.encode()

    for outcome in hub.lines("projections", "verify"):
        assert outcome["outcome"] == "equal", outcome
    assert "nobody of that name" in hub.stele("erase", NAME, "--yes", expect=2).stderr


def test_whoever_speaks_under_the_name_again_is_somebody_new(hub: RunningHub, meeting: Path) -> None:
    erased = {line["data"]["person_id"] for line in hub.lines("log") if line["type"].endswith("PersonErased")}
    again = meeting.with_name("again.jsonl")
    again.write_text(json.dumps({"speaker": NAME, "text": "Here I am."}) + "\n")
    hub.stele("ingest", str(again), "--space", "erasing")
    [back] = until(lambda: [p for p in hub.lines("people", "list") if p["value"] and p["value"]["label"] == NAME])
    assert back["value"]["person_id"] not in erased
    hub.stele("erase", back["value"]["person_id"], "--yes")


_LOOKS = (
    ("log",),
    *(("topics", "show", topic) for topic in TOPICS),
    ("actions", "list"),
    ("people", "list"),
    ("log", "--as-of", "20"),
    ("topics", "show", "transcripts", "--as-of", "20"),
)


def _of_both(hub: RunningHub) -> list[dict[str, Any]]:
    """Proposals that rest on what each of them decided."""
    found = hub.lines("actions", "list", "--space", "erasing")
    return [a for a in found if a["tool"] == "note"]


def _status(hub: RunningHub, action_id: str) -> str:
    return next(str(a["status"]) for a in hub.lines("actions", "list") if a["action_id"] == action_id)


def _logs(hub: RunningHub) -> bytes:
    return b"\n".join(file.read_bytes() for file in (hub.data / "logs").iterdir())
