"""compose.yaml without Docker: its faults are found, and its commands, run as it says, make a hub."""

import copy
import json
import os
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.acceptance.compose import (
    NEEDS,
    Compose,
    Here,
    MustBeSet,
    bar,
    check,
    command,
    depends_on,
    environment,
    is_own,
    load,
    mounts,
    order,
    ports,
)
from tests.hub import until, write_meeting

ROOT = Path(__file__).parents[2]
SECRETS = {f"STELE_{name}": name[0] * 32 for name in ("DB_PASSWORD", "NATS_PASSWORD", "LIVEKIT_SECRET")}
SECRETS["STELE_MASTER_KEYS"] = f"k1:{'k' * 43}"
_WAIT_SECONDS_MAX = 20.0
_LINES = 40


def _compose() -> Compose:
    return load(ROOT / "compose.yaml", SECRETS)


class Stack:
    """The services as processes of this machine. Postgres is the test's own; LiveKit, which nobody needs, stays off."""

    def __init__(self, compose: Compose, folder: Path, database: str) -> None:
        self._compose = compose
        self._services: dict[str, Any] = compose["services"]
        self._folder = folder
        self._database = database
        self._here = Here(compose, folder, database)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._barred = bar(ROOT / "Dockerfile", folder / "barred")

    def up(self) -> None:
        """Start every service in the order, and under the conditions, of depends_on."""
        for name in order(self._compose):
            if name == "nats" or is_own(self._services[name]):
                self.start(name)

    def start(self, name: str) -> None:
        for other, condition in depends_on(self._services[name]).items():
            self._wait(other, condition)
        service = self._services[name]
        words = [self._here.text(name, word) for word in command(service)]
        if is_own(service):
            words = [sys.executable, "-m", "workers", *words]
        else:
            server = Path(sys.executable).with_name("nats-server")
            words = [str(server), *words, "--addr=127.0.0.1", f"--port={self._here.port(name, 4222)}"]
        given = {"PYTHONPATH": str(self._barred), **self._here.environment(name)}
        with (self._folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                words, env=given, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def healthy(self, name: str) -> bool:
        """The service's own healthcheck, asked once."""
        kind, *words = [self._here.text(name, word) for word in self._services[name]["healthcheck"]["test"]]
        assert kind == "CMD"
        if words[0] == "pg_isready":
            psycopg.connect(self._database).close()
            return True
        if words[0] == "wget":
            words = ["python", "-c", "import sys, urllib.request as u; u.urlopen(sys.argv[1], timeout=5)", words[-1]]
        assert words[0] == "python", f"{name}: no translation for the healthcheck {words}"
        return not subprocess.run([sys.executable, *words[1:]], capture_output=True, timeout=30, check=False).returncode

    def kill(self, name: str) -> None:
        """`kill -9`."""
        self._processes[name].send_signal(signal.SIGKILL)
        self._processes[name].wait(_WAIT_SECONDS_MAX)

    def down(self) -> dict[str, int]:
        """End what runs, the last one first; name and exit status of each."""
        statuses = {}
        for name, process in reversed(self._processes.items()):
            process.terminate()
            try:
                statuses[name] = process.wait(_WAIT_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                statuses[name] = process.wait()
        self._processes.clear()
        return statuses

    def stele(self, *arguments: str) -> list[dict[str, Any]]:
        """A user's command, by the published port and the token that bootstrap wrote; its JSON lines."""
        (port,) = ports(self._services["serve"])
        token = self._here.volume("owner") / "owner.token"
        settings = {
            "STELE_URL": f"http://127.0.0.1:{self._here.port('serve', port.target)}",
            "STELE_TOKEN": token.read_text().strip(),
        }
        done = subprocess.run(
            [sys.executable, "-m", "workers", *arguments, "--json"],
            env={"PATH": os.environ["PATH"], **settings},
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return [json.loads(line) for line in done.stdout.splitlines()]

    def _wait(self, name: str, condition: str) -> None:
        holds: Callable[[], bool] = {
            "service_started": lambda: self._processes[name].poll() is None,
            "service_healthy": lambda: self.healthy(name),
            "service_completed_successfully": lambda: self._processes[name].poll() == 0,
        }[condition]
        try:
            until(holds, _WAIT_SECONDS_MAX)
        except AssertionError as late:
            log = self._folder / f"{name}.log"
            raise AssertionError(f"{name}: {condition}: {late}\n{log.read_text() if log.exists() else ''}") from late


@pytest.fixture
def stack(database: str, tmp_path: Path) -> Iterator[Stack]:
    running = Stack(_compose(), tmp_path, database)
    yield running
    running.down()


def test_its_processes_make_a_hub_that_outlives_kill_9(stack: Stack, tmp_path: Path) -> None:
    """The main job, from what was said to what was done, with the projector and the serving process killed."""
    stack.up()
    until(lambda: stack.healthy("serve"), _WAIT_SECONDS_MAX)
    before, after = (
        [line["text"] for line in write_meeting(tmp_path / name, _LINES)] for name in ("before.jsonl", "after.jsonl")
    )

    assert stack.stele("ingest", str(tmp_path / "before.jsonl"), "--space", "room")[0]["recorded"] == _LINES
    until(lambda: _texts(stack) == before)
    note = until(lambda: _notes(stack, "proposed"))[0]
    stack.stele("actions", "approve", note)
    until(lambda: note in _notes(stack, "succeeded"))

    stack.kill("projector")
    assert stack.stele("ingest", str(tmp_path / "after.jsonl"), "--space", "room")[0]["recorded"] == _LINES
    stack.start("projector")
    until(lambda: _texts(stack) == before + after)

    stack.kill("serve")
    assert not stack.healthy("serve")
    stack.start("serve")
    until(lambda: stack.healthy("serve"), _WAIT_SECONDS_MAX)
    second = until(lambda: _notes(stack, "proposed"))[0]
    stack.stele("actions", "approve", second)
    until(lambda: {note, second} <= set(_notes(stack, "succeeded")))

    assert {one["outcome"] for one in stack.stele("projections", "verify")} == {"equal"}
    statuses = stack.down()
    assert {name: status for name, status in statuses.items() if name != "nats"} == dict.fromkeys(
        ("bootstrap", "serve", "projector", "relay", "planner", "executor"), 0
    )


def _texts(stack: Stack) -> list[str]:
    return [line["value"]["text"] for line in stack.stele("tail", "transcripts", "--space", "room", "--until-head")]


def _notes(stack: Stack, status: str) -> list[str]:
    listed = stack.stele("actions", "list", "--space", "room", "--status", status)
    return [action["action_id"] for action in listed if action["tool"] == "note"]


def test_nothing_is_wrong_with_it() -> None:
    assert check(_compose()) == []


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_that_is_not_set_is_asked_for_by_name(name: str) -> None:
    with pytest.raises(MustBeSet, match=rf"{name}: copy \.env\.example to \.env"):
        load(ROOT / "compose.yaml", {**SECRETS, name: ""})


def test_the_example_names_every_variable_and_holds_no_secret() -> None:
    example = (ROOT / ".env.example").read_text()
    used = set(re.findall(r"\$\{(\w+)", (ROOT / "compose.yaml").read_text()))
    assert set(re.findall(r"^(?:# )?(\w+)=", example, re.MULTILINE)) == used
    assert set(re.findall(r"^(\w+)=$", example, re.MULTILINE)) == set(SECRETS)


FAULTS: list[tuple[str, Callable[[Any], object], str]] = [
    ("unknown command", lambda s: s["relay"].update(command=["relais"]), "relay: `stele relais` is not a command"),
    ("unknown option", lambda s: s["relay"]["command"].append("--fast"), "No such option: --fast"),
    ("missing option", lambda s: s["bootstrap"].update(command="bootstrap"), "bootstrap: `stele bootstrap`: Missing"),
    ("unknown setting", lambda s: s["serve"]["environment"].update(STELE_PROT="1"), "serve: STELE_PROT is not a"),
    ("impossible setting", lambda s: s["serve"]["environment"].update(STELE_PORT="x"), "serve: STELE_PORT: "),
    *(
        (f"{process} without {name}", lambda s, p=process, n=name: s[p]["environment"].pop(n), f"{name} is not set")
        for process, names in NEEDS.items()
        for name in sorted(names)
    ),
    ("missing process", lambda s: s.pop("executor"), "no service runs `stele executor`"),
    ("port clash", lambda s: s["nats"].update(ports=["8420:4222"]), "nats and serve both publish port 8420/tcp"),
    ("no such service", lambda s: s["relay"]["depends_on"].update(redis={}), "relay: depends on redis, which is not"),
    ("no such condition", lambda s: s["relay"]["depends_on"]["nats"].update(condition="up"), "is not a condition"),
    ("no healthcheck", lambda s: s["nats"].pop("healthcheck"), "relay: waits for nats to be healthy, which has no"),
    ("never completes", lambda s: s["bootstrap"].update(restart="always"), "serve: waits for bootstrap to complete,"),
    ("cycle", lambda s: s["nats"].update(depends_on=["planner"]), "depends_on goes round in a circle: "),
    ("undeclared volume", lambda s: s["nats"].update(volumes=["jetstream:/data"]), "mounts the volume jetstream,"),
    ("image latest", lambda s: s["nats"].update(image="nats:latest"), "nats: the image nats:latest has no tag"),
    ("image without tag", lambda s: s["nats"].update(image="hub:5000/nats"), "nats: the image hub:5000/nats has no"),
    ("no image", lambda s: s["nats"].pop("image"), "nats: has no image"),
]


@pytest.mark.parametrize(("plant", "found"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS])
def test_a_fault_is_reported(plant: Callable[[Any], object], found: str) -> None:
    compose = copy.deepcopy(_compose())
    plant(compose["services"])
    faults = check(compose)
    assert any(found in fault for fault in faults), faults


def test_everyone_is_given_the_servers_that_the_file_starts() -> None:
    """Users, passwords, the database and the ports in the URLs are those of the servers."""
    services = _compose()["services"]
    postgres = services["postgres"]["environment"]
    credentials = f"{postgres['POSTGRES_USER']}:{postgres['POSTGRES_PASSWORD']}"
    options = dict(word.partition("=")[::2] for word in services["nats"]["command"])
    urls = {
        "STELE_POSTGRES_URL": f"postgresql://{credentials}@postgres:5432/{postgres['POSTGRES_DB']}",
        "STELE_NATS_URL": f"nats://{options['--user']}:{options['--pass']}@nats:4222",
    }
    for name, service in services.items():
        given = {key: value for key, value in environment(service).items() if key in urls}
        assert given == {key: urls[key] for key in given}, name
    assert urlsplit(services["nats"]["healthcheck"]["test"][-1]).port == int(options["--http_port"])


def test_what_is_published_is_for_this_machine_only_and_somebody_listens_there() -> None:
    services = _compose()["services"]
    published = {name: ports(service) for name, service in services.items() if ports(service)}
    assert {port.ip for each in published.values() for port in each} == {"127.0.0.1"}
    assert {name: [port.target for port in each] for name, each in published.items()} == {
        "livekit": [7880, 7881, 7882],
        "serve": [int(services["serve"]["environment"]["STELE_PORT"])],
    }
    assert services["serve"]["environment"]["STELE_HOST"] == "0.0.0.0"
    assert urlsplit(services["livekit"]["healthcheck"]["test"][-1]).port == 7880


def test_what_must_outlive_a_container_is_in_a_volume_and_everyone_is_started_again() -> None:
    services = _compose()["services"]
    assert mounts(services["postgres"]) == {"/var/lib/postgresql": "postgres"}, "where version 18 and later keep it"
    assert "--store_dir=/data" in services["nats"]["command"]
    assert mounts(services["nats"]) == {"/data": "nats"}
    assert not services["postgres"].get("command"), "its defaults are the durable ones"
    again = {name for name, service in services.items() if service["restart"] == "unless-stopped"}
    assert again == set(services) - {"bootstrap"}


def test_the_image_is_made_of_what_the_project_is_made_of_and_runs_as_nobody_special() -> None:
    text = (ROOT / "Dockerfile").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    copied = {
        source for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE) for source in line.split()[:-1]
    }
    packages = {"proto/gen" if name == "proto/gen/stele" else name for name in wheel["packages"]}
    meta = {project["project"]["readme"], *project["project"]["license-files"], "pyproject.toml", "requirements.lock"}
    assert copied == packages | meta
    assert all((ROOT / source).exists() for source in copied)
    allowed = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert allowed[0] == "*"
    assert {line[1:] for line in allowed if line.startswith("!")} == copied
    final = text.rpartition("\nFROM ")[2]
    assert re.search(r"^USER (?!0|root)\S+$", final, re.MULTILINE)
    assert '\nENTRYPOINT ["stele"]\n' in final
    assert "--require-hashes" in text
