# One interpreter and one folder: everything this project needs is brought into .venv, nothing outside it is touched.
PYTHON ?= python3.11
BIN := .venv/bin
STAMP := .venv/.installed
UV_VERSION := 0.13.8
# of tests: they wait for servers a third of the time
PROCESSES := $(shell nproc | awk '{ print int($$1 * 3 / 2) }')

.DEFAULT_GOAL := setup
.PHONY: help setup lock demo up test test-system bench check

help: ## list every target
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(STAMP) ## bring uv and every pinned package into .venv

$(STAMP): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Plimsoll needs Python 3.11; '$(PYTHON)' was not found. Install it, or name it: make PYTHON=/path/to/python3.11"; exit 2; }
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if v == (3, 11) else f"Plimsoll needs Python 3.11; $(PYTHON) is {v[0]}.{v[1]}. Name another: make PYTHON=/path/to/python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --compile-bytecode --requirement requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $(STAMP)
	@echo "Installed into .venv. Next: make demo"

lock: ## resolve the pins of pyproject.toml anew into requirements.lock
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
		--no-annotate --no-header --quiet --output-file requirements.lock

demo: setup ## from raw flights to a scheduled champion, in some minutes
	@$(BIN)/plimsoll demo

up: setup ## Prefect, a worker, MLflow and the reports, until Ctrl-C
	@$(BIN)/plimsoll up

test: setup ## unit and flow tests: what every change must pass
	@$(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist worksteal -m "not campaign"

test-system: setup ## campaigns, real PostgreSQL, browser, demo; needs the Debian packages of docs/testing.md
	@$(BIN)/python -m pytest tests/unit tests/flows --numprocesses logical --dist worksteal -m campaign
	@$(BIN)/python -m pytest tests/system

bench: setup ## every benchmark, then docs/performance.md from their numbers
	@$(BIN)/python -m benchmarks

check: setup ## lint, format, types, import rules
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports
