"""`kill -9` of anything: nothing that was acknowledged is lost, nothing happens twice, and the hub heals itself."""

import json
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.acceptance.callers import client, created, events, post, proposal, status
from tests.hub import STELE, RunningHub, until
from workers.up import PROCESSES

LINES = 3_000
BATCH = 5
SPOKEN = "stele.transcripts.v1.TranscriptChunkRecorded"


@pytest.fixture(scope="module")
def fallible(scratch: Path) -> Iterator[RunningHub]:
    """A hub for these tests alone."""
    running = RunningHub(scratch / "crash")
    running.start()
    yield running
    running.stop()


class Writer(threading.Thread):
    """Somebody who keeps talking, and says a thing again with the same key until the hub acknowledges it."""

    def __init__(self, hub: RunningHub) -> None:
        super().__init__(daemon=True)
        self._hub = hub
        self._enough = threading.Event()
        self.acknowledged: dict[int, str] = {}
        """Position: what was said there."""

    def run(self) -> None:
        n = 0
        with client(self._hub, self._hub.token) as caller:
            while not self._enough.is_set():
                self._say(caller, f"Said without a pause, number {n}.", str(uuid.uuid4()))
                n += 1
                time.sleep(0.005)

    def _say(self, caller: httpx.Client, text: str, key: str) -> None:
        while True:
            try:
                answer = post(caller, "/v1/spaces/talk/transcript", {"speaker": "Bob", "text": text}, key=key)
            except httpx.HTTPError:
                continue
            if answer.status_code == 201:
                self.acknowledged[answer.json()["position"]] = text
                return
            assert answer.json()["code"] in ("unavailable", "log_unavailable", "idempotency_key_in_flight"), answer.text
            time.sleep(0.1)

    def goes_on(self, times: int = 1) -> int:
        """Wait until so much more is acknowledged, and return how much is now."""
        enough = len(self.acknowledged) + times
        until(lambda: len(self.acknowledged) >= enough, 30.0)
        return len(self.acknowledged)

    def stop(self) -> None:
        self._enough.set()
        self.join(60)
        assert not self.is_alive()


@pytest.fixture(scope="module")
def writer(fallible: RunningHub) -> Iterator[Writer]:
    with client(fallible, fallible.token) as caller:
        created(post(caller, "/v1/spaces", {"name": "talk"}))
    found = Writer(fallible)
    found.start()
    yield found
    found.stop()


def _pid(hub: RunningHub, command: str) -> int | None:
    """The process that runs a command of this hub now."""
    for child in psutil.Process(hub.ready["pid"]).children():
        try:
            if child.cmdline()[-1:] == [command]:
                return child.pid
        except psutil.NoSuchProcess:
            continue
    return None


def _kill(hub: RunningHub, command: str) -> int:
    pid = _pid(hub, command)
    assert pid is not None
    psutil.Process(pid).kill()
    return pid


def _lives(pid: int) -> bool:
    """A zombie, whose parent does not ask about it, does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _postmaster(hub: RunningHub) -> int:
    return int((hub.data / "postgres" / "postmaster.pid").read_text().splitlines()[0])


def _nats(hub: RunningHub) -> int:
    return int((hub.data / "nats" / "nats.pid").read_text())


def _everybody_works(hub: RunningHub) -> None:
    """It takes every process: to record, to show, to publish, to propose and to carry out."""
    with client(hub, hub.token) as caller:
        action = proposal(caller, "talk")["action_id"]
        created(post(caller, f"/v1/actions/{action}/approve"))
        until(lambda: status(caller, action) == "succeeded", 30.0)


def _spoken(hub: RunningHub) -> list[dict[str, Any]]:
    with client(hub, hub.token) as caller:
        return [event for event in events(caller) if event["type"] == SPOKEN]


def test_I11_what_was_acknowledged_survives_the_death_of_the_whole_hub(fallible: RunningHub, tmp_path: Path) -> None:
    """In the middle of an ingest; and the ingest that is run again adds what is missing, once."""
    said = [{"speaker": f"S{n % 7}", "text": f"Remark {n}.", "id": str(n)} for n in range(LINES)]
    file = tmp_path / "said.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in said))
    acknowledged: dict[int, list[dict[str, str]]] = {}

    def ingest() -> None:
        with client(fallible, fallible.token) as caller:
            created(post(caller, "/v1/spaces", {"name": "crash"}))
            for start in range(0, LINES, BATCH):
                chunks = said[start : start + BATCH]
                answer = created(post(caller, "/v1/spaces/crash/transcript/batch", {"chunks": chunks}))
                acknowledged[answer["position"]] = chunks

    broken = _fails(ingest)
    until(lambda: len(acknowledged) > 50)
    children = [*fallible.ready["processes"].values(), _nats(fallible)]
    postmaster = _postmaster(fallible)
    fallible.kill()
    assert broken() is not None, "it was over before the hub was killed"
    assert 0 < len(acknowledged) * BATCH < LINES
    until(lambda: not any(_lives(pid) for pid in children), 15.0)

    fallible.start()
    assert _postmaster(fallible) == postmaster, "the server that was left behind is adopted"
    survived = {event["data"]["source_id"]: event["position"] for event in _spoken(fallible)}
    assert len(survived) == len(_spoken(fallible))
    for position, chunks in acknowledged.items():
        assert [survived[chunk["id"]] for chunk in chunks][-1] == position
    again = fallible.lines("ingest", str(file), "--space", "crash")[0]
    assert (again["already_there"], again["recorded"]) == (len(survived), LINES - len(survived))
    recorded = [event["data"] for event in _spoken(fallible)]
    assert [one["source_id"] for one in recorded] == [line["id"] for line in said]
    assert [one["text"] for one in recorded] == [line["text"] for line in said]


def _fails(work: Callable[[], None]) -> Callable[[], BaseException | None]:
    """Do it in a thread; the answer waits for its end and tells how it failed."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except (httpx.HTTPError, AssertionError) as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()

    def wait() -> BaseException | None:
        thread.join(30)
        return failed[0] if failed else None

    return wait


def test_I5_a_tail_goes_on_without_a_gap_when_the_server_is_killed(fallible: RunningHub, writer: Writer) -> None:
    command = [*STELE, "tail", "transcripts", "--space", "talk", "--json", "--data", str(fallible.data)]
    heard: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as tail:
        assert tail.stdout is not None
        assert tail.stderr is not None
        heard.append(tail.stdout.readline())
        for _ in range(2):
            _kill(fallible, "serve")
            enough = writer.goes_on(50)
            while len(heard) < enough:
                heard.append(tail.stdout.readline())
        tail.send_signal(signal.SIGINT)
        assert tail.wait(10) == 130
        assert tail.stderr.read() == ""
    said = [text for _, text in sorted(writer.acknowledged.items())]
    assert [json.loads(line)["value"]["text"] for line in heard] == said[: len(heard)]


@pytest.mark.usefixtures("writer")
@pytest.mark.parametrize("command", PROCESSES)
def test_a_process_that_is_killed_is_started_again(fallible: RunningHub, command: str) -> None:
    before = _kill(fallible, command)
    _everybody_works(fallible)
    until(lambda: _pid(fallible, command) not in (None, before))


def test_a_postgres_that_is_killed_is_started_again(fallible: RunningHub, writer: Writer) -> None:
    before = _postmaster(fallible)
    psutil.Process(before).kill()
    _everybody_works(fallible)
    assert _postmaster(fallible) != before
    writer.goes_on()


def test_a_nats_that_is_killed_is_started_again(fallible: RunningHub, writer: Writer) -> None:
    before = _nats(fallible)
    psutil.Process(before).kill()
    _everybody_works(fallible)
    assert _nats(fallible) != before
    writer.goes_on()


def test_I11_after_all_that_everything_is_there_once_and_topics_equal_the_log(
    fallible: RunningHub, writer: Writer
) -> None:
    writer.stop()
    heard = [(event["position"], event["data"]["text"]) for event in _spoken(fallible)]
    said = [(position, text) for position, text in heard if text.startswith("Said without a pause")]
    assert said == sorted(writer.acknowledged.items())
    assert {one["outcome"] for one in fallible.lines("projections", "verify")} == {"equal"}


def test_ctrl_c_leaves_no_process_behind(fallible: RunningHub) -> None:
    assert len(_of(fallible)) >= len(PROCESSES) + 3
    fallible.stop()
    assert _of(fallible) == []
    assert not (fallible.data / "ready").exists()
    assert fallible.stele("log", expect=2).stderr.startswith("stele: no hub is running")


def _of(hub: RunningHub) -> list[str]:
    """Every process that has anything to do with a hub's folder."""
    found = []
    for process in psutil.process_iter():
        try:
            told = [*process.cmdline(), process.environ().get("STELE_DATA", "")]
        except psutil.Error:
            continue
        if process.pid != psutil.Process().pid and any(str(hub.data) in one for one in told):
            found.append(" ".join(told))
    return found
