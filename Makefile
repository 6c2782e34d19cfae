# Everything a fresh machine needs is set up by these targets: make, git, python3 (and, for `lint`, npm) are assumed.

PYTHON ?= python3
BIN := .venv/bin
RUN_ARGS ?=

.PHONY: setup setup-dev run test unit lint proto openapi bench soak lock clean

setup: .venv/.installed

setup-dev: .venv/.installed-dev

# The lock holds every package with its hashes; the project itself is installed in place, without dependencies.
.venv/.installed: requirements.lock pyproject.toml
	@echo "installing into .venv (once; half a minute) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

.venv/.installed-dev: requirements-dev.lock .venv/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	touch $@

run: setup
	exec $(BIN)/stele up $(RUN_ARGS)

test: setup-dev
	$(BIN)/pytest

unit: setup-dev
	$(BIN)/pytest tests/unit

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	PYTHON=$(BIN)/python proto/check.sh

proto: setup-dev
	PYTHON=$(BIN)/python proto/generate.sh

openapi: setup-dev
	$(BIN)/stele openapi > docs/openapi.json

bench: setup-dev
	$(BIN)/python -m tests.bench

# A million events past readers while everything is killed, then a hundred deaths of a hub under load: a quarter of an hour.
soak: setup-dev
	$(BIN)/python -m tests.soak.no_skip
	$(BIN)/python -m tests.soak.kill

# Resolve the locks anew (needs uv on the PATH). No index, no paths of this machine.
LOCK := uv pip compile --quiet pyproject.toml --generate-hashes --no-emit-index-url --no-annotate --no-header
lock:
	$(LOCK) --extra embedded --extra build -o requirements.lock
	$(LOCK) --extra embedded --extra build --extra dev -c requirements.lock -o requirements-dev.lock

clean:
	rm -rf .venv proto/node_modules
