# The only entry for developers and CI. `make run` and `make test` need Python 3.11+ and make, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test check install install-dev fix bench bench-dashboard chaos every-call failing simulate-long bounds crowd fuzz screenshots docs lock clean

run: install ## start the gateway, send real traffic through it, keep serving; PORT=8090 moves it
	@$(BIN)/tollkeeper demo $(if $(filter command,$(origin PORT)),--port $(PORT))

test: install-dev ## the whole suite, a real PostgreSQL included
	@$(BIN)/python -m pytest

check: install-dev ## format, lint, types, layers, spelling
	@$(BIN)/ruff format --check src tests bench scripts
	@$(BIN)/ruff check src tests bench scripts
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/codespell src tests bench docs deploy README.md CHANGELOG.md

install: $(VENV)/installed ## only the .venv

install-dev: $(VENV)/installed-dev

fix: install-dev ## mend what a tool can mend
	@$(BIN)/ruff format src tests bench scripts
	@$(BIN)/ruff check --fix src tests bench scripts

bench: install-dev ## measure against nginx, Portkey and LiteLLM; writes docs/benchmarks.md
	@$(BIN)/python -m bench

bench-dashboard: install-dev ## every page at ten million records of 400 days, and what calls notice of ten people at the pages; prints its figures
	@$(BIN)/python -m tests.dashboard

chaos: install-dev ## kill -9 two hundred times on each database, keys changed while used for a minute, budgets raced for; prints its figures
	@$(BIN)/python -m tests.chaos
	@$(BIN)/python -m tests.keys
	@$(BIN)/python -m tests.overspend

every-call: install-dev ## 20,000 calls of every dialect at every provider, with every fault: the ledger is the bill; prints its figures
	@$(BIN)/python -m tests.everycall

failing: install-dev ## 10,000 calls beside a deployment that fails in every way there is: what clients saw of it; prints its figures
	@$(BIN)/python -m tests.failing

simulate-long: install-dev ## ten thousand seeded simulations of leases, journal and store; a failure names its seed
	@$(BIN)/python -m tests.simulation --seeds 10000

bounds: install-dev ## ten thousand realistic requests of each dialect: what was reserved against what they cost
	@$(BIN)/python -m tests.bounds --requests 10000

crowd: install-dev ## a thousand organizations with twenty keys each against one: CPU per call and memory
	@$(BIN)/python -m tests.crowd

fuzz: install-dev ## 100,000 hostile requests; prints its figures
	@$(BIN)/python -m tests.fuzz

screenshots: install-dev ## a picture of every page of a house full of data into docs/screenshots; needs the program chromium
	@$(BIN)/python -m tests.screenshots

docs: install-dev ## write the generated reference pages
	@$(BIN)/python scripts/write-reference

lock: ## rewrite both lock files (needs uv)
	@scripts/lock

clean: ## remove what make made
	rm -rf $(VENV) .bench .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .demo

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Tollkeeper needs Python 3.11 or newer: make PYTHON=python3.11 run" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/installed: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing what Tollkeeper needs into $(VENV) (once)…"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/installed-dev: requirements-dev.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing what Tollkeeper's tests need into $(VENV) (once)…"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/installed
