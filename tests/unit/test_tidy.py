"""The repository keeps its own rules: this reads it and fails where it does not."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

import domain.contexts  # noqa: F401  registers every event
from adapters.http.problems import STATUS
from domain.events import REGISTRY
from domain.refusals import CODES
from projections.topics import TOPICS
from workers.cli import app

ROOT = Path(__file__).parents[2]
CODE = ("domain", "projections", "adapters", "workers")
LINES_MAX = 300
NOT_PROJECTED = {
    "stele.agents.v1.AgentCreated": "an agent is read from its stream alone",
    "stele.agents.v1.TokenIssued": "a token is checked against its agent's stream, never against a projection",
}


def _files(pattern: str = "*") -> list[Path]:
    """What git tracks or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", pattern],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for line in listed.stdout.splitlines() if (path := ROOT / line).is_file()]


def _python() -> list[Path]:
    return [file for file in _files("*.py") if "gen" not in file.relative_to(ROOT).parts]


def test_no_file_outgrows_three_hundred_lines() -> None:
    long = {str(f.relative_to(ROOT)): n for f in _python() if (n := len(f.read_text().splitlines())) > LINES_MAX}
    assert long == {}


def test_every_refusal_and_problem_has_a_status() -> None:
    assert CODES - STATUS.keys() == set()


def test_every_refusal_code_is_used() -> None:
    lists = {"domain/refusals.py", "adapters/http/problems.py"}
    text = "".join(
        file.read_text()
        for file in _python()
        if file.relative_to(ROOT).parts[0] in CODE and str(file.relative_to(ROOT)) not in lists
    )
    assert {code for code in CODES if f'"{code}"' not in text} == set()


def test_every_event_is_projected_or_excused() -> None:
    projected = {type_ for projection in TOPICS.values() for type_ in projection.reads}
    own = {type_ for type_, event in REGISTRY.items() if event.__module__.startswith("domain.")}
    assert own - projected == NOT_PROJECTED.keys()


def test_I2_only_the_appender_writes_to_the_log() -> None:
    writers = {
        str(file.relative_to(ROOT))
        for file in _files("*.sql")
        if re.search(r"INSERT INTO stele\.log\b|UPDATE stele\.log\b|DELETE FROM stele\.log\b", file.read_text())
    }
    assert writers == {f"adapters/postgres/migrations/{name}_pre_append.sql" for name in ("0002", "0004", "0016")}
    callers = {
        str(file.relative_to(ROOT))
        for file in _python()
        if file.parts[-1] != Path(__file__).name
        and file.relative_to(ROOT).parts[0] in CODE
        and "Appender(" in file.read_text()
    }
    assert callers == {"workers/serve.py", "workers/bootstrap.py"}


def test_I12_every_limit_is_used() -> None:
    limits = [
        node.targets[0].id
        for node in ast.parse((ROOT / "domain" / "limits.py").read_text()).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    ]
    text = "".join(
        file.read_text() for file in _python() if file.relative_to(ROOT).parts[0] in CODE and file.name != "limits.py"
    )
    assert [name for name in limits if not re.search(rf"\b{name}\b", text)] == []


@pytest.mark.parametrize("document", ["docs/promises.md", "docs/protocol.md"])
def test_every_test_that_a_document_names_is_there(document: str) -> None:
    missing = []
    for reference in re.findall(r"`(tests/[^`]+)`", (ROOT / document).read_text()):
        file, _, name = reference.partition("::")
        path = ROOT / file
        if not path.is_file() or (name and f"def {name}(" not in path.read_text()):
            missing.append(reference)
    assert missing == []


def test_every_decision_has_its_four_parts_and_a_number_of_its_own() -> None:
    records = sorted(_files("docs/adr/*.md"))
    assert [int(record.name[:4]) for record in records] == list(range(1, len(records) + 1))
    for record in records:
        headings = re.findall(r"^## (.+)$", record.read_text(), re.MULTILINE)
        assert headings == ["Context", "Decision", "Consequences", "Alternatives tried"], record.name


def test_every_decision_that_the_code_names_is_there() -> None:
    there = {record.name[:4] for record in _files("docs/adr/*.md")}
    named = {n for file in _python() for n in re.findall(r"docs/adr/(\d{4})", file.read_text())}
    assert named - there == set()


def test_the_readme_shows_every_command() -> None:
    readme = (ROOT / "README.md").read_text()
    shown = {"up", "ingest", "tail", "actions", "log", "projections", "doctor"}
    names = {command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands}
    assert {name for name in shown if f"`stele {name}" not in readme} == set()
    assert shown - names == {"actions", "projections"}


def test_the_tree_names_no_machine_and_no_registry() -> None:
    bad = re.compile(r"/(?:root|home|Users)/\w|https?://[^\s\"']*(?:pypi|npmjs|crates\.io|proxy\.golang)\S*")
    found = [
        str(file.relative_to(ROOT))
        for file in _files()
        if file.suffix not in {".png"}
        and file.name != Path(__file__).name
        and bad.search(file.read_text(errors="replace"))
    ]
    assert found == []
