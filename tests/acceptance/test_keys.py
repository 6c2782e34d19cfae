"""I9: the master keys of a hub are rotated while it runs, and a hub without the right ones does not start."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.vault.master import generate
from tests.hub import RunningHub, until


@pytest.fixture(scope="module")
def own(scratch: Path) -> Iterator[RunningHub]:
    hub = RunningHub(scratch / "keys")
    hub.start()
    yield hub
    hub.stop()


def _say(hub: RunningHub, folder: Path, *said: tuple[str, str]) -> None:
    file = folder / "said.jsonl"
    file.write_text("".join(json.dumps({"speaker": who, "text": text}) + "\n" for who, text in said))
    hub.stele("ingest", str(file), "--space", "keys")


def _texts(hub: RunningHub) -> list[str]:
    return [line["data"]["text"] for line in hub.lines("log") if line["type"].endswith("TranscriptChunkRecorded")]


def test_master_keys_are_rotated_while_the_hub_runs(own: RunningHub, tmp_path: Path) -> None:
    _say(own, tmp_path, ("Ada", "Before."), ("Grace", "As well."))
    [old] = own.lines("keys", "list")
    assert (old["state"], old["wraps"]) == ("wraps", 3)  # two people's, and the agent's own
    done = own.lines("keys", "rotate")[0]
    assert (done["wrapped"], done["where"]) == (3, str(own.data / "master.key"))
    _say(own, tmp_path, ("Edsger", "Meanwhile."), ("Ada", "Still here."))
    new, gone = own.lines("keys", "list")
    assert (new["master_key_id"], new["state"], new["wraps"]) == (done["master_key_id"], "wraps", 4)
    assert (gone["master_key_id"], gone["state"], gone["wraps"]) == (old["master_key_id"], "opens", 0)

    file = own.data / "master.key"
    file.write_text(file.read_text().splitlines()[0] + "\n")
    own.stop()
    own.start()
    assert until(lambda: _texts(own)) == ["Before.", "As well.", "Meanwhile.", "Still here."]


def test_a_hub_without_its_master_key_does_not_start_and_makes_no_other(own: RunningHub) -> None:
    own.stop()
    file = own.data / "master.key"
    kept = file.read_text()
    for wrong, words in (
        (None, "cannot be read"),
        (generate() + "\n", "which are not here"),
        ("nonsense", "is not of"),
    ):
        file.unlink(missing_ok=True)
        if wrong is not None:
            file.write_text(wrong)
        failed = own.stele("up", expect=2)
        assert words in failed.stderr
        assert len(failed.stderr.strip().splitlines()) == 1
        assert kept.partition(":")[2].strip() not in failed.stderr
        assert file.exists() == (wrong is not None)
    file.write_text(kept)
    own.start()
    assert len(_texts(own)) == 4
