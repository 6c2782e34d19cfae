"""The OpenAPI document is the one that the code makes."""

import json
import subprocess
import sys
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "openapi.json"


def test_the_document_in_docs_is_what_the_routes_say() -> None:
    made = subprocess.run(
        [sys.executable, "-m", "workers", "openapi"],
        capture_output=True,
        text=True,
        check=True,
        cwd=DOCUMENT.parents[1],
    )
    assert json.loads(made.stdout) == json.loads(DOCUMENT.read_text()), "run `make openapi`"


def test_it_is_openapi_3_1_and_every_error_is_a_problem() -> None:
    document = json.loads(DOCUMENT.read_text())
    assert document["openapi"].startswith("3.1")
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            content = operation["responses"]["default"]["content"]
            assert list(content) == ["application/problem+json"], f"{method} {path}"
            if method == "post":
                names = {parameter["name"].lower() for parameter in operation["parameters"]}
                assert "idempotency-key" in names, path
