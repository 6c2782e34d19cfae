"""The command line: one line and a status for what is wrong, JSON for programs, nothing that steers a terminal."""

import json
import signal
import subprocess
import unicodedata
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.acceptance.callers import client, created, lines, post, say
from tests.hub import STELE, RunningHub, until

NASTY = "Okay, so we decided to go with the \x1b[31mred\x07 \x9b2J\u202e\u2028case for the \x08\rfirst version."
"""It has to reach the log as it is, and a terminal only without what steers it."""

LINES = 400
_NOWHERE = "00000000-0000-4000-8000-000000000000"
WRONG: dict[str, tuple[tuple[str, ...], str]] = {
    "no such command": (("fly",), "No such command 'fly'"),
    "a missing argument": (("tail",), "Missing argument"),
    "an unknown option": (("log", "--sideways"), "No such option: --sideways"),
    "a negative position": (("log", "--after", "-1"), "--after"),
    "a position that is none": (("log", "--after", "x"), "--after"),
    "a position beyond all": (("log", "--after", "99999999999999999999"), "invalid_request: "),
    "an unknown topic": (("tail", "weather"), "topic_not_found: "),
    "an unknown space": (("tail", "people", "--space", "nowhere"), "space_not_found: "),
    "a cursor that is none": (("tail", "people", "--after", "x"), "invalid_cursor: "),
    "a cursor of another history": (("tail", "people", "--after", "00000000.1.1"), "must_refetch (epoch): "),
    "an id that is none": (("actions", "approve", "first"), "'first' is not an action's id"),
    "an unknown action": (("actions", "approve", _NOWHERE), "action_not_found: "),
    "an unknown action to reject": (("actions", "reject", _NOWHERE), "action_not_found: "),
    "a reason that is too long": (("actions", "reject", _NOWHERE, "--reason", "x" * 201), "invalid_request: "),
    "an unknown status": (("actions", "list", "--status", "maybe"), "invalid_request: "),
    "no such projection": (("projections", "verify", "weather"), "topic_not_found: "),
    "a file that is not there": (
        ("ingest", "nowhere.jsonl", "--space", "cli"),
        "cannot read nowhere.jsonl: No such file",
    ),
    "a folder for a file": (("ingest", "/", "--space", "cli"), "cannot read /: Is a directory"),
    "a rate of nothing": (("ingest", "/dev/null", "--space", "cli", "--rate", "0"), "--rate is a number"),
    "a space's name that is none": (("ingest", "/dev/null", "--space", "a/b"), "invalid_name: "),
    "a token file that is there": (("agents", "create", "x", "--token-file", "/dev/null"), "/dev/null exists already"),
    "a process without its settings": (("serve",), "STELE_POSTGRES_URL is not set"),
}
"""What is asked of a hub that runs, and how the one line on standard error begins."""


@pytest.fixture(scope="module")
def wrong(hub: RunningHub) -> dict[str, subprocess.CompletedProcess[str]]:
    """All of them, two at a time."""
    with ThreadPoolExecutor(2) as threads:
        done = threads.map(lambda case: hub.stele(*case[0], expect=None), WRONG.values())
        return dict(zip(WRONG, done, strict=True))


@pytest.mark.parametrize("name", WRONG)
def test_what_the_caller_can_mend_is_one_line_and_status_2(
    wrong: dict[str, subprocess.CompletedProcess[str]], name: str
) -> None:
    done, begins = wrong[name], WRONG[name][1]
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("stele: ")
    assert begins in done.stderr


@pytest.mark.parametrize("arguments", [("log",), ("tail", "people"), ("actions", "list"), ("projections", "list")])
def test_without_a_hub_it_says_how_to_start_one(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = RunningHub(tmp_path / "none").stele(*arguments, expect=2)
    assert (
        done.stderr
        == f"stele: no hub is running in {tmp_path / 'none'}; start one with: stele up --data {tmp_path / 'none'}\n"
    )


@pytest.mark.parametrize(
    ("setting", "value", "command"),
    [
        ("STELE_PORT", "abc", "up"),
        ("STELE_PORT", "99999", "up"),
        ("STELE_LOG_LEVEL", "LOUD", "serve"),
        ("STELE_TOKEN", "x", "log"),
        ("STELE_TOKEN", "x", "tail people"),
    ],
)
def test_a_setting_that_is_wrong_is_named(hub: RunningHub, setting: str, value: str, command: str) -> None:
    done = RunningHub(hub.data, **{setting: value}).stele(*command.split(), expect=2)
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("stele: unauthenticated: " if setting == "STELE_TOKEN" else f"stele: {setting}: ")


@pytest.fixture(scope="module")
def talk(hub: RunningHub) -> str:
    """A space with more in it than a pipe holds, and with words that would steer a terminal."""
    name = f"talk-{uuid.uuid4().hex[:8]}"
    with client(hub, hub.token) as caller:
        created(post(caller, "/v1/spaces", {"name": name, "title": "\x1b]0;owned\x07"}))
        say(caller, name, *(f"Remark {n}, which goes on for a while{' and on' * 30}." for n in range(LINES)))
        say(caller, name, NASTY, speaker="\x1b[5mMallory")
    until(lambda: hub.lines("actions", "list", "--space", name))
    return name


def test_json_is_json(hub: RunningHub, talk: str) -> None:
    said = hub.lines("tail", "transcripts", "--space", talk, "--until-head")
    assert (len(said), said[-1]["value"]["text"]) == (LINES + 1, NASTY)
    assert {"position", "event_id", "type", "data"} <= hub.lines("log")[0].keys()
    assert {"action_id", "status", "arguments_sha256"} <= hub.lines("actions", "list", "--space", talk)[0].keys()
    assert {one["topic"] for one in hub.lines("projections", "list")} >= {"people", "spaces", "transcripts", "actions"}
    checks = hub.lines("doctor")
    assert {one["check"] for one in checks} >= {"python", "disk", "ready", "token", "projections"}
    assert all(one["ok"] for one in checks)


def test_nothing_that_was_said_steers_a_terminal(hub: RunningHub, talk: str, tmp_path: Path) -> None:
    file = tmp_path / "broken.jsonl"
    file.write_text(json.dumps({"speaker": "A", "text": "x", "\x1b[2J\x9b": 1}) + "\n" + '{"\x1b": \n')
    shown = [
        hub.stele("tail", "transcripts", "--space", talk, "--until-head").stdout,
        hub.stele("tail", "actions", "--space", talk, "--until-head").stdout,
        hub.stele("tail", "spaces", "--until-head").stdout,
        hub.stele("tail", "people", "--until-head").stdout,
        hub.stele("actions", "list", "--space", talk).stdout,
        hub.stele("log").stdout,
        hub.stele("ingest", str(file), "--space", talk, expect=1).stderr,
    ]
    for text in shown:
        assert text
        assert {unicodedata.category(c) for c in text.replace("\n", "")}.isdisjoint({"Cc", "Cf", "Zl", "Zp"}), text[
            -500:
        ]
    assert "red" in shown[0]


@pytest.mark.parametrize("command", ["log", "log --json", "tail transcripts", "tail transcripts --until-head --json"])
@pytest.mark.usefixtures("talk")
def test_who_stops_reading_is_not_told_off(hub: RunningHub, command: str) -> None:
    piped = f"{' '.join(STELE)} {command} --data {hub.data} | head -1"
    done = subprocess.run(["bash", "-c", piped], capture_output=True, text=True, timeout=60, check=True)
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


@pytest.fixture
def tail(hub: RunningHub) -> Iterator[subprocess.Popen[str]]:
    space = f"live-{uuid.uuid4().hex[:8]}"
    with client(hub, hub.token) as caller:
        created(post(caller, "/v1/spaces", {"name": space}))
    command = [*STELE, "tail", "transcripts", "--space", space, "--json", "--data", str(hub.data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as following:
        following.args = space
        yield following
        following.kill()


def test_tail_follows_what_is_said_until_it_is_interrupted(hub: RunningHub, tail: subprocess.Popen[str]) -> None:
    assert tail.stdout is not None
    assert tail.stderr is not None
    with client(hub, hub.token) as caller:
        for n in range(5):
            say(caller, str(tail.args), f"Live, number {n}.")
            assert lines(tail.stdout.readline())[0]["value"]["text"] == f"Live, number {n}."
    tail.send_signal(signal.SIGINT)
    assert tail.wait(10) == 130
    assert tail.stderr.read() == ""


def test_doctor_says_what_is_missing(hub: RunningHub, tmp_path: Path) -> None:
    well = hub.stele("doctor").stdout
    assert all(line.startswith("ok ") for line in well.splitlines())
    ill = RunningHub(tmp_path / "none").stele("doctor", expect=1)
    assert [line for line in ill.stdout.splitlines() if line.startswith("BAD")] == [
        f"BAD  hub: no hub is running in {tmp_path / 'none'}; start one with: stele up --data {tmp_path / 'none'}"
    ]
    assert ill.stderr == ""
